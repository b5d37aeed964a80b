//! TLS towards clients: the certificates and how a handshake goes.

#[cfg(test)]
mod form_tests;
mod live;
#[cfg(test)]
mod node_tests;
mod store;
#[cfg(test)]
mod tests;

pub use live::{LiveTls, SharedTls, TlsChange, TlsConf};
pub use store::{CertStore, Certs};

use crate::config::files::NamedFiles;
use crate::config::model::{ClientAuth, ListenerTls, TlsVersion};
use crate::wire::pem_error::TlsError;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{ServerConfig, SupportedProtocolVersion};
use std::sync::Arc;

/// Sessions kept for clients that resume TLS 1.2 without tickets.
const SESSIONS: usize = 4096;

/// The protocols offered to clients.
pub const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];
/// Offered where HTTP/2 is not spoken.
pub const HTTP1: &[&[u8]] = &[b"http/1.1"];

/// How handshakes go on a listener that offers these protocols. Made once for a listener and kept while its
/// settings stay: resumption outlives an exchange of certificates, for these change inside `store`.
pub fn server_config(
    tls: &ListenerTls,
    files: &NamedFiles,
    store: Arc<CertStore>,
    offers: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions(tls.min_version))?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(files.authorities(file)?), provider);
            let verifier = match tls.client_auth {
                ClientAuth::Require => verifier,
                ClientAuth::Optional => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let mut config = builder.with_cert_resolver(store);
    config.alpn_protocols = offers.iter().map(|protocol| protocol.to_vec()).collect();
    // the better cipher is ours to choose, whatever order an old client has
    config.ignore_client_order = true;
    config.ticketer = Ticketer::new()?;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    Ok(Arc::new(config))
}

fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static ONLY_13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    match min {
        TlsVersion::V12 => rustls::ALL_VERSIONS,
        TlsVersion::V13 => ONLY_13,
    }
}
