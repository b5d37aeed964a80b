//! `health`, `agent` and `passive`: how the state of nodes is found out.

use crate::base::units::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

conf! {
    /// Active checks.
    pub struct Health {
        /// "http" when a path is given, else "tcp"; "off" for none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kind: Option<HealthKind>,
        /// What to ask for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub path: Option<String>,
        /// The Host header of a check.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub host: Option<String>,
        /// Statuses that mean healthy: "200-399", "200,204".
        pub status: String,
        /// Statuses with which the node asks to be drained: it keeps its sessions and takes no new ones.
        /// HAProxy's disable-on-404 is "404".
        #[serde(skip_serializing_if = "Option::is_none")]
        pub draining: Option<String>,
        /// Time between checks; varied by a tenth.
        pub interval: Duration,
        /// Time for one check.
        pub timeout: Duration,
        /// Good checks in a row before a node is up.
        pub rise: u8,
        /// Bad checks in a row before a node is down.
        pub fall: u8,
        /// Who keeps the pinned sessions of a node whose check fails: "traffic", the node while it answers
        /// clients, and all nodes when most fail at once; "check", nobody.
        pub pinned: PinnedBy,
    }
}

impl Health {
    /// What a check does.
    pub fn kind(&self) -> HealthKind {
        self.kind.unwrap_or(if self.path.is_some() { HealthKind::Http } else { HealthKind::Tcp })
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            kind: None,
            path: None,
            host: None,
            status: "200-399".into(),
            draining: None,
            interval: Duration::secs(2),
            timeout: Duration::secs(1),
            rise: 2,
            fall: 3,
            pinned: PinnedBy::default(),
        }
    }
}

keywords! {
    /// What an active check does.
    pub enum HealthKind {
        /// Opens a connection.
        #[default]
        Tcp = "tcp",
        /// Asks for a path.
        Http = "http",
        /// Nothing.
        Off = "off",
    }
}

keywords! {
    /// Whose word pinned sessions follow.
    pub enum PinnedBy {
        /// What clients see: a node that answers them keeps its sessions, whatever its check says.
        #[default]
        Traffic = "traffic",
        /// The check: a node that is down loses its sessions at once.
        Check = "check",
    }
}

conf! {
    /// An agent beside the node, asked in HAProxy's agent-check: it says weight, state, and whether the node
    /// is up.
    pub struct Agent {
        /// Its port.
        pub port: u16,
        /// Its host, if not the node's.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub address: Option<String>,
        /// Sent as it is, right after the connection opens.
        pub send: String,
        /// Time between two answers; varied by a tenth.
        pub interval: Duration,
        /// Time for one answer.
        pub timeout: Duration,
    }
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            port: 0,
            address: None,
            send: String::new(),
            interval: Duration::secs(2),
            timeout: Duration::secs(1),
        }
    }
}

conf! {
    /// Passive checks: what failing traffic means.
    pub struct Passive {
        /// Failed requests in a row (no connection, no answer, while it answers nobody) before a node is set
        /// aside; 0 for never.
        pub failures: u8,
        /// How long at first; doubled each time up to ten times.
        pub eject: Duration,
    }
}

impl Default for Passive {
    fn default() -> Self {
        Self { failures: 3, eject: Duration::secs(10) }
    }
}
