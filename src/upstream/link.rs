//! Where a node is, and what was learned of the way to it.

use super::addresses::Addresses;
use super::limits::ConnectionUse;
use super::own_addresses::{self, LinkReach, OwnAddresses};
use super::tls::NodeTls;
use super::usage::Usage;
use crate::config::address::NodeUrl;
use crate::wire::protocol::NodeProtocol;
use arc_swap::ArcSwap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;

/// Where a node is. Lives as long as its address as written; each worker keeps its idle connections by the
/// link's id.
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
    /// Tells whoever waits that the name was looked up.
    pub looked_up: Notify,
    /// Tells who looks its name up that it may stand for others by now.
    pub doubted: Notify,
    /// How long an idle connection is trusted, in milliseconds: lowered when the node says `Keep-Alive:
    /// timeout=` or closes earlier.
    pub reuse_ms: AtomicU64,
    /// The longest idleness, in microseconds, after which a connection was seen to serve again; 0 again once
    /// one did not.
    pub proven_us: AtomicU64,
    /// TLS towards the node.
    pub tls: Option<NodeTls>,
    /// What requests are sent in.
    pub protocol: NodeProtocol,
    /// The name in SNI and in the certificate check.
    pub server_name: Option<rustls::pki_types::ServerName<'static>>,
    /// Where it may lead.
    pub reach: LinkReach,
    /// It may lead to ourselves.
    pub homeward: AtomicBool,
    /// Where its connections are counted: its cluster's.
    pub usage: Arc<Usage>,
}

/// A request that must not be sent twice goes only over a connection that was used so recently,
const FRESH_ENOUGH: Duration = Duration::from_millis(1000);
/// and was idle for no more than this part of what such connections were seen to survive: one that the node
/// is about to close would leave nobody to tell whether the request was worked on.
const PART_OF_PROVEN: u64 = 2;

impl Link {
    /// How long a connection may have been idle to serve this.
    pub fn trusts(&self, over: ConnectionUse) -> Duration {
        let trusted = Duration::from_millis(self.reuse_ms.load(Relaxed));
        match over {
            ConnectionUse::Any => trusted,
            ConnectionUse::Sure => trusted
                .min(FRESH_ENOUGH)
                .min(Duration::from_micros(self.proven_us.load(Relaxed) / PART_OF_PROVEN)),
            ConnectionUse::New | ConnectionUse::Switching | ConnectionUse::Http1 => Duration::ZERO,
        }
    }

    /// Its name stands for these from here on.
    pub fn found(&self, addresses: Addresses) {
        self.addresses.store(Arc::new(addresses));
        self.looked_up.notify_waiters();
    }

    /// It did not serve where its name leads to, or somebody asks whether it still leads there.
    pub fn doubt_addresses(&self) {
        self.doubted.notify_one();
    }

    /// Waits until its name stands for an address.
    pub async fn is_found(&self) {
        loop {
            let mut looked_up = pin!(self.looked_up.notified());
            looked_up.as_mut().enable();
            if !self.addresses.load().is_empty() {
                return;
            }
            looked_up.await;
        }
    }

    /// Looks whether it leads to one of our own doors.
    pub fn review(&self, home: &OwnAddresses) {
        let homeward = match &self.url.unix {
            Some(path) => home.socket(path).is_some(),
            None => self.addresses.load().iter().any(|address| home.door(*address).is_some()),
        };
        if homeward {
            own_addresses::chain();
        }
        self.homeward.store(homeward, Relaxed);
    }

    /// Whether its requests may come back to us, so that they are marked.
    pub fn is_homeward(&self) -> bool {
        self.homeward.load(Relaxed)
    }

    /// Somebody wrote that it may lead to a door of the control plane.
    pub fn is_meant(&self) -> bool {
        self.reach == LinkReach::Own
    }

    /// Notes that the node closes idle connections after so long.
    pub fn learn_keep_alive(&self, ms: u64) {
        self.reuse_ms.fetch_min(ms.max(1), Relaxed);
    }

    /// A connection that was idle for so long served again.
    pub fn record_reuse(&self, idle: Duration) {
        let us = idle.as_micros() as u64;
        if us > self.proven_us.load(Relaxed) {
            self.proven_us.store(us, Relaxed);
        }
    }

    /// A connection that was idle for so long turned out to be closed: idle ones are trusted for half as long
    /// from now on.
    pub fn record_closed(&self, idle: Duration) {
        self.proven_us.store(0, Relaxed);
        self.learn_keep_alive((idle.as_millis() as u64 / 2).max(500));
    }
}
