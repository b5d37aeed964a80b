//! What would stop working by a change, so that it is not made unless it is forced.

use crate::base::words::{count, listed};
use crate::heartbeat::Role;
use crate::table::session_names::ShownSession;
use std::fmt;

/// What would stop working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Harm {
    /// Clients ask the node where to go. Nothing forces that.
    TellsClients {
        /// The node.
        node: String,
    },
    /// No other node has its role.
    LastOfRole {
        /// The node.
        node: String,
        /// Its cluster.
        cluster: String,
        /// The role.
        role: Role,
    },
    /// No other node takes sessions.
    LastOfAll {
        /// The node, or those that leave together.
        nodes: Vec<String>,
        /// Their cluster.
        cluster: String,
    },
    /// Nobody of a cluster would be served.
    Disables {
        /// The cluster.
        cluster: String,
        /// Its live sessions.
        sessions: u64,
    },
    /// Sessions would be lost.
    Sessions {
        /// The node.
        node: String,
        /// Its cluster.
        cluster: String,
        /// How many.
        sessions: u32,
        /// Those that were seen last, and how many seconds ago.
        newest: Vec<(ShownSession, u32)>,
    },
}

impl Harm {
    /// Whether it may be done all the same.
    pub fn can_be_forced(&self) -> bool {
        !matches!(self, Self::TellsClients { .. })
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TellsClients { node } => {
                write!(
                    out,
                    "{node} has the role lb: clients ask it for the list of nodes; take the role from it first"
                )
            }
            Self::LastOfRole { node, cluster, role } => {
                let stops = match role {
                    Role::Lb => "clients that ask for the list of nodes find nobody",
                    Role::Batch => "no batch job runs",
                };
                write!(out, "{node} is the last {} node of {cluster}: {stops}", role.word())
            }
            Self::LastOfAll { nodes, cluster } => {
                let (are, take) = match &nodes[..] {
                    [_] => ("is the last node", "takes"),
                    _ => ("are the last nodes", "take"),
                };
                let nodes = listed(nodes);
                write!(out, "{nodes} {are} of {cluster} that {take} sessions: new clients would be refused")
            }
            Self::Disables { cluster, sessions } => {
                let many = count(*sessions, "session");
                write!(out, "{cluster} has {many}: nobody of them is served until it is enabled again")
            }
            Self::Sessions { node, cluster, sessions, newest } => {
                let many = count((*sessions).into(), "session");
                let mut said: Vec<String> =
                    newest.iter().map(|(id, ago)| format!("{id} seen {ago} s ago")).collect();
                if *sessions as usize > said.len() {
                    said.push("…".into());
                }
                let who = match newest.is_empty() {
                    true => String::new(),
                    false => format!(" ({}; `homing sessions {cluster}/{node}` lists them)", said.join(", ")),
                };
                write!(out, "{node} has {many}{who}: drain it first, or they are lost")
            }
        }
    }
}
