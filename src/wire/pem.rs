//! Reads certificates with their keys from PEM files and folders.

use crate::base::hash::hash64_pair;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate with its chain and key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The file that the chain is in.
    pub file: PathBuf,
    /// The DNS names it is for, in lower case.
    pub names: Vec<String>,
    /// When it expires, in seconds since 1970.
    pub not_after: i64,
    /// Chain and key as rustls takes them.
    pub key: Arc<CertifiedKey>,
}

/// A file that could not be used.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which.
    pub file: PathBuf,
    /// Why, with the file's name.
    pub message: String,
}

impl Problem {
    fn new(file: &Path, message: impl std::fmt::Display) -> Self {
        Self { file: file.to_owned(), message: format!("{}: {message}", file.display()) }
    }
}

/// Every pair in these files and folders, in order; folders by name.
pub fn load_all(paths: &[PathBuf]) -> Vec<Result<Certificate, Problem>> {
    let mut found = Vec::new();
    for path in paths {
        match fs::metadata(path) {
            Err(error) => found.push(Err(Problem::new(path, error))),
            Ok(kind) if kind.is_dir() => match folder(path) {
                Err(error) => found.push(Err(Problem::new(path, error))),
                Ok(files) if files.is_empty() => found.push(Err(Problem::new(path, "no certificate in this folder"))),
                Ok(files) => found.extend(files.iter().map(|file| load(file))),
            },
            Ok(_) => found.push(load(path)),
        }
    }
    found
}

/// The files of a folder that are by their names certificates.
fn folder(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let is_cert = file.extension().is_some_and(|end| ["pem", "crt", "cer"].iter().any(|cert| end.eq_ignore_ascii_case(cert)));
        // Follows links: certbot and Kubernetes both put links into such folders.
        if is_cert && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// One pair: the chain in `file`, the key in it or beside it.
fn load(file: &Path) -> Result<Certificate, Problem> {
    let problem = |message: &dyn std::fmt::Display| Problem::new(file, message);
    let text = fs::read(file).map_err(|error| problem(&error))?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>().map_err(|error| problem(&error))?;
    let Some(leaf) = chain.first() else {
        return Err(problem(&"no certificate in this file"));
    };
    let (names, not_after) = describe(leaf).map_err(|error| problem(&error))?;
    let key = match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => key,
        Err(rustls_pki_types::pem::Error::NoItemsFound) => key_beside(file)?,
        Err(error) => return Err(problem(&error)),
    };
    let key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => problem(&"the key does not belong to this certificate"),
        error => problem(&error),
    })?;
    Ok(Certificate { file: file.to_owned(), names, not_after, key: Arc::new(key) })
}

/// The key of a certificate that has none in its own file: NAME.key, or NAME.pem.key as HAProxy names it.
fn key_beside(file: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let mut longer = file.as_os_str().to_owned();
    longer.push(".key");
    let places = [file.with_extension("key"), PathBuf::from(longer)];
    let Some(place) = places.iter().find(|place| place.is_file()) else {
        return Err(Problem::new(file, format!("no key in this file, nor in {}", places[0].display())));
    };
    // The problem belongs to the certificate's file: that is what an older pair is found by.
    PrivateKeyDer::from_pem_file(place).map_err(|error| Problem::new(file, format!("its key {}: {error}", place.display())))
}

/// A certificate's DNS names and its end.
fn describe(leaf: &CertificateDer<'_>) -> Result<(Vec<String>, i64), String> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
    let names = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    Ok((names.collect(), parsed.validity().not_after.timestamp()))
}

/// The certificates of a file, for authorities.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(file)
        .and_then(|certs| certs.collect::<Result<Vec<_>, _>>())
        .map_err(|error| format!("{}: {error}", file.display()))?;
    if all.is_empty() {
        return Err(format!("{}: no certificate in this file", file.display()));
    }
    Ok(all)
}

/// A store of the authorities in a file.
pub fn authorities(file: &Path) -> Result<rustls::RootCertStore, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(roots)
}

/// What these files hold, as one number. One that cannot be read is refused where it is used.
pub fn fingerprint(files: impl IntoIterator<Item = PathBuf>) -> u64 {
    files.into_iter().fold(0, |print, file| hash64_pair(&u64::to_le_bytes(print), &fs::read(file).unwrap_or_default()))
}
