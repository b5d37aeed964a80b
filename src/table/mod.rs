//! The table: the immutable picture of listeners, rules, clusters and nodes that the data plane reads.
//! Swapped whole by the registry (`control`); what the network tells lives in cells that outlive it.

mod candidates;
pub mod claim;
pub mod cluster;
pub mod compile;
pub mod conditions;
pub mod crowd;
pub mod decide;
mod departed;
pub mod doubt;
pub mod edits;
mod effective;
pub mod evidence;
pub mod fill;
pub mod forwarding;
mod fresh_start;
pub mod kept;
pub mod limit;
pub mod node;
pub mod normal_path;
mod persisted_report;
pub mod prefix_swap;
pub mod redirect;
pub mod report;
pub mod roster;
pub mod route;
pub mod rule;
pub mod rule_error;
pub mod session_names;
pub mod session_orders;
mod state;
mod state_words;
pub mod table_error;
pub mod target;
pub mod traffic;
pub mod warned_texts;

use crate::base::units::Network;
use crate::config::model::{self, Config};
use arc_swap::ArcSwap;
use http::HeaderName;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

pub use crate::upstream::link::Link;
pub use cluster::{Cluster, ClusterLive};
pub use departed::Departed;
pub use node::{Health, Node, NodeLive, NodeSpec, Rise};
pub use roster::Roster;
pub use state::{State, StateChange};
pub use traffic::Traffic;

/// Everything a request needs to know, in one immutable piece.
pub struct Table {
    /// Counts the tables of this process, from 1.
    pub revision: u64,
    /// The conf it was made from.
    pub config: Arc<Config>,
    /// By listener index; the index of a name never changes while the process runs.
    pub listeners: Vec<Option<Arc<Listener>>>,
    /// In the order of the file.
    pub clusters: Vec<Arc<Cluster>>,
    /// Clusters of the tables before that may come back.
    pub departed: Vec<Departed>,
}

impl Table {
    /// Before the first.
    pub fn nothing() -> Self {
        Self {
            revision: 0,
            config: Arc::default(),
            listeners: Vec::new(),
            clusters: Vec::new(),
            departed: Vec::new(),
        }
    }

    /// Its clusters, and those that may come back.
    pub fn known(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.clusters.iter().chain(self.departed.iter().map(|gone| &gone.cluster))
    }
}

/// What a request needs to know of the listener it came through.
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// Its conf.
    pub conf: model::Listener,
    /// The rules that apply to it.
    pub router: route::Router,
    /// Whose forwarded headers are believed.
    pub trusted: Vec<Network>,
    /// The header that the proxies among them give a request's id in, and nodes are told of it.
    pub request_id: Option<HeaderName>,
    /// Client connections now open; outlives the table.
    pub connections: Arc<AtomicU32>,
}

impl Listener {
    /// Whether this peer's word about the client is believed.
    pub fn trusts(&self, peer: std::net::IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }

    /// Whether what this peer says of the client by the PROXY protocol is believed: where nobody is named,
    /// everybody is.
    pub fn believes_header_of(&self, peer: std::net::IpAddr) -> bool {
        self.trusted.is_empty() || self.trusts(peer)
    }

    /// Whether this client is told in the answer why its node was chosen.
    pub fn shows_why(&self, client: std::net::IpAddr) -> bool {
        self.conf.why_header.iter().any(|network| network.contains(client))
    }
}

/// Where the newest table is found. The registry stores, everybody else loads.
pub type Current = ArcSwap<Table>;
