//! TLS towards the proxy's window: whom it is believed to be.

use crate::config::files::NamedFiles;
use crate::config::model::ClusterTls;
use crate::upstream::tls::NodeTls;
use crate::upstream::trust::{PeerVerifier, Trust};
use crate::wire::pem_error::TlsError;
use crate::wire::protocol::NodeProtocol;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::CertificateDer;
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
    // whoever shows one of them and has its key is the proxy
    let verifier =
        PeerVerifier { trust: Trust::Exactly(shown.to_vec()), provider: Arc::new(default_provider()) };
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
