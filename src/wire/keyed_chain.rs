//! A chain and its key out of PEM texts, in whatever order and company they stand.

use super::pem_error::{PemError, WrongForm};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The identifier that stands in every PKCS #12 file: pkcs7-data, in DER.
const PKCS7_DATA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// A key that wants a password, in PKCS #8 and in the form before it.
const ENCRYPTED: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"];

/// What is wrong with a text that is to be PEM, where that can be told at a look.
pub fn wrong_form(text: &[u8]) -> Option<WrongForm> {
    let holds = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    match () {
        () if holds(b"-----BEGIN CERTIFICATE-----") => None,
        () if holds(b"-----BEGIN CERTIFICATE REQUEST-----")
            || holds(b"-----BEGIN NEW CERTIFICATE REQUEST-----") =>
        {
            Some(WrongForm::Request)
        }
        () if holds(b"-----BEGIN ") || text.first() != Some(&0x30) => None,
        () if X509Certificate::from_der(text).is_ok() => Some(WrongForm::Der),
        () if holds(PKCS7_DATA) => Some(WrongForm::Pkcs12),
        () => Some(WrongForm::DerKey),
    }
}

/// The private key in a text, if there is one.
pub fn key_in(text: &[u8]) -> Result<PrivateKeyDer<'static>, Option<WrongForm>> {
    PrivateKeyDer::from_pem_slice(text).map_err(|_| match () {
        () if ENCRYPTED.iter().any(|mark| memchr::memmem::find(text, mark).is_some()) => {
            Some(WrongForm::EncryptedKey)
        }
        () => wrong_form(text).filter(|form| matches!(form, WrongForm::DerKey | WrongForm::Pkcs12)),
    })
}

/// The chain in its order with its key: first the certificate that the key is of, each next one that of who
/// signed the one before. `None` when the key is of none of them.
pub fn keyed_chain(
    certificates: Vec<CertificateDer<'static>>,
    secret: PrivateKeyDer<'static>,
) -> Result<Option<CertifiedKey>, PemError> {
    let key = default_provider()
        .key_provider
        .load_private_key(secret)
        .map_err(|error| PemError::UnusableKey(Box::new(error)))?;
    let leaf = match certificates.iter().position(|one| is_of(&*key, one)) {
        Some(leaf) => leaf,
        None => return Ok(None),
    };
    Ok(Some(CertifiedKey::new(in_order(certificates, leaf), key)))
}

/// Whether a certificate is made out for a key.
fn is_of(key: &dyn SigningKey, certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    key.public_key().is_none_or(|public| public.as_ref() == parsed.public_key().raw)
}

/// What belongs to no one stays behind, as it came.
fn in_order(mut rest: Vec<CertificateDer<'static>>, leaf: usize) -> Vec<CertificateDer<'static>> {
    let mut chain = vec![rest.remove(leaf)];
    while let Some(next) = chain.last().and_then(|last| rest.iter().position(|one| has_signed(one, last))) {
        chain.push(rest.remove(next));
    }
    chain.extend(rest);
    chain
}

/// By name: what is signed is for those to verify who are shown it.
fn has_signed(one: &CertificateDer<'_>, other: &CertificateDer<'_>) -> bool {
    match (X509Certificate::from_der(one), X509Certificate::from_der(other)) {
        (Ok((_, one)), Ok((_, other))) => one.subject().as_raw() == other.issuer().as_raw(),
        _ => false,
    }
}

/// A certificate of one kind of key is shown with it: what clients that know both are shown first.
pub fn is_preferred(key: &Arc<CertifiedKey>) -> bool {
    key.key.algorithm() != rustls::SignatureAlgorithm::RSA
}
