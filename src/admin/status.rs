//! What the window shows, as data: made in `snapshot`, sent by the API, read by the command line.

mod explained;
mod ruled;
mod sessions;
mod traffic;

pub use explained::{Asked, Candidate, Explanation, Move, Moved, Moves};
pub use ruled::ShownRule;
pub use sessions::{FoundSession, Session, Sessions};
pub use traffic::{Durations, LostLines, Step, Traffic};

use crate::base::clock;
use crate::base::words::{Word, words};
use crate::config::model::Then;
use crate::table::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything, as it is at one moment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Of homing.
    pub version: String,
    /// Its number: for a few seconds, `?snapshot=NUMBER` shows it again, here and in every other form.
    #[serde(default)]
    pub snapshot: u64,
    /// When this was.
    pub time: String,
    /// When the process began.
    pub started: String,
    /// Seconds since then.
    pub uptime: u64,
    /// True while it ends.
    pub stopping: bool,
    /// Faults in the proxy itself that cost a connection or began a task anew; the log says which.
    pub panics: u64,
    /// Counts the tables of this process.
    pub revision: u64,
    /// The latest reload.
    pub reload: Reload,
    /// The latest reloads, the newest first.
    #[serde(default)]
    pub reloads: Vec<Reload>,
    /// When a conf was last applied, the start included, in seconds since 1970.
    #[serde(default)]
    pub applied_at: u64,
    /// Client connections.
    pub connections: Connections,
    /// Heartbeats since the start, by dialect and by what became of them.
    #[serde(default)]
    pub heartbeats: BTreeMap<String, BTreeMap<String, u64>>,
    /// Spans since the start, by what became of them, where requests are traced: exported, dropped for a full
    /// queue, failed because the collector did not take them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spans: BTreeMap<String, u64>,
    /// What a restart now would lose: files of the state folder that could not be written when it was tried last,
    /// or the folder that cannot be used.
    #[serde(default)]
    pub unsaved: Vec<String>,
    /// Access-log lines that were lost since the start.
    #[serde(default)]
    pub lost_lines: LostLines,
    /// Requests to the window that were refused before they were looked at, by reason.
    #[serde(default)]
    pub admin_refused: BTreeMap<String, u64>,
    /// Requests that belong to no cluster: answers and redirects of rules, refusals.
    pub elsewhere: Traffic,
    /// Where clients come in.
    pub listeners: Vec<Listener>,
    /// What listeners show of themselves, the first to expire first.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// In the order of the file.
    pub clusters: Vec<Cluster>,
}

impl Status {
    /// The cluster of that name.
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.cluster == name)
    }
}

/// How a reload ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reload {
    /// When.
    pub at: String,
    /// What made it happen.
    pub cause: String,
    /// Applied, or else refused.
    pub ok: bool,
    /// How long it took.
    pub took_ms: f64,
    /// What it changed, in words.
    pub changes: Vec<String>,
    /// Nothing differs on the disk since then: there was nothing to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<String>,
    /// Why it was refused, a finding each.
    pub findings: Vec<String>,
    /// Reloads that were applied since the start.
    pub applied: u64,
    /// Reloads that were refused since the start.
    pub refused: u64,
}

impl Reload {
    /// Before the first reload.
    pub(super) fn at_start(unix_ms: u64) -> Self {
        let at = clock::rfc3339(unix_ms);
        Self {
            at,
            cause: "start".into(),
            ok: true,
            took_ms: 0.0,
            changes: Vec::new(),
            unchanged_since: None,
            findings: Vec::new(),
            applied: 0,
            refused: 0,
        }
    }

    /// One that just ended.
    pub fn ended(cause: &str, took: std::time::Duration, outcome: Result<Vec<String>, Vec<String>>) -> Self {
        let ok = outcome.is_ok();
        let (changes, findings) = match outcome {
            Ok(changes) => (changes, Vec::new()),
            Err(findings) => (Vec::new(), findings),
        };
        let took_ms = took.as_secs_f64() * 1000.0;
        Self { cause: cause.to_owned(), ok, took_ms, changes, findings, ..Self::at_start(clock::unix_ms()) }
    }
}

/// Client connections.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Now open.
    pub open: u64,
    /// So many there may be at one time.
    pub limit: u64,
    /// Accepted since the start.
    pub accepted: u64,
}

/// Where clients come in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Listener {
    /// Its name.
    pub listener: String,
    /// Its addresses as the file has them.
    pub bind: Vec<String>,
    /// Whether it speaks TLS.
    pub tls: bool,
}

/// A certificate in use.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// The listener that shows it.
    pub listener: String,
    /// Whom it is made out to.
    pub subject: String,
    /// The names it is chosen for.
    pub names: Vec<String>,
    /// The file it came from.
    pub file: String,
    /// When it expires.
    pub expires: String,
    /// The same in seconds since 1970.
    pub not_after: i64,
    /// Seconds until then; below zero when it has expired.
    pub left: i64,
}

words! {
    /// How a cluster is as a whole.
    pub enum ClusterState {
        /// Every node is as it is wanted.
        Ready = "ready",
        /// A node is not.
        Degraded = "degraded",
        /// No node serves.
        Down = "down",
        /// It is switched off.
        Disabled = "disabled",
    }
}

/// A cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Cluster {
    /// Its name.
    pub cluster: String,
    /// `ready`, `degraded` when a node is not as it should be, `down` when none serves.
    #[schemars(with = "String")]
    pub state: Word<ClusterState>,
    /// Nodes that serve.
    pub serving: u64,
    /// The method new sessions are placed by.
    pub balance: String,
    /// Hash of what its nodes adopt: one that has adopted it has the same in its heartbeat's answer, as
    /// `settings.hash`.
    pub settings: String,
    /// Live sessions on all nodes.
    pub sessions: u64,
    /// The most sessions they take, of those that serve and say; nodes that only tell clients where to go
    /// have none.
    pub capacity: Option<u64>,
    /// Bypass values that were forged, damaged or too old since the start.
    pub bypass_refused: u64,
    /// Requests in flight on all nodes.
    pub in_flight: u64,
    /// Requests that wait for a place at a node.
    #[serde(default)]
    pub waiting: u64,
    /// Connections to the nodes.
    #[serde(default)]
    pub pool: Pool,
    /// The table of live sessions.
    pub ledger: Ledger,
    /// Its requests.
    pub traffic: Traffic,
    /// Its nodes.
    pub nodes: Vec<Node>,
}

impl Cluster {
    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.node == name)
    }
}

/// Connections to the nodes of a cluster; those of tunnels left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Pool {
    /// Now open.
    pub open: u64,
    /// Those of them that wait for their next request.
    pub idle: u64,
    /// Connections that were tried for since the start.
    pub attempts: u64,
    /// Requests sent over a connection that had served before.
    pub reuses: u64,
}

/// The table of live sessions of a cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Ledger {
    /// Sessions in it.
    pub entries: u64,
    /// The most it holds.
    pub limit: u64,
    /// Sessions forgotten for want of room since the start.
    pub evicted: u64,
    /// Places at nodes, since the start, that went from a session whose client never came back to a new one.
    #[serde(default)]
    pub given_up: u64,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// Its name.
    pub node: String,
    /// Where it is.
    pub url: String,
    /// Another address that it was announced at, which waits to be accepted.
    #[serde(default)]
    pub claimed: Option<String>,
    /// Its name as sessions carry it.
    pub route: String,
    /// pending, checking, syncing, ready, full, draining, drained, silent, down, maintenance or removed.
    #[schemars(with = "String")]
    pub state: Word<State>,
    /// Why, in words.
    pub why: String,
    /// When it came to be so.
    pub since: String,
    /// Live sessions.
    pub sessions: u64,
    /// The most it takes.
    pub capacity: Option<u64>,
    /// Requests it works on now.
    pub in_flight: u64,
    /// Of these, open sockets: WebSockets and other tunnels.
    #[serde(default)]
    pub sockets: u64,
    /// Its share against the others' 100.
    pub weight: u64,
    /// The load it told of, 0 to 100.
    pub load: Option<u64>,
    /// Live sessions of ours there, while its own word is far below them and not believed.
    #[serde(default)]
    pub known: Option<u64>,
    /// What it says it serves.
    pub version: Option<String>,
    /// Who decided what the operator wants of it.
    pub set_by: String,
    /// From where, where that is known: an address, or "unix".
    #[serde(default)]
    pub set_from: Option<String>,
    /// Why, if that was said.
    #[serde(default)]
    pub set_reason: Option<String>,
    /// When its drain is to be over.
    pub deadline: Option<String>,
    /// What becomes of the sessions that are left at the deadline of its drain.
    #[serde(default)]
    pub then: Option<Then>,
    /// Whether the deadline of its drain has passed; none if it is not to be drained.
    #[serde(default)]
    pub over: Option<bool>,
    /// Sessions, requests and sockets that were there when it passed. Earlier versions do not say.
    #[serde(default)]
    pub left: Option<u64>,
    /// The part of new sessions that its weight gives it now, 0 to 1.
    pub share: f64,
    /// Its place in the order that new sessions are given in, from 1; none if it takes none.
    pub rank: Option<u64>,
    /// Requests it was given since the start.
    pub requests: u64,
    /// What went wrong there.
    #[serde(default)]
    pub errors: Errors,
    /// Milliseconds since its last heartbeat, if it sends any.
    pub heartbeat_ms: Option<u64>,
}

/// What went wrong at a node since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Errors {
    /// Requests that it did not see: no connection, mostly.
    pub connection: u64,
    /// Requests that it left without an answer: broken off, too late, not HTTP.
    pub response: u64,
    /// Answers of the class 5xx.
    pub answers: u64,
    /// Checks that failed.
    pub checks: u64,
}

impl Errors {
    /// Those that requests met.
    pub fn sum(&self) -> u64 {
        self.connection + self.response + self.answers
    }
}

/// A snapshot of nothing.
#[cfg(test)]
pub(crate) fn nothing() -> Status {
    Status {
        version: String::new(),
        snapshot: 0,
        time: String::new(),
        started: String::new(),
        uptime: 0,
        stopping: false,
        panics: 0,
        revision: 0,
        reload: Reload::at_start(0),
        reloads: Vec::new(),
        applied_at: 0,
        connections: Connections { open: 0, limit: 0, accepted: 0 },
        heartbeats: BTreeMap::new(),
        spans: BTreeMap::new(),
        unsaved: Vec::new(),
        lost_lines: LostLines::default(),
        admin_refused: BTreeMap::new(),
        elsewhere: Traffic::default(),
        listeners: Vec::new(),
        certificates: Vec::new(),
        clusters: Vec::new(),
    }
}
