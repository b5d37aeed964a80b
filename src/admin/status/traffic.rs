//! What is counted of requests, and of the lines about them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Requests, counted since the start.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// All that ended.
    pub requests: u64,
    /// By status code; rare codes by their class, as in `4xx`.
    pub codes: BTreeMap<String, u64>,
    /// By the reason for their node, the access log's word.
    pub whys: BTreeMap<String, u64>,
    /// Sessions moved from their node, by cause.
    pub moved: BTreeMap<String, u64>,
    /// Bytes of answers' bodies.
    pub bytes: u64,
    /// Tries after the first.
    pub retries: u64,
    /// Tries that failed before a node saw them: no connection, mostly.
    #[serde(default)]
    pub connection_errors: u64,
    /// Tries that a node saw and left without an answer: broken off, too late, not HTTP.
    #[serde(default)]
    pub response_errors: u64,
    /// Tunnels (WebSocket and the like) now open.
    pub tunnels: u64,
    /// How long requests took, tunnels left out.
    pub duration: Durations,
}

/// How long requests took.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Durations {
    /// So many were measured.
    pub count: u64,
    /// Seconds, all together.
    pub sum: f64,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: Option<f64>,
    /// Nine in ten took no longer.
    pub p90_ms: Option<f64>,
    /// All but one in a hundred took no longer.
    pub p99_ms: Option<f64>,
    /// How many took at most so many seconds.
    pub steps: Vec<Step>,
}

/// How many requests took at most so many seconds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Seconds.
    pub le: f64,
    /// So many.
    pub count: u64,
}

/// Lines that the access log lacks.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
pub struct LostLines {
    /// Their reader was too slow: the file system, or whoever reads standard output.
    pub slow: u64,
    /// They could not be written; the process's own log says why.
    pub failed: u64,
}
