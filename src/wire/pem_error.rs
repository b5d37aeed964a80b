//! Why certificates, keys and authorities are of no use, and why no TLS can be made of them.

use crate::base::file::FileError;
use rustls::server::VerifierBuilderError;
use rustls_pki_types::pem;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::error::X509Error;

/// What a file is in place of one in PEM with what is wanted, where a command makes the one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongForm {
    /// A certificate in DER.
    Der,
    /// A key in DER, or something else that is.
    DerKey,
    /// PKCS #12, as Windows and Java keep certificates with their keys.
    Pkcs12,
    /// A request for a certificate.
    Request,
    /// A key that wants a password.
    EncryptedKey,
}

/// What is wrong with a file in PEM. Its words stand behind the file's name.
#[derive(Debug, Clone)]
pub enum PemError {
    /// It cannot be read.
    File(FileError),
    /// It is something else that is known, and which file.
    Form(WrongForm, PathBuf),
    /// It is something else.
    Format(Arc<pem::Error>),
    /// No certificate is in it, or in the folder.
    NoCertificate,
    /// Its certificate is none.
    Certificate(X509Error),
    /// Its certificate is one that TLS cannot work with.
    Unusable(Box<rustls::Error>),
    /// Its key is one that TLS cannot work with.
    UnusableKey(Box<rustls::Error>),
    /// It has no key, and neither has the file beside it.
    NoKey {
        /// Where it would be.
        place: PathBuf,
    },
    /// The file of its key cannot be read.
    KeyFile {
        /// That file.
        key: PathBuf,
        /// Why not.
        why: FileError,
    },
    /// The file of its key has none.
    KeyFileWithoutKey(PathBuf),
    /// The key in this file is that of another certificate.
    OtherKey(PathBuf),
}

/// A file, or a folder, that is of no use.
#[derive(Debug, Clone)]
pub struct PemFileError {
    /// Which.
    pub file: PathBuf,
    /// Why.
    pub why: PemError,
}

impl PemFileError {
    /// About this file.
    pub fn new(file: &Path, why: PemError) -> Self {
        Self { file: file.to_owned(), why }
    }
}

/// Why no TLS can be made of what a conf says.
#[derive(Debug)]
pub enum TlsError {
    /// A file that it names.
    File(PemFileError),
    /// A listener's certificates are named nowhere.
    NoCertificate,
    /// The authorities are of no use.
    Authorities(VerifierBuilderError),
    /// What the library says.
    Library(rustls::Error),
}

impl From<FileError> for PemError {
    fn from(why: FileError) -> Self {
        Self::File(why)
    }
}

impl From<PemFileError> for TlsError {
    fn from(why: PemFileError) -> Self {
        Self::File(why)
    }
}

impl From<VerifierBuilderError> for TlsError {
    fn from(why: VerifierBuilderError) -> Self {
        Self::Authorities(why)
    }
}

impl From<rustls::Error> for TlsError {
    fn from(why: rustls::Error) -> Self {
        Self::Library(why)
    }
}

impl PemError {
    /// About this file, where it is not known yet which.
    pub fn of_file(self, file: &Path) -> Self {
        match self {
            Self::Form(form, of) if of.as_os_str().is_empty() => Self::Form(form, file.to_owned()),
            other => other,
        }
    }
}

impl WrongForm {
    fn say(self, file: &Path, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // of what is asked for with no file at hand
        let from = if file.as_os_str().is_empty() { "FILE".into() } else { file.to_string_lossy() };
        match self {
            Self::Der => write!(
                out,
                "is in DER, and PEM is wanted: openssl x509 -inform der -in {from} -out {from}.pem"
            ),
            Self::DerKey => write!(
                out,
                "is in DER, and PEM is wanted: openssl pkey -inform der -in {from} -out {from}.pem"
            ),
            Self::Pkcs12 => write!(
                out,
                "is in PKCS #12, and PEM is wanted: openssl pkcs12 -in {from} -nodes -out {from}.pem"
            ),
            Self::Request => out.write_str(
                "holds a request for a certificate, and not the certificate that the authority has made of it",
            ),
            Self::EncryptedKey => {
                let (to, then) = match file.extension().is_some_and(|end| end == "key") {
                    true => (format!("{from}.open"), format!(" && mv {from}.open {from}")),
                    false => (format!("{from}.key"), String::new()),
                };
                write!(
                    out,
                    "has a key that wants a password, which nobody is here to give: openssl pkey -in {from} -out {to}{then}"
                )
            }
        }
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(why) => why.fmt(out),
            Self::Form(form, file) => form.say(file, out),
            Self::Format(error) => write!(out, "is not a PEM file: {error}"),
            Self::NoCertificate => out.write_str("holds no certificate"),
            Self::Certificate(error) => write!(out, "holds a certificate that cannot be read: {error}"),
            Self::Unusable(error) => write!(out, "holds a certificate that cannot be used: {error}"),
            Self::UnusableKey(error) => write!(out, "has a key that cannot be used: {error}"),
            Self::NoKey { place } => {
                write!(out, "holds no private key, and there is none in {}", place.display())
            }
            Self::KeyFile { key, why } => write!(out, "has its key in {}, which {why}", key.display()),
            Self::KeyFileWithoutKey(key) => {
                write!(out, "has its key in {}, which holds no private key", key.display())
            }
            Self::OtherKey(key) => {
                write!(out, "holds a certificate that the key in {} does not belong to", key.display())
            }
        }
    }
}

impl fmt::Display for PemFileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.file.display(), self.why)
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(why) => why.fmt(out),
            Self::NoCertificate => out.write_str("no certificate given"),
            Self::Authorities(error) => error.fmt(out),
            Self::Library(error) => error.fmt(out),
        }
    }
}

impl Error for PemError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(why) | Self::KeyFile { why, .. } => Some(why),
            Self::Format(error) => Some(error.as_ref()),
            Self::Certificate(error) => Some(error),
            Self::Unusable(error) | Self::UnusableKey(error) => Some(&**error),
            Self::NoCertificate
            | Self::Form(..)
            | Self::NoKey { .. }
            | Self::KeyFileWithoutKey(_)
            | Self::OtherKey(_) => None,
        }
    }
}

impl Error for PemFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.why)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(why) => Some(why),
            Self::Authorities(error) => Some(error),
            Self::Library(error) => Some(error),
            Self::NoCertificate => None,
        }
    }
}
