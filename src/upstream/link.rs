//! Where a node is, and what was learned of the way to it.

use crate::config::address::NodeUrl;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Where a node is. Lives as long as its address as written; each worker keeps its idle connections by the link's id.
#[derive(Debug)]
pub struct Link {
    /// Unique in this process.
    pub id: u64,
    /// As written.
    pub url: NodeUrl,
    /// The Host header for requests that do not keep the client's.
    pub authority: http::HeaderValue,
    /// What the name resolves to; empty while it does not resolve. Not used for unix sockets.
    pub addresses: ArcSwap<Vec<SocketAddr>>,
    /// How long an idle connection is trusted, in milliseconds: lowered when the node says `Keep-Alive: timeout=` or closes earlier.
    pub reuse_ms: AtomicU64,
    /// TLS towards the node.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// HTTP/2 towards the node.
    pub http2: bool,
    /// The name in SNI and in the certificate check.
    pub server_name: Option<rustls::pki_types::ServerName<'static>>,
}

impl Link {
    /// Notes that the node closes idle connections after so long.
    pub fn learn_keep_alive(&self, ms: u64) {
        self.reuse_ms.fetch_min(ms.max(1), Relaxed);
    }
}
