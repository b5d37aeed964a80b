//! `[server]`: the process as a whole.

use super::{ClientAuth, ListenerTls, OneOrMany, UnixSocket};
use crate::base::units::{Duration, Network};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

conf! {
    /// The process as a whole.
    pub struct Server {
        /// Data-plane threads: a number, or "auto" for one a core. Read at the start alone.
        pub workers: Workers,
        /// Where dashboard, API and /metrics listen.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub admin: Option<Admin>,
        /// A file with a token for `admin` that may do everything, and is called "admin" where it is told who
        /// did what. This one or another is needed for any address but this machine's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub admin_token_file: Option<String>,
        /// Where nodes send heartbeats and thick clients ask for the ranked list.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub announce: Option<Announce>,
        /// Where Apache's mod_heartbeat and Tomcat's HeartbeatListener are heard.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mod_heartbeat: Option<ModHeartbeat>,
        /// Folder for what outlives the process: sessions, the keys of sealed pins, changes made at run time.
        /// One instance at a time. Read at the start alone.
        pub state_dir: String,
        /// How long a graceful end may take before connections are cut.
        pub shutdown_grace: Duration,
        /// One line a request.
        pub access_log: AccessLog,
        /// Where a span of each request is sent; absent means nowhere. Only a binary built with the feature
        /// `otel` can. Read at the start alone.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub traces: Option<Traces>,
        /// Whether /metrics has something of each node, beside what there is of its cluster.
        pub node_metrics: bool,
        /// Client connections at one time, over all listeners. Further ones wait in the kernel's queue. If not
        /// said, as many as the limit of open files allows, 20,000 at most.
        pub max_connections: u32,
        /// Live sessions the ledger holds; beyond it the longest idle are forgotten.
        pub max_sessions: u32,
    }
}

impl Server {
    /// The file with the token of clusters that name none of their own.
    pub fn join_token(&self) -> String {
        format!("{}/join.token", self.state_dir.trim_end_matches('/'))
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            workers: Workers::default(),
            admin: None,
            admin_token_file: None,
            announce: None,
            mod_heartbeat: None,
            state_dir: "state".into(),
            shutdown_grace: Duration::secs(30),
            access_log: AccessLog::default(),
            traces: None,
            node_metrics: true,
            max_connections: 20_000,
            max_sessions: 1_000_000,
        }
    }
}

/// Where dashboard, API and /metrics listen: an address, or a table with more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Admin {
    /// Just the address.
    Address(String),
    /// With more said of it.
    Table(AdminTable),
}

impl Admin {
    /// The addresses.
    pub fn binds(&self) -> &[String] {
        match self {
            Self::Address(bind) => std::slice::from_ref(bind),
            Self::Table(table) => table.bind.as_slice(),
        }
    }

    /// How it is encrypted, if it is.
    pub fn tls(&self) -> Option<&ListenerTls> {
        match self {
            Self::Address(_) => None,
            Self::Table(table) => table.tls.as_ref(),
        }
    }

    /// Its tokens, by name.
    pub fn tokens(&self) -> impl Iterator<Item = (&str, &AdminToken)> {
        let table = if let Self::Table(table) = self { Some(table) } else { None };
        table.into_iter().flat_map(|table| table.tokens.iter().map(|(name, token)| (&**name, token)))
    }

    /// Whether nobody gets in who shows no certificate.
    pub fn wants_certificate(&self) -> bool {
        self.tls().is_some_and(|tls| tls.client_ca.is_some() && tls.client_auth == ClientAuth::Require)
    }
}

conf! {
    /// What is said of dashboard, API and /metrics.
    #[derive(Default)]
    pub struct AdminTable {
        /// "host:port", "unix:/path", or a list. Whoever may open a Unix socket may do everything: it is for
        /// the user alone that homing runs as.
        pub bind: OneOrMany<String>,
        /// TLS, but for Unix sockets; absent means clear text. With `client-ca`, a certificate of that authority
        /// is asked for; where there are no tokens, whoever shows one may do everything.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub tls: Option<ListenerTls>,
        /// Tokens by name, each in a file: the name stands where it is told who did what.
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        pub tokens: IndexMap<String, AdminToken>,
    }
}

conf! {
    /// A token, and what its bearer may.
    #[derive(Default)]
    pub struct AdminToken {
        /// The file that holds it; one that holds several lets one be changed for another without a gap.
        pub file: String,
        /// What its bearer may do: "read" all that is shown, "operate" what a node's state is, "admin" all.
        pub level: AdminLevel,
    }
}

keywords! {
    /// What somebody may do.
    #[derive(PartialOrd, Ord)]
    pub enum AdminLevel {
        /// Look.
        #[default]
        Read = "read",
        /// And take nodes, clusters and rules out and in, and set limits.
        Operate = "operate",
        /// And all else: have the conf file read, take what is known of a node away.
        Admin = "admin",
    }
}

/// Where nodes announce themselves: an address, or a table with more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Announce {
    /// Just the address.
    Address(String),
    /// With more said of it.
    Table(AnnounceTable),
}

impl Announce {
    /// The address.
    pub fn bind(&self) -> &str {
        match self {
            Self::Address(bind) => bind,
            Self::Table(table) => &table.bind,
        }
    }

    /// Whose its file is, as a Unix socket.
    pub fn unix(&self) -> Option<&UnixSocket> {
        match self {
            Self::Address(_) => None,
            Self::Table(table) => table.unix.as_ref(),
        }
    }

    /// How it is encrypted, if it is.
    pub fn tls(&self) -> Option<&ListenerTls> {
        match self {
            Self::Address(_) => None,
            Self::Table(table) => table.tls.as_ref(),
        }
    }
}

conf! {
    /// What is said of the address that nodes announce themselves at.
    #[derive(Default)]
    pub struct AnnounceTable {
        /// "host:port", or "unix:/path".
        pub bind: String,
        /// Whose its file is, as a Unix socket.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unix: Option<UnixSocket>,
        /// TLS; absent means clear text. With `client-ca`, a node that shows a certificate of that authority
        /// needs no token, as far as `join.client-names` of its cluster allows.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub tls: Option<ListenerTls>,
    }
}

conf! {
    /// Where Apache's mod_heartbeat and Tomcat's HeartbeatListener are heard, in datagrams and in POSTs. They
    /// know no secret: who may speak is told by the address alone.
    pub struct ModHeartbeat {
        /// The address, the same for UDP and for TCP.
        pub bind: String,
        /// Multicast groups that are heard too, on the same port.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub groups: Vec<String>,
        /// Networks whose heartbeats count.
        pub from: Vec<Network>,
        /// The cluster that nodes at unknown addresses join.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cluster: Option<String>,
        /// How often the nodes send: after three times without a word a node is silent.
        pub interval: Duration,
    }
}

impl Default for ModHeartbeat {
    fn default() -> Self {
        Self {
            bind: "0.0.0.0:23364".into(),
            groups: Vec::new(),
            from: Vec::new(),
            cluster: None,
            interval: Duration::secs(10),
        }
    }
}

/// How many data-plane threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Workers {
    /// The word "auto".
    Word(WorkersWord),
    /// So many.
    Count(#[schemars(range(min = 1, max = 256))] u16),
}

keywords! {
    /// A number of threads that is a word.
    pub enum WorkersWord {
        /// One a core.
        #[default]
        Auto = "auto",
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self::Word(WorkersWord::Auto)
    }
}

conf! {
    /// The access log.
    pub struct AccessLog {
        /// How a line is written.
        pub format: LogFormat,
        /// "stdout", "off", or a file.
        pub to: String,
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { format: LogFormat::Json, to: "stdout".into() }
    }
}

conf! {
    /// Spans for a collector that speaks OpenTelemetry's protocol over HTTP.
    pub struct Traces {
        /// The collector: "http://host:port", "https://host:port" or "unix:/path"; spans are posted to
        /// /v1/traces there.
        pub to: String,
        /// The share of new traces that is kept, from 0 to 1. Of a trace that others began, they have
        /// decided.
        #[schemars(range(min = 0.0, max = 1.0))]
        pub sample: f64,
        /// The name under which the collector shows them.
        pub service: String,
    }
}

impl Default for Traces {
    fn default() -> Self {
        Self { to: "http://127.0.0.1:4318".into(), sample: 1.0, service: "homing".into() }
    }
}

keywords! {
    /// How an access-log line is written.
    pub enum LogFormat {
        /// One JSON object a line.
        #[default]
        Json = "json",
        /// httpd's combined format, with node and why behind it.
        Combined = "combined",
        /// HAProxy's `option httplog`.
        Httplog = "httplog",
    }
}
