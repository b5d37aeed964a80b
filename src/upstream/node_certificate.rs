//! What is wrong with a node's certificate, and what to do about it.

use crate::base::clock::rfc3339_secs;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError};
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a node's certificate is not believed.
#[derive(Debug)]
pub enum UnfitCertificate {
    /// It was good until then, in seconds since 1970.
    Expired(i64),
    /// It is good from then on.
    NotYet(i64),
    /// It is made out to others.
    OtherName {
        /// To whom.
        names: Vec<String>,
        /// By which name the node is known here.
        wanted: String,
    },
    /// Nobody else vouches for it.
    SignedByItself,
    /// Nobody knows who has signed it.
    Stranger {
        /// Who.
        issuer: String,
        /// The public authorities are believed, for the conf names none.
        public: bool,
    },
    /// It is of a version of X.509 that says too little for an authority's word to count.
    Old,
    /// It is an authority's.
    Authority,
    /// It is for something else than a server.
    Purpose,
    /// What the library says.
    Other(Error),
}

/// The same, as the library carries it.
#[derive(Debug)]
pub struct NodeCertificateError(pub UnfitCertificate);

impl fmt::Display for NodeCertificateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            UnfitCertificate::Expired(at) => {
                write!(out, "the node's certificate has expired on {}: renew it", rfc3339_secs(*at))
            }
            UnfitCertificate::NotYet(at) => write!(
                out,
                "the node's certificate is not good before {}: set the clocks right, or wait",
                rfc3339_secs(*at)
            ),
            UnfitCertificate::OtherName { names, wanted } if names.is_empty() => write!(
                out,
                "the node's certificate has no name, and not {wanted}: list it itself in `tls.ca`"
            ),
            UnfitCertificate::OtherName { names, wanted } => write!(
                out,
                "the node's certificate is made out to {}, and not to {wanted}: write it as server-name in `tls`",
                names.join(", ")
            ),
            UnfitCertificate::SignedByItself => {
                out.write_str("the node's certificate is signed by itself: list it in `tls.ca`")
            }
            UnfitCertificate::Stranger { issuer, public: true } => write!(
                out,
                "the node's certificate is signed by {issuer}, which is not among the public authorities: name its certificate as `tls.ca`"
            ),
            UnfitCertificate::Stranger { issuer, public: false } => write!(
                out,
                "the node's certificate is signed by {issuer}, which is not in `tls.ca`: add its certificate there"
            ),
            UnfitCertificate::Old => out.write_str(
                "the node's certificate is of X.509 version 1, in which nobody can vouch for it: list it itself in `tls.ca`, or make \
                 one of version 3",
            ),
            UnfitCertificate::Purpose => out.write_str(
                "the node's certificate is not for servers: make one with the extended key usage serverAuth, or list it itself in `tls.ca`",
            ),
            UnfitCertificate::Authority => {
                out.write_str("the node's certificate is that of an authority: list it itself in `tls.ca`")
            }
            UnfitCertificate::Other(error) => write!(out, "the node's certificate is not believed: {error}"),
        }
    }
}

impl std::error::Error for NodeCertificateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            UnfitCertificate::Other(error) => Some(error),
            _ => None,
        }
    }
}

impl From<NodeCertificateError> for Error {
    fn from(why: NodeCertificateError) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))))
    }
}

/// How a handshake with a node failed, in words of ours where there are some.
pub struct HandshakeWords<'a>(pub &'a io::Error);

impl fmt::Display for HandshakeWords<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match error {
            Some(Error::InvalidCertificate(CertificateError::Other(why))) => why.0.fmt(out),
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                out.write_str("the node does not speak TLS there: write its url with http://")
            }
            Some(Error::AlertReceived(
                AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
            )) => {
                out.write_str("the node wants a certificate of ours that it believes: name it as `tls.cert`")
            }
            Some(Error::AlertReceived(AlertDescription::UnrecognisedName)) => out.write_str(
                "the node knows no site of the name that it is asked for: write it as server-name in `tls`",
            ),
            _ => self.0.fmt(out),
        }
    }
}
