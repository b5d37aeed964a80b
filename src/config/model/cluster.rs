//! `[cluster.NAME]`: a set of nodes and how they are spoken to.

use super::{Affinity, Agent, Forwarded, Health, Node, OneOrMany, Passive};
use crate::base::units::{Duration, Size};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

conf! {
    /// A set of nodes that serve the same application.
    pub struct Cluster {
        /// How a new session's node is chosen.
        pub balance: Balance,
        /// How a session is recognised and marked.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub affinity: Option<Affinity>,
        /// A session not seen for so long no longer counts as live.
        pub session_idle: Duration,
        /// What becomes of a session whose node is gone.
        pub failover: Failover,
        /// Whether nodes with the role `lb` serve sessions too.
        pub mode: Mode,
        /// The page answered with 503 under `failover = "strict"` and when nobody can serve: a file.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error_page: Option<String>,
        /// Further tries of a request that can be repeated without harm.
        pub retries: u8,
        /// A request body up to this size is held so that it can be sent again.
        pub retry_body: Size,
        /// How long a pinned request waits for its full node.
        pub queue_timeout: Duration,
        /// An HTTP/1 client that closes its side has left: its request is given up at the node. Without it,
        /// one that sends nothing more still gets its answer.
        pub abort_on_close: bool,
        /// Time over which a node that (re)appears beside others grows into its full share.
        pub slow_start: Duration,
        /// Time limits towards the nodes.
        pub timeouts: Timeouts,
        /// Checks of the nodes; `{ kind = "off" }` for none. Without a path, that a connection opens.
        pub health: Health,
        /// An agent beside each node that is asked for its state and weight (HAProxy's agent-check).
        #[serde(skip_serializing_if = "Option::is_none")]
        pub agent: Option<Agent>,
        /// What failing traffic means.
        pub passive: Passive,
        /// How nodes that announce themselves are admitted.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub join: Option<Join>,
        /// Connections to the nodes.
        pub pool: Pool,
        /// TLS towards the nodes, for `https://` ones.
        pub tls: ClusterTls,
        /// Speak HTTP/2 to the nodes (prior knowledge without TLS).
        pub http2: bool,
        /// Keep the client's Host header (the default); false sends the node's own.
        pub preserve_host: bool,
        /// Rewrite Location, Content-Location, Refresh and cookie Domain/Path that name a node or a prefix
        /// that a rule has swapped (ProxyPassReverse, ProxyPassReverseCookiePath).
        pub rewrite_responses: bool,
        /// How the nodes learn who asked, and what becomes of what strangers say of that.
        pub forwarded: Forwarded,
        /// Add a Via header.
        pub via: bool,
        /// Tell the node its state with each request: `Homing-State: draining`.
        pub tell_state: bool,
        /// Requests are answered 503, with the error page, and nobody is sent to its nodes; sessions are kept.
        pub disabled: bool,
        /// The nodes, by name.
        pub nodes: IndexMap<String, Node>,
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            affinity: None,
            session_idle: Duration::secs(3600),
            failover: Failover::default(),
            mode: Mode::default(),
            error_page: None,
            retries: 2,
            retry_body: Size(64 << 10),
            queue_timeout: Duration::secs(5),
            abort_on_close: false,
            slow_start: Duration::secs(30),
            timeouts: Timeouts::default(),
            health: Health::default(),
            agent: None,
            passive: Passive::default(),
            join: None,
            pool: Pool::default(),
            tls: ClusterTls::default(),
            http2: false,
            preserve_host: true,
            rewrite_responses: false,
            forwarded: Forwarded::default(),
            via: false,
            tell_state: false,
            disabled: false,
            nodes: IndexMap::new(),
        }
    }
}

/// Of a cluster that says nothing of it.
const FORGET_AFTER: Duration = Duration::secs(24 * 3600);

impl Cluster {
    /// The agent of a node: its own, or else as all have it.
    pub fn agent_of(&self, node: &str) -> Option<&Agent> {
        let own = match self.nodes.get(node)? {
            Node::Table(table) => table.agent.as_deref(),
            Node::Url(_) => None,
        };
        own.or(self.agent.as_ref())
    }

    /// How long a node that came by itself may be silent before it is forgotten, if there is a limit.
    pub fn forget_after(&self) -> Option<std::time::Duration> {
        self.join.as_ref().map_or(FORGET_AFTER, |join| join.forget_after).limit()
    }
}

keywords! {
    /// How a new session's node is chosen.
    pub enum Balance {
        /// Fewest live sessions for its capacity.
        #[default]
        LeastSessions = "least-sessions",
        /// Fewest requests in flight for its weight.
        LeastRequests = "least-requests",
        /// In turn, by weight, evenly spread.
        RoundRobin = "round-robin",
        /// By the size of the nodes and the room that they announce.
        Heartbeat = "heartbeat",
        /// The better of two drawn by weight.
        Random = "random",
        /// By the affinity key or else the client's address, consistently.
        Hash = "hash",
        /// The first that has room, in the order of the file.
        First = "first",
    }
}

keywords! {
    /// What becomes of a session whose node is gone.
    pub enum Failover {
        /// It is placed anew, once.
        #[default]
        Move = "move",
        /// 503 until its node is back.
        Strict = "strict",
    }
}

keywords! {
    /// Whether nodes with the role `lb` serve sessions too.
    pub enum Mode {
        /// They only tell clients where to go.
        #[default]
        Dedicated = "dedicated",
        /// They serve as every other node.
        Shared = "shared",
    }
}

conf! {
    /// Time limits towards the nodes.
    pub struct Timeouts {
        /// To open a connection, TLS included.
        pub connect: Duration,
        /// From the request sent to the answer's header; and between parts of its body.
        pub response: Duration,
        /// A tunnel (WebSocket) without a byte either way.
        pub tunnel_idle: Duration,
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::secs(2), response: Duration::secs(60), tunnel_idle: Duration::secs(3600) }
    }
}

conf! {
    /// How nodes that announce themselves are admitted.
    pub struct Join {
        /// "ask": an operator accepts each (the default). "token": whoever has the token. Networks: whoever
        /// has it and comes from there.
        pub admit: OneOrMany<String>,
        /// The file with the join token. Absent: one is made in state-dir, as `homing token` prints it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub token_file: Option<String>,
        /// Names of which a client certificate (`server.announce.tls.client-ca`) must have one to stand for
        /// the token: a DNS name or URI, else the common name. `*` is one label, `{node}` the name of the
        /// node that it speaks for. Absent: each certificate does.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub client_names: Vec<String>,
        /// Whose tokens speak for a node. "cluster": the cluster's, for each node that has not spoken with
        /// one of its own (the default). "node": only its own, as `homing token CLUSTER/NODE` prints it.
        pub token: JoinToken,
        /// Where nodes may be that come by themselves: "sender", at the address that they speak from (the
        /// default), and networks. Loopback and link-local addresses only where they speak from there.
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub urls: OneOrMany<String>,
        /// A node that waits, or was removed, and has said nothing for so long is forgotten, and so is one that
        /// would be let in again by itself, is down and serves nobody; "off" keeps them.
        pub forget_after: Duration,
        /// The scheme of announced nodes that do not say it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub scheme: Option<String>,
    }
}

impl Default for Join {
    fn default() -> Self {
        Self {
            admit: OneOrMany::default(),
            token_file: None,
            client_names: Vec::new(),
            token: JoinToken::default(),
            urls: OneOrMany::default(),
            forget_after: FORGET_AFTER,
            scheme: None,
        }
    }
}

keywords! {
    /// Whose tokens speak for a node.
    pub enum JoinToken {
        /// The cluster's, until the node has spoken with its own.
        #[default]
        Cluster = "cluster",
        /// Only its own.
        Node = "node",
    }
}

conf! {
    /// Connections to the nodes, kept by each worker.
    pub struct Pool {
        /// Idle connections kept to one node by one worker.
        pub max_idle: u32,
        /// How long an idle connection is kept.
        pub idle_timeout: Duration,
        /// Connections of HTTP/2 to one node by one worker: another opens when every stream is taken; beyond
        /// them requests wait.
        pub http2_connections: u32,
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self { http2_connections: 16, max_idle: 64, idle_timeout: Duration::secs(30) }
    }
}

conf! {
    /// TLS towards the nodes.
    pub struct ClusterTls {
        /// Check the nodes' certificates. Only a test may switch it off.
        pub verify: bool,
        /// PEM file of the authorities believed; absent means the public ones.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub ca: Option<String>,
        /// PEM file of our certificate, for nodes that ask for one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cert: Option<String>,
        /// PEM file of its key, if not in the same file.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub key: Option<String>,
        /// The name in SNI and in the check, if not the node's host.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub server_name: Option<String>,
    }
}

impl Default for ClusterTls {
    fn default() -> Self {
        Self { verify: true, ca: None, cert: None, key: None, server_name: None }
    }
}
