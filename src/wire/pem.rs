//! Reads certificates with their keys from PEM files and folders.

use crate::base::hash::{hash64, hash64_pair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt::Display;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate with its chain and key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The file that the chain is in.
    pub file: PathBuf,
    /// Whom it is made out to.
    pub subject: String,
    /// The DNS names it is for, in lower case.
    pub names: Vec<String>,
    /// When it expires, in seconds since 1970.
    pub not_after: i64,
    /// Chain and key as rustls takes them.
    pub key: Arc<CertifiedKey>,
    /// What its files held, as one number: a renewed one has another.
    pub print: u64,
}

/// A file that could not be used.
#[derive(Debug, Clone)]
pub struct PemProblem {
    /// Which.
    pub file: PathBuf,
    /// Why, with the file's name.
    pub message: String,
}

impl PemProblem {
    /// The message is to stand behind the file's name.
    pub fn new(file: &Path, message: impl Display) -> Self {
        Self { file: file.to_owned(), message: format!("{} {message}", file.display()) }
    }
}

/// Where a chain and its key are; the key may be in the same file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyPairFiles {
    /// The file of the chain.
    pub cert: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

/// The largest file that is read.
const LARGEST: u64 = 16 << 20;

/// What certbot and its like call a chain and its key; cert.pem and chain.pem beside them are parts of the chain.
const FULL_CHAIN: &str = "fullchain.pem";
const PRIVATE_KEY: &str = "privkey.pem";
const PARTS: [&str; 3] = ["cert.pem", "chain.pem", PRIVATE_KEY];

/// Every pair in a file or folder; a folder's by name.
pub fn load_all(path: &Path) -> Vec<Result<Certificate, PemProblem>> {
    pairs(path).map_or_else(|problem| vec![Err(problem)], |pairs| pairs.iter().map(load).collect())
}

/// The pairs that a path stands for: a file, or what is in a folder and in the folders that certbot makes in it, one a name.
fn pairs(path: &Path) -> Result<Vec<KeyPairFiles>, PemProblem> {
    let unreadable = |error| PemProblem::new(path, format_args!("cannot be read: {error}"));
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![pair_of(path)]);
    }
    let mut found: Vec<KeyPairFiles> =
        shown(path).map_err(unreadable)?.iter().filter(|file| is_certificate(file)).map(|file| pair_of(file)).collect();
    found.extend(folders(path).iter().filter(|inner| is_certbots(inner)).map(|inner| pair_of(&inner.join(FULL_CHAIN))));
    found.sort_by(|a, b| a.cert.cmp(&b.cert));
    if found.is_empty() { Err(PemProblem::new(path, "holds no certificate")) } else { Ok(found) }
}

/// The folders in a folder.
pub fn folders(path: &Path) -> Vec<PathBuf> {
    shown(path).unwrap_or_default().into_iter().filter(|inner| inner.is_dir()).collect()
}

/// What is in a folder and not hidden.
fn shown(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let all = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    all.filter(|path| !path.as_ref().is_ok_and(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))))
        .collect()
}

/// Follows links: certbot and Kubernetes both put links into such folders.
fn is_certificate(file: &Path) -> bool {
    let named = |names: &[&str]| file.file_name().is_some_and(|name| names.iter().any(|known| name == *known));
    let is_part = || named(&PARTS) && file.parent().is_some_and(is_certbots);
    file.extension().is_some_and(|end| ["pem", "crt", "cer"].iter().any(|cert| end.eq_ignore_ascii_case(cert)))
        && !is_part()
        && file.is_file()
}

/// A folder as certbot makes one for each certificate.
fn is_certbots(folder: &Path) -> bool {
    folder.join(FULL_CHAIN).is_file() && folder.join(PRIVATE_KEY).is_file()
}

/// A chain's key is in NAME.key, or NAME.pem.key as HAProxy names it, or privkey.pem beside fullchain.pem, or else in the same file.
pub fn pair_of(cert: &Path) -> KeyPairFiles {
    let mut longer = cert.as_os_str().to_owned();
    longer.push(".key");
    let certbots = cert.file_name().is_some_and(|name| name == FULL_CHAIN).then(|| cert.with_file_name(PRIVATE_KEY));
    let places = [Some(cert.with_extension("key")), Some(longer.into()), certbots];
    let key = places.into_iter().flatten().find(|place| place.is_file());
    KeyPairFiles { cert: cert.to_owned(), key: key.unwrap_or_else(|| cert.to_owned()) }
}

/// Reads a pair, and sees that its halves belong together. A problem is that of the chain's file.
pub fn load(pair: &KeyPairFiles) -> Result<Certificate, PemProblem> {
    let problem = |message: &dyn Display| PemProblem::new(&pair.cert, message);
    let text = read(&pair.cert).map_err(|error| problem(&error))?;
    let mut print = hash64(&text);
    let chain = certificates(&text).map_err(|error| problem(&error))?;
    let (subject, names, not_after) = describe(&chain[0]).map_err(|error| problem(&error))?;
    // a file with both is complete, whatever lies beside it
    let secret = match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => key,
        Err(_) if pair.key == pair.cert => {
            let place = pair.cert.with_extension("key");
            return Err(problem(&format_args!("holds no private key, and there is none in {}", place.display())));
        }
        Err(_) => {
            let bytes = read(&pair.key).map_err(|error| problem(&format_args!("has its key in {}, which {error}", pair.key.display())))?;
            let none = |_| problem(&format_args!("has its key in {}, which holds no private key", pair.key.display()));
            print = hash64_pair(&u64::to_le_bytes(print), &bytes);
            PrivateKeyDer::from_pem_slice(&bytes).map_err(none)?
        }
    };
    let key = CertifiedKey::from_der(chain, secret, &default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            problem(&format_args!("holds a certificate that the key in {} does not belong to", pair.key.display()))
        }
        error => problem(&format_args!("cannot be used: {error}")),
    })?;
    Ok(Certificate { file: pair.cert.clone(), subject, names, not_after, key: Arc::new(key), print })
}

/// What a file holds, 16 MiB at most. The error is to stand behind the file's name.
pub fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let unreadable = |error| format!("cannot be read: {error}");
    fs::File::open(file).map_err(unreadable)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST { Err("is larger than 16 MiB".into()) } else { Ok(bytes) }
}

/// The certificates in a text, one at least. The error is to stand behind the file's name.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|error| format!("is not a PEM file: {error}"))?;
    if all.is_empty() { Err("holds no certificate".into()) } else { Ok(all) }
}

/// A certificate's subject, DNS names and end.
fn describe(leaf: &CertificateDer<'_>) -> Result<(String, Vec<String>, i64), String> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
    let names = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    Ok((parsed.subject().to_string(), names.collect(), parsed.validity().not_after.timestamp()))
}

/// A store of the authorities in a text. The error is to stand behind the file's name.
pub fn authorities(text: &[u8]) -> Result<rustls::RootCertStore, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(text)? {
        roots.add(certificate).map_err(|error| format!("holds a certificate that cannot be used: {error}"))?;
    }
    Ok(roots)
}
