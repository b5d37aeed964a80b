//! The conf file as data: every key with its type, default and help in one place. The reader, the
//! did-you-mean, the JSON Schema and `check --dump` all come from these types; what a value means is checked
//! in `config::check`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

macro_rules! conf {
    ($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct $name { $($body)* }
    };
}

/// An enumeration of words that the file may say.
macro_rules! keywords {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$inner:meta])* $value:ident = $word:literal,)* }) => {
        crate::base::words::words! {
            $(#[$meta])*
            #[derive(Default, Serialize, Deserialize, JsonSchema)]
            pub enum $name { $($(#[$inner])* #[serde(rename = $word)] $value = $word,)* }
        }
    };
}

mod affinity;
mod cluster;
mod forwarded;
mod health;
mod listener;
mod node;
mod rule;
mod server;

pub use affinity::{Affinity, AffinityTable, AffinityWord, CookieMode, CookieValue, RouteOrder, SameSite};
pub use cluster::{Balance, Cluster, ClusterTls, Failover, Join, JoinToken, Mode, Pool, Timeouts};
pub use forwarded::{Forwarded, ForwardedField, ForwardedHow, ForwardedStyle, ForwardedTable, Strangers};
pub use health::{Agent, Health, HealthKind, Passive, PinnedBy};
pub use listener::{ClientAuth, Listener, ListenerTls, TlsVersion, UnixSocket};
pub use node::{AdminState, Changed, Node, NodeTable, Role, Then};
pub use rule::{HandOff, HeaderEdits, Redirect, Respond, Rule};
pub use server::{
    AccessLog, Admin, AdminLevel, AdminTable, AdminToken, Announce, AnnounceTable, LogFormat, ModHeartbeat,
    Server, Traces, Workers, WorkersWord,
};

conf! {
    /// A whole conf file, includes merged in.
    #[derive(Default)]
    pub struct Config {
        /// Further files, relative to this one; `*` matches within a file name.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub include: Vec<String>,
        /// The process as a whole.
        pub server: Server,
        /// Addresses the proxy accepts clients on, by name.
        pub listener: IndexMap<String, Listener>,
        /// Which requests go where. The first rule that matches wins. Without any, everything goes to the
        /// cluster, if there is one alone.
        pub rule: Vec<Rule>,
        /// Sets of nodes that serve the same application, by name.
        pub cluster: IndexMap<String, Cluster>,
    }
}

impl Config {
    /// Whether nodes can come to a cluster by themselves.
    pub fn is_open(&self, cluster: &str) -> bool {
        let strangers = self.server.mod_heartbeat.as_ref().and_then(|heard| heard.cluster.as_deref());
        self.server.announce.is_some() || strangers == Some(cluster)
    }

    /// The rules; where none is written and there is one cluster, that everything goes to it.
    pub fn rules(&self) -> Cow<'_, [Rule]> {
        match (self.rule.as_slice(), self.cluster.len(), self.cluster.keys().next()) {
            ([], 1, Some(only)) => Cow::Owned(vec![Rule { cluster: Some(only.clone()), ..Rule::default() }]),
            (written, ..) => Cow::Borrowed(written),
        }
    }
}

/// One value, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// A single value.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> OneOrMany<T> {
    /// The values, however they were written.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
    /// True when nothing was given.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}
