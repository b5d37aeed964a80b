//! Where a node is, and what was learned of the way to it.

use super::addresses::Addresses;
use super::dial::Speaks;
use super::tls::NodeTls;
use super::usage::Usage;
use crate::config::address::NodeUrl;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

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
    pub addresses: ArcSwap<Addresses>,
    /// How long an idle connection is trusted, in milliseconds: lowered when the node says `Keep-Alive: timeout=` or closes earlier.
    pub reuse_ms: AtomicU64,
    /// The longest idleness, in microseconds, after which a connection was seen to serve again; 0 again once one did not.
    pub proven_us: AtomicU64,
    /// TLS towards the node.
    pub tls: Option<NodeTls>,
    /// HTTP/2 towards the node.
    pub http2: bool,
    /// The name in SNI and in the certificate check.
    pub server_name: Option<rustls::pki_types::ServerName<'static>>,
    /// Where its connections are counted: its cluster's.
    pub usage: Arc<Usage>,
}

impl Link {
    /// What requests are sent in.
    pub fn speaks(&self) -> Speaks {
        if self.http2 { Speaks::Http2 } else { Speaks::Http1 }
    }

    /// Notes that the node closes idle connections after so long.
    pub fn learn_keep_alive(&self, ms: u64) {
        self.reuse_ms.fetch_min(ms.max(1), Relaxed);
    }

    /// A connection that was idle for so long served again.
    pub fn prove(&self, idle: Duration) {
        let us = idle.as_micros() as u64;
        if us > self.proven_us.load(Relaxed) {
            self.proven_us.store(us, Relaxed);
        }
    }

    /// A connection that was idle for so long turned out to be closed: idle ones are trusted for half as long from now on.
    pub fn disprove(&self, idle: Duration) {
        self.proven_us.store(0, Relaxed);
        self.learn_keep_alive((idle.as_millis() as u64 / 2).max(500));
    }
}
