//! What is written down of a node's words.

use super::claim::Claim;
use crate::heartbeat::replay::RunHistory;
use crate::heartbeat::{Announced, Role};
use serde::{Deserialize, Serialize};

/// What a node said that is worth knowing after a restart of ours, until it speaks again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PersistedReport {
    /// Its runs.
    #[serde(skip_serializing_if = "RunHistory::is_empty")]
    pub runs: RunHistory,
    /// Hash of its present run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<u32>,
    /// When it restarted, if we saw it: in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booted: Option<u64>,
    /// What it wants done with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Announced>,
    /// The most sessions it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// What it is there for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// What it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// It has spoken with a token of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_token: bool,
    /// When it last spoke, if its silence may be the end of it: in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard: Option<u64>,
    /// Where else it was announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}
