//! Why requests went where they went, as data.

use super::Node;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a request went where it went, or where one that is made up would go.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// When this was asked.
    pub time: String,
    /// The request, if there was one.
    pub request: Option<Asked>,
    /// The conf has changed since: a rule of this number may now be another.
    pub reloaded: bool,
    /// Where it came in.
    pub listener: Option<String>,
    /// The rule that matched, its place in the file from 1.
    pub rule: Option<u64>,
    /// Its cluster.
    pub cluster: Option<String>,
    /// Where it was looked for what the request says of its session, as in `cookie HOMING`.
    pub source: Option<String>,
    /// What was found there: nothing, pin, identity, key, unknown-route, tampered or expired.
    pub said: String,
    /// Its session's id, as in `homing sessions` and in the access log.
    #[serde(default)]
    pub session: Option<String>,
    /// When the session began, if the pin tells.
    pub began: Option<String>,
    /// The node that was chosen.
    pub node: Option<String>,
    /// Why, the access log's word.
    pub why: String,
    /// The node that the session was on, if it was moved.
    pub was: Option<String>,
    /// Why, in a sentence.
    pub because: String,
    /// Where a new session would go now.
    pub fresh: Option<String>,
    /// The cluster's nodes as they are now, in the order that new sessions are given to.
    pub nodes: Vec<Candidate>,
}

/// A request that was.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// Its id.
    pub id: String,
    /// When it came.
    pub at: String,
    /// Who asked.
    pub client: String,
    /// The status of its answer.
    pub status: u16,
    /// Tries after the first.
    pub retries: u64,
}

/// A node that might be chosen.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// As everywhere.
    #[serde(flatten)]
    pub node: Node,
    /// What it is compared by with others, the smaller the better; none if it takes no new sessions.
    pub score: Option<f64>,
}

/// Sessions that were moved.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Moves {
    /// When this was.
    pub time: String,
    /// In the order of the file.
    pub clusters: Vec<Moved>,
}

/// Sessions of a cluster that were moved.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// Its name.
    pub cluster: String,
    /// All requests since the start.
    pub requests: u64,
    /// Those that found their pin broken, by cause.
    pub causes: BTreeMap<String, u64>,
    /// The latest of them, newest first.
    pub latest: Vec<Move>,
}

/// A session that was moved.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Move {
    /// The id of the request that it was moved by.
    pub id: String,
    /// When.
    pub at: String,
    /// The session's id, as in `homing sessions` and in the access log.
    #[serde(default)]
    pub session: Option<String>,
    /// Whose.
    pub client: String,
    /// From here, if its pin told.
    pub was: Option<String>,
    /// To here.
    pub node: Option<String>,
    /// What broke the pin.
    pub cause: String,
    /// The same in a sentence.
    pub because: String,
}
