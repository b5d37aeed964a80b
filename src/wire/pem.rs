//! Reads certificates with their keys from PEM files and folders.

use super::identity::common_names;
use super::keyed_chain::{key_in, keyed_chain, wrong_form};
use super::pem_error::{PemError, PemFileError};
use crate::base::file;
use crate::base::hash::{hash64, hash64_pair};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::nom;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate with its chain and key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The file that the chain is in.
    pub file: PathBuf,
    /// Whom it is made out to.
    pub subject: String,
    /// The DNS names it is for, in lower case; of one without any, its common name.
    pub names: Vec<String>,
    /// From when on it is good, in seconds since 1970.
    pub not_before: i64,
    /// When it expires, in seconds since 1970.
    pub not_after: i64,
    /// Chain and key as rustls takes them.
    pub key: Arc<CertifiedKey>,
    /// What its files held, as one number: a renewed one has another.
    pub print: u64,
}

/// Where a chain and its key are; the key may be in the same file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyPairFiles {
    /// The file of the chain.
    pub cert: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

/// What certbot and its like call a chain and its key; cert.pem and chain.pem beside them are parts of the
/// chain.
const FULL_CHAIN: &str = "fullchain.pem";
const PRIVATE_KEY: &str = "privkey.pem";
const PARTS: [&str; 3] = ["cert.pem", "chain.pem", PRIVATE_KEY];

/// How the names of files end that hold a chain.
const CHAINS: [&str; 3] = ["pem", "crt", "cer"];
/// What HAProxy puts behind the name of a certificate that is there for several kinds of key.
const KINDS: [&str; 2] = ["ecdsa", "rsa"];

/// Every pair in a file or folder; a folder's by name.
pub fn load_all(path: &Path) -> Vec<Result<Certificate, PemFileError>> {
    pairs(path).map_or_else(|error| vec![Err(error)], |pairs| pairs.iter().map(load).collect())
}

/// The pairs that a path stands for: a file, or what is in a folder and in the folders that certbot makes in
/// it, one a name.
fn pairs(path: &Path) -> Result<Vec<KeyPairFiles>, PemFileError> {
    let unreadable = |error: std::io::Error| PemFileError::new(path, PemError::File(error.into()));
    let found = match fs::metadata(path) {
        Err(error) => {
            let kinds: Vec<PathBuf> = kinds(path).filter(|kind| kind.is_file()).collect();
            return if kinds.is_empty() {
                Err(unreadable(error))
            } else {
                Ok(kinds.iter().map(|kind| pair_of(kind)).collect())
            };
        }
        Ok(found) => found,
    };
    if !found.is_dir() {
        return Ok(vec![pair_of(path)]);
    }
    let mut found: Vec<KeyPairFiles> = shown(path)
        .map_err(unreadable)?
        .iter()
        .filter(|file| is_certificate(file))
        .map(|file| pair_of(file))
        .collect();
    found.extend(
        folders(path).iter().filter(|inner| is_certbots(inner)).map(|inner| pair_of(&inner.join(FULL_CHAIN))),
    );
    found.sort_by(|a, b| a.cert.cmp(&b.cert));
    if found.is_empty() { Err(PemFileError::new(path, PemError::NoCertificate)) } else { Ok(found) }
}

/// The files of a certificate for each kind of key.
fn kinds(path: &Path) -> impl Iterator<Item = PathBuf> {
    KINDS.iter().map(|kind| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(kind);
        PathBuf::from(name)
    })
}

/// The folders in a folder.
pub fn folders(path: &Path) -> Vec<PathBuf> {
    shown(path).unwrap_or_default().into_iter().filter(|inner| inner.is_dir()).collect()
}

/// What is in a folder and not hidden.
fn shown(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let all = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    all.filter(|path| {
        !path
            .as_ref()
            .is_ok_and(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")))
    })
    .collect()
}

/// Follows links: certbot and Kubernetes both put links into such folders.
fn is_certificate(file: &Path) -> bool {
    let named =
        |names: &[&str]| file.file_name().is_some_and(|name| names.iter().any(|known| name == *known));
    let is_part = || named(&PARTS) && file.parent().is_some_and(is_certbots);
    let ends = |file: &Path, ends: &[&str]| {
        file.extension().is_some_and(|end| ends.iter().any(|known| end.eq_ignore_ascii_case(known)))
    };
    let kind_of = || ends(file, &KINDS) && file.file_stem().is_some_and(|of| ends(Path::new(of), &CHAINS));
    (ends(file, &CHAINS) || kind_of()) && !is_part() && file.is_file()
}

/// A folder as certbot makes one for each certificate.
fn is_certbots(folder: &Path) -> bool {
    folder.join(FULL_CHAIN).is_file() && folder.join(PRIVATE_KEY).is_file()
}

/// A chain's key is in NAME.key, or NAME.pem.key as HAProxy names it, or privkey.pem beside fullchain.pem, or
/// else in the same file.
pub fn pair_of(cert: &Path) -> KeyPairFiles {
    let mut longer = cert.as_os_str().to_owned();
    longer.push(".key");
    let certbots =
        cert.file_name().is_some_and(|name| name == FULL_CHAIN).then(|| cert.with_file_name(PRIVATE_KEY));
    let places = [Some(cert.with_extension("key")), Some(longer.into()), certbots];
    let key = places.into_iter().flatten().find(|place| place.is_file());
    KeyPairFiles { cert: cert.to_owned(), key: key.unwrap_or_else(|| cert.to_owned()) }
}

/// Reads a pair, and sees that its halves belong together. An error is about the chain's file.
pub fn load(pair: &KeyPairFiles) -> Result<Certificate, PemFileError> {
    read_pair(pair).map_err(|why| PemFileError::new(&pair.cert, why))
}

fn read_pair(pair: &KeyPairFiles) -> Result<Certificate, PemError> {
    let text = file::read(&pair.cert)?;
    let mut print = hash64(&text);
    let certificates = certificates(&text).map_err(|why| why.of_file(&pair.cert))?;
    // a file with both is complete, whatever lies beside it
    let secret = match key_in(&text) {
        Ok(key) => key,
        Err(form) if pair.key == pair.cert => {
            let none = || PemError::NoKey { place: pair.cert.with_extension("key") };
            return Err(form.map_or_else(none, |form| PemError::Form(form, pair.cert.clone())));
        }
        Err(_) => {
            let bytes =
                file::read(&pair.key).map_err(|why| PemError::KeyFile { key: pair.key.clone(), why })?;
            print = hash64_pair(&u64::to_le_bytes(print), &bytes);
            key_in(&bytes).map_err(|form| match form {
                Some(form) => PemError::Form(form, pair.key.clone()),
                None => PemError::KeyFileWithoutKey(pair.key.clone()),
            })?
        }
    };
    let first = describe(&certificates[0]).map_err(PemError::Certificate);
    let Some(key) = keyed_chain(certificates, secret)? else {
        // one that cannot be read has no key at all
        return first.and(Err(PemError::OtherKey(pair.key.clone())));
    };
    let (subject, names, validity) = describe(&key.cert[0]).map_err(PemError::Certificate)?;
    let [not_before, not_after] = validity;
    let (file, key) = (pair.cert.clone(), Arc::new(key));
    Ok(Certificate { file, subject, names, not_before, not_after, key, print })
}

/// The certificates in a text, one at least.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    // as an editor of Windows begins a file
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut all = Vec::new();
    for found in CertificateDer::pem_slice_iter(text) {
        match found {
            Ok(certificate) => all.push(certificate),
            // something else that stands in the file, such as a key with a password
            Err(_) if !all.is_empty() && wrong_form(text).is_none() => break,
            Err(error) => return Err(PemError::Format(Arc::new(error))),
        }
    }
    match wrong_form(text) {
        Some(form) => Err(PemError::Form(form, PathBuf::new())),
        None if all.is_empty() => Err(PemError::NoCertificate),
        None => Ok(all),
    }
}

/// A certificate's subject, names, and from when until when it is good.
type Description = (String, Vec<String>, [i64; 2]);

fn describe(leaf: &CertificateDer<'_>) -> Result<Description, X509Error> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| match error {
        nom::Err::Error(error) | nom::Err::Failure(error) => error,
        nom::Err::Incomplete(_) => X509Error::InvalidCertificate,
    })?;
    let names = parsed.subject_alternative_name()?;
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let mut names: Vec<String> = names.collect();
    if names.is_empty() {
        names = common_names(&parsed).map(str::to_ascii_lowercase).collect();
    }
    let validity = [parsed.validity().not_before, parsed.validity().not_after].map(|at| at.timestamp());
    Ok((parsed.subject().to_string(), names, validity))
}

/// From when until when a certificate is good, in seconds since 1970.
pub fn validity(certificate: &CertificateDer<'_>) -> Result<[i64; 2], PemError> {
    describe(certificate).map(|(.., validity)| validity).map_err(PemError::Certificate)
}

/// A store of the authorities in a text.
pub fn authorities(text: &[u8]) -> Result<rustls::RootCertStore, PemError> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(text)? {
        roots.add(certificate).map_err(|error| PemError::Unusable(Box::new(error)))?;
    }
    Ok(roots)
}
