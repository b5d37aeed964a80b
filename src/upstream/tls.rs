//! TLS towards the nodes.

use super::trust::{ListedCertificates, PeerVerifier, Trust};
use crate::base::hash::hash64_pair;
use crate::config::files::NamedFiles;
use crate::config::model::ClusterTls;
use crate::wire::pem_error::TlsError;
use crate::wire::protocol::NodeProtocol;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// How handshakes with a node go: what is agreed on in them (ALPN) follows what the connection is for.
#[derive(Debug, Clone)]
pub struct NodeTls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl NodeTls {
    /// Of a cluster's nodes, from the files as they were read with the conf.
    pub fn of(tls: &ClusterTls, files: &NamedFiles) -> Result<Self, TlsError> {
        client_config(tls, files).map(|config| Self::new(&config))
    }

    /// Of settings that leave it open what is spoken.
    pub fn new(config: &ClientConfig) -> Self {
        let speaking = |protocol: NodeProtocol| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.alpn().to_vec()];
            Arc::new(config)
        };
        Self { http1: speaking(NodeProtocol::Http1), http2: speaking(NodeProtocol::Http2) }
    }

    /// For a connection that is to speak this.
    pub fn to_speak(&self, protocol: NodeProtocol) -> &Arc<ClientConfig> {
        match protocol {
            NodeProtocol::Http1 => &self.http1,
            NodeProtocol::Http2 => &self.http2,
        }
    }
}

fn client_config(tls: &ClusterTls, files: &NamedFiles) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let trust = if tls.verify {
        let (roots, listed) = match &tls.ca {
            Some(file) => files.believed(file)?,
            None => (RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }, Vec::new()),
        };
        Trust::Listed(ListedCertificates { roots, listed, named: tls.server_name.is_some() })
    } else {
        Trust::Anybody
    };
    // Called dangerous for the verifier is ours to choose; it believes what the conf says.
    let builder =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(PeerVerifier { trust, provider }));
    match &tls.cert {
        None => Ok(builder.with_no_client_auth()),
        Some(cert) => {
            let own = files.pair(&files.pair_of(cert, tls.key.as_deref()))?;
            Ok(builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.key))))
        }
    }
}

/// What the files behind these settings held, as one number.
pub fn fingerprint(tls: &ClusterTls, files: &NamedFiles) -> u64 {
    let own = tls
        .cert
        .as_ref()
        .map_or(0, |cert| files.fingerprint_of_pair(&files.pair_of(cert, tls.key.as_deref())));
    hash64_pair(&files.fingerprint(&tls.ca).to_le_bytes(), &own.to_le_bytes())
}
