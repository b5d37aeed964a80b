//! Files that the conf file refers to: certificates with their keys, authorities, pages.

use super::Checker;
use crate::base::token::Token;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The largest PEM file or page that is read.
const LARGEST: u64 = 16 << 20;

impl Checker<'_> {
    /// Notes a file to be watched, and gives its whole name.
    fn reference(&mut self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        self.files.push(path.clone());
        path
    }

    /// Checks that a file can be read.
    pub(super) fn readable(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        if let Err(error) = read(&path) {
            self.error(at, format!("{} {error}", path.display()), "check the name, and that the user homing runs as may read it");
        }
    }

    /// Checks a file with a token.
    pub(super) fn token(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        if let Err(error) = Token::read(&path) {
            let help = "make one with: (umask 077; openssl rand -hex 32 > FILE)";
            return self.error(at, format!("{} {error}", path.display()), help);
        }
        let open = std::fs::metadata(&path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        if open {
            self.warn(at, format!("{} can be read by other users of this machine", path.display()), format!("chmod 600 {name}"));
        }
    }

    /// Checks a file of authorities.
    pub(super) fn authorities(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        match read(&path).and_then(|bytes| chain(&bytes)) {
            Ok(_) => {}
            Err(error) => self.error(at, format!("{} {error}", path.display()), "name a PEM file with the certificates of the authorities"),
        }
    }

    /// Checks a certificate and its key, in one file or two.
    pub(super) fn pair(&mut self, at: &str, cert: &str, key: &str) {
        let (cert, key) = (self.reference(cert), self.reference(key));
        if let Err(error) = matches(&cert, &key) {
            self.error(at, error, "the key must be the one that the certificate was made for; both in PEM");
        }
    }

    /// Checks an entry of `certs`: a file, or a folder of them.
    pub(super) fn certs(&mut self, at: &str, name: &str) {
        let path = self.reference(name);
        if !path.is_dir() {
            let key = key_beside(&path);
            if let Err(error) = matches(&path, &key) {
                self.error(at, error, "put certificate chain and key into one PEM file, or NAME.key beside NAME.crt");
            }
            if key != path {
                self.files.push(key);
            }
            return;
        }
        let mut entries: Vec<PathBuf> = match std::fs::read_dir(&path) {
            Ok(entries) => entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect(),
            Err(error) => {
                return self.error(
                    at,
                    format!("{} cannot be read: {error}", path.display()),
                    "check that the user homing runs as may read the folder",
                );
            }
        };
        entries.retain(|entry| is_certificate(entry));
        entries.sort();
        if entries.is_empty() {
            self.error(
                at,
                format!("{} holds no certificate", path.display()),
                "put NAME.pem with chain and key there, or NAME.crt and NAME.key",
            );
        }
        for entry in entries {
            if let Err(error) = matches(&entry, &key_beside(&entry)) {
                self.error(at, error, "put certificate chain and key into one PEM file, or NAME.key beside NAME.crt");
            }
        }
    }
}

/// True for the names that a folder is searched for.
fn is_certificate(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|extension| extension == "crt" || extension == "pem" || extension == "cer") && path.is_file()
}

/// The file with the key: NAME.key where there is one, else the same file.
fn key_beside(cert: &Path) -> PathBuf {
    let key = cert.with_extension("key");
    if key.is_file() { key } else { cert.to_owned() }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > LARGEST { Err("is larger than 16 MiB".into()) } else { Ok(bytes) }
}

fn chain(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|error| format!("is not a PEM file: {error}"))?;
    if chain.is_empty() { Err("holds no certificate".into()) } else { Ok(chain) }
}

/// Whether the certificate and the key are a pair.
fn matches(cert: &Path, key: &Path) -> Result<(), String> {
    let said = |path: &Path, error: String| format!("{} {error}", path.display());
    let chain = read(cert).and_then(|bytes| chain(&bytes)).map_err(|error| said(cert, error))?;
    let bytes = read(key).map_err(|error| said(key, error))?;
    let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| said(key, "holds no private key".into()))?;
    let signer = any_supported_type(&private).map_err(|error| said(key, format!("holds a key that cannot be used: {error}")))?;
    match CertifiedKey::new(chain, signer).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(format!("the key in {} is not that of the certificate in {}", key.display(), cert.display()))
        }
        Err(error) => Err(said(cert, format!("holds a certificate that cannot be used: {error}"))),
    }
}
