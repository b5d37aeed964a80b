//! Whose certificates are believed of nodes.

use super::node_certificate::{NodeCertificateError, UnfitCertificate};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whose certificates are believed.
#[derive(Debug)]
pub enum Trust {
    /// `verify = true`: those that an authority of `ca` has signed, or that are listed there themselves.
    Listed(ListedCertificates),
    /// Exactly these, whatever name they are made out to.
    Exactly(Vec<CertificateDer<'static>>),
    /// `verify = false`: any, whoever shows it.
    Anybody,
}

/// What `ca` names.
#[derive(Debug)]
pub struct ListedCertificates {
    /// The authorities.
    pub roots: RootCertStore,
    /// What `ca` lists, whether or not they are authorities; none where the public ones are believed.
    pub listed: Vec<CertificateDer<'static>>,
    /// The conf says by which name nodes are known.
    pub named: bool,
}

impl ListedCertificates {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
        algorithms: &[Algorithm],
    ) -> Result<(), UnfitCertificate> {
        let unreadable = || UnfitCertificate::Other(CertificateError::BadEncoding.into());
        let (_, read) = X509Certificate::from_der(leaf).map_err(|_| unreadable())?;
        let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if at > read.validity().not_after.timestamp() {
            return Err(UnfitCertificate::Expired(read.validity().not_after.timestamp()));
        }
        if at < read.validity().not_before.timestamp() {
            return Err(UnfitCertificate::NotYet(read.validity().not_before.timestamp()));
        }
        if self.listed.iter().any(|listed| listed == leaf) {
            // who lists this very certificate knows whose it is, where it says nothing of hosts by itself
            return match self.named || !alternative(&read).is_empty() {
                true => bears(leaf, &read, name),
                false => Ok(()),
            };
        }
        let parsed = ParsedCertificate::try_from(leaf).map_err(|error| match read.version().0 {
            0 | 1 => UnfitCertificate::Old,
            _ => UnfitCertificate::Other(error),
        })?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, chain, now, algorithms).map_err(
            |error| match error {
                Error::InvalidCertificate(CertificateError::UnknownIssuer)
                    if read.subject() == read.issuer() =>
                {
                    UnfitCertificate::SignedByItself
                }
                Error::InvalidCertificate(CertificateError::UnknownIssuer) => UnfitCertificate::Stranger {
                    issuer: read.issuer().to_string(),
                    public: self.listed.is_empty(),
                },
                Error::InvalidCertificate(
                    CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
                ) => UnfitCertificate::Purpose,
                Error::InvalidCertificate(CertificateError::Other(_)) if read.is_ca() => {
                    UnfitCertificate::Authority
                }
                error => UnfitCertificate::Other(error),
            },
        )?;
        match verify_server_name(&parsed, name) {
            Ok(()) => Ok(()),
            // the public authorities have not signed one without names for a decade
            Err(_) if self.listed.is_empty() => Err(other_name(&read, name)),
            Err(_) => bears(leaf, &read, name),
        }
    }
}

/// Whether a certificate is made out to a name: by its alternative names, or if it has none, by its common name
/// (RFC 6125 section 6.4.4).
fn bears(
    leaf: &CertificateDer<'_>,
    read: &X509Certificate<'_>,
    name: &ServerName<'_>,
) -> Result<(), UnfitCertificate> {
    if ParsedCertificate::try_from(leaf).is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok()) {
        return Ok(());
    }
    let wanted = name.to_str().trim_end_matches('.').to_ascii_lowercase();
    let parent = wanted.split_once('.').map(|(_, parent)| parent);
    let is = |common: &str| match common.strip_prefix("*.") {
        Some(of) => parent.is_some_and(|parent| of.eq_ignore_ascii_case(parent)),
        None => common.eq_ignore_ascii_case(&wanted),
    };
    let mut common = read.subject().iter_common_name().filter_map(|common| common.as_str().ok());
    match alternative(read).is_empty() && common.any(is) {
        true => Ok(()),
        false => Err(other_name(read, name)),
    }
}

/// The names that count when there are any.
fn alternative(read: &X509Certificate<'_>) -> Vec<String> {
    let names = read.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match **bytes {
                [a, b, c, d] => Some(std::net::Ipv4Addr::from([a, b, c, d]).to_string()),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(|ip| std::net::Ipv6Addr::from(ip).to_string()),
            },
            _ => None,
        })
        .collect()
}

fn other_name(read: &X509Certificate<'_>, name: &ServerName<'_>) -> UnfitCertificate {
    let mut names = alternative(read);
    if names.is_empty() {
        let common = read.subject().iter_common_name().filter_map(|common| common.as_str().ok());
        names = common.map(str::to_owned).collect();
    }
    UnfitCertificate::OtherName { names, wanted: name.to_str().into_owned() }
}

/// Asks of whoever shows a certificate that it is believed, and that he holds its key.
#[derive(Debug)]
pub struct PeerVerifier {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// How signatures are verified.
    pub provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trust {
            Trust::Listed(listed) => {
                let algorithms = self.provider.signature_verification_algorithms.all;
                let judged = listed.judge(leaf, chain, name, now, algorithms);
                judged.map_err(NodeCertificateError)?;
            }
            Trust::Exactly(known) if !known.iter().any(|known| known == leaf) => {
                return Err(CertificateError::UnknownIssuer.into());
            }
            Trust::Exactly(_) | Trust::Anybody => {}
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed12(message, leaf, signature, &self.provider)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed13(message, leaf, signature, &self.provider)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The key in a certificate of X.509 version 1, which the library does not read.
fn old_key<'a>(leaf: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (_, read) = X509Certificate::from_der(leaf).ok()?;
    (read.version().0 < 2).then_some(read)
}

fn signed12(
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    provider: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    let known = &provider.signature_verification_algorithms;
    let Some(old) = old_key(leaf) else { return verify_tls12_signature(message, leaf, signature, known) };
    let key = old.public_key();
    let verified = of_scheme(known, signature.scheme).any(|algorithm| {
        is_for(algorithm.public_key_alg_id().as_ref(), key.raw)
            && algorithm
                .verify_signature(&key.subject_public_key.data, message, signature.signature())
                .is_ok()
    });
    match verified {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into()),
    }
}

fn signed13(
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    provider: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    let known = &provider.signature_verification_algorithms;
    match old_key(leaf) {
        None => verify_tls13_signature(message, leaf, signature, known),
        Some(old) => {
            let key = SubjectPublicKeyInfoDer::from(old.public_key().raw);
            verify_tls13_signature_with_raw_key(message, &key, signature, known)
        }
    }
}

type Algorithm = &'static dyn rustls_pki_types::SignatureVerificationAlgorithm;

fn of_scheme(known: &WebPkiSupportedAlgorithms, scheme: SignatureScheme) -> impl Iterator<Item = Algorithm> {
    known
        .mapping
        .iter()
        .filter(move |(of, _)| *of == scheme)
        .flat_map(|(_, algorithms)| algorithms.iter().copied())
}

/// Whether a public key begins by this identifier: behind the heads of two sequences, short or long.
fn is_for(id: &[u8], key: &[u8]) -> bool {
    let content = |der: &[u8]| -> Option<usize> {
        match *der.get(1)? {
            short if short < 0x80 => Some(2),
            long => Some(2 + usize::from(long & 0x7f)),
        }
    };
    let outer = content(key).and_then(|at| key.get(at..));
    let inner = outer.and_then(|outer| content(outer).and_then(|at| outer.get(at..)));
    inner.is_some_and(|inner| inner.starts_with(id))
}
