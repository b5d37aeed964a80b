//! Single sessions, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sessions of a node that the ledger has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sessions {
    /// The node.
    pub node: String,
    /// Its live sessions.
    pub total: u64,
    /// Those that were seen last, the latest first, 1000 at most.
    pub sessions: Vec<Session>,
}

/// A session of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// Its id: a number that tells nothing of what the client's cookie says. The access log has it too.
    pub session: String,
    /// When it was placed.
    pub begun: String,
    /// When it was last seen.
    pub seen: String,
    /// Its client came back with the pin.
    pub confirmed: bool,
    /// Where it was last seen from; of the sessions that were seen last.
    #[serde(default)]
    pub client: Option<String>,
    /// Its User-Agent then, in part.
    #[serde(default)]
    pub agent: Option<String>,
}

/// Where a session is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FoundSession {
    /// Its cluster.
    pub cluster: String,
    /// The node that it is on.
    pub node: Option<String>,
    /// What is known of it.
    #[serde(flatten)]
    pub session: Session,
}
