//! `[cluster.NAME.nodes]`: one node.

use super::Agent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A node: an address, or a table with more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Node {
    /// Just where it is.
    Url(String),
    /// With more said of it.
    Table(NodeTable),
}

impl Node {
    /// The node with everything said, defaults filled in.
    pub fn table(&self) -> NodeTable {
        match self {
            Self::Url(url) => NodeTable { url: url.clone(), ..NodeTable::default() },
            Self::Table(table) => table.clone(),
        }
    }
}

conf! {
    /// What is said of a node.
    pub struct NodeTable {
        /// http://host:port, https://…, ajp://…, unix:/path
        pub url: String,
        /// Its share of new sessions against the others'; 0 takes none.
        pub weight: u16,
        /// The most live sessions; full takes no new ones. Its share is in proportion.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_sessions: Option<u32>,
        /// The most requests at one time; further ones wait.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_requests: Option<u32>,
        /// Its name as sessions carry it; the node's own name unless set.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub route: Option<String>,
        /// Serves new sessions only when no other node can.
        pub backup: bool,
        /// What it is for beside serving sessions: "lb" tells clients where to go (and serves none in a
        /// dedicated cluster), "batch" runs jobs. It may say so in its heartbeat instead.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub roles: Vec<Role>,
        /// Where clients reach it directly, if not at its url: those that are handed off, and those that ask
        /// for the list of nodes.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub public_url: Option<String>,
        /// What the operator wants of it.
        pub state: AdminState,
        /// Its agent, if not as the cluster says.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub agent: Option<Box<Agent>>,
        /// It may be a door of this proxy's own control plane: `server.admin` behind one of our listeners,
        /// say.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub own: bool,
        /// The file with the AJP secret.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub secret_file: Option<String>,
        /// What was changed at run time, by whom. Never in a file.
        #[serde(skip)]
        #[schemars(skip)]
        pub set: Option<Box<Changed>>,
        /// It announced itself: its address is its own word. Never in a file.
        #[serde(skip)]
        #[schemars(skip)]
        pub joined: bool,
        /// Who said that address. Never in a file.
        #[serde(skip)]
        #[schemars(skip)]
        pub from: Option<std::net::IpAddr>,
    }
}

impl Default for NodeTable {
    fn default() -> Self {
        Self {
            url: String::new(),
            weight: 100,
            max_sessions: None,
            max_requests: None,
            route: None,
            backup: false,
            roles: Vec::new(),
            public_url: None,
            state: AdminState::Enabled,
            agent: None,
            own: false,
            secret_file: None,
            set: None,
            joined: false,
            from: None,
        }
    }
}

keywords! {
    /// What a node is for beside serving sessions.
    pub enum Role {
        /// It tells clients where to go.
        #[default]
        Lb = "lb",
        /// It runs batch jobs.
        Batch = "batch",
    }
}

keywords! {
    /// What the operator wants of a node.
    pub enum AdminState {
        /// Serves.
        #[default]
        Enabled = "enabled",
        /// Serves the sessions it has, takes no new ones.
        Draining = "draining",
        /// Serves nobody.
        Maintenance = "maintenance",
        /// A drain's time is over and who was left is to go elsewhere: serves nobody. Never in a file.
        #[serde(skip_deserializing)]
        #[schemars(skip)]
        Drained = "drained",
        /// It announced itself and was not accepted: serves nobody. Never in a file.
        #[serde(skip_deserializing)]
        #[schemars(skip)]
        Pending = "pending",
        /// Taken out of the balance, but known: serves who asks for it by name. Never in a file.
        #[serde(skip_deserializing)]
        #[schemars(skip)]
        Removed = "removed",
    }
}

keywords! {
    /// What becomes of sessions that are left at the deadline.
    #[derive(clap::ValueEnum)]
    pub enum Then {
        /// They stay as long as they live.
        #[default]
        Keep = "keep",
        /// They are moved to other nodes.
        Move = "move",
    }
}

/// That a node was changed at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// By whom.
    pub by: String,
    /// Unix seconds of the latest change.
    pub at: u64,
    /// From where, where that is known.
    pub from: Option<String>,
    /// Why, if that was said.
    pub reason: Option<String>,
    /// Unix seconds by which its drain is to be over.
    pub deadline: Option<u64>,
    /// What becomes of the sessions that are left then.
    pub then: Then,
    /// Whether that moment has come.
    pub over: bool,
    /// Sessions, requests and sockets that were there then.
    pub left: Option<u64>,
}
