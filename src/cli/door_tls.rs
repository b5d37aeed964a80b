//! TLS towards the proxy's window: whom it is believed to be.

use crate::config::files::NamedFiles;
use crate::config::model::ClusterTls;
use crate::upstream::tls::NodeTls;
use crate::wire::pem_error::TlsError;
use crate::wire::protocol::NodeProtocol;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::path::Path;
use std::sync::Arc;

/// How handshakes go: an authority that is named counts alone, else what the conf file of this machine names as
/// `shown`, else the public authorities.
pub fn settings(
    ca: Option<&Path>,
    cert: Option<&Path>,
    shown: &[CertificateDer<'static>],
) -> Result<Arc<ClientConfig>, TlsError> {
    let name = |path: Option<&Path>| path.map(|path| path.to_string_lossy().into_owned());
    let conf = ClusterTls { ca: name(ca), cert: name(cert), ..ClusterTls::default() };
    let mut files = NamedFiles::of(Path::new(""));
    // what cannot be read is said by who needs it
    if let Some(file) = &conf.ca {
        drop(files.read(&files.path(file)));
    }
    if let Some(file) = &conf.cert {
        drop(files.read_pair(files.pair_of(file, None)));
    }
    let tls = NodeTls::of(&conf, &files)?;
    let usual = tls.to_speak(NodeProtocol::Http1);
    if ca.is_some() || shown.is_empty() {
        return Ok(usual.clone());
    }
    let mut pinned = ClientConfig::clone(usual);
    let verifier = BelievesThese { shown: shown.to_vec(), provider: Arc::new(default_provider()) };
    pinned.dangerous().set_certificate_verifier(Arc::new(verifier));
    Ok(Arc::new(pinned))
}

/// What to do about a handshake that failed, if it is one.
pub fn hint(why: &str) -> Option<&'static str> {
    let certificate = why.contains("certificate");
    match () {
        () if why.contains("CertificateRequired") || why.contains("CertificateUnknown") => {
            Some("It asks for a certificate: show one with --cert FILE.")
        }
        () if why.contains("OtherName") || why.contains("NotValidForName") => {
            Some("Its certificate is for another name: ask it by that one.")
        }
        () if why.contains("UnknownIssuer")
            || why.contains("UnknownCA")
            || (certificate && why.contains("invalid peer")) =>
        {
            Some(
                "Its certificate is not believed: name its authority, or the certificate itself, with --ca FILE.",
            )
        }
        () if why.contains("InvalidMessage") || why.contains("corrupt message") => {
            Some("It does not speak TLS there: try http:// in place of https://.")
        }
        () => None,
    }
}

/// The certificates of this machine's own conf file: whoever shows one of them and has its key is the proxy,
/// whatever name it is made out to.
#[derive(Debug)]
struct BelievesThese {
    shown: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for BelievesThese {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.shown.iter().any(|known| known.as_ref() == leaf.as_ref()) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
