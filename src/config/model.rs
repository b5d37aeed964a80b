//! The conf file as data: every key with its type, default and help in one place. The reader, the did-you-mean, the JSON
//! Schema and `check --dump` all come from these types; what a value means is checked in `config::check`.

use crate::base::units::{Duration, Network, Size};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! conf {
    ($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct $name { $($body)* }
    };
}

macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($body:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($body)* }
    };
}

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
        /// Which requests go where. The first rule that matches wins.
        pub rule: Vec<Rule>,
        /// Sets of nodes that serve the same application, by name.
        pub cluster: IndexMap<String, Cluster>,
    }
}

conf! {
    /// The process as a whole.
    pub struct Server {
        /// Data-plane threads: a number, or "auto" for one a core.
        pub workers: Workers,
        /// Where dashboard, API and /metrics listen.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub admin: Option<String>,
        /// A file with the token that whoever uses `admin` has to show. Needed for any address but this machine's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub admin_token_file: Option<String>,
        /// Where nodes send heartbeats and thick clients ask for the ranked list.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub announce: Option<String>,
        /// Folder for what must outlive the process: the keys of sealed pins among it.
        pub state_dir: String,
        /// How long a graceful end may take before connections are cut.
        pub shutdown_grace: Duration,
        /// One line a request.
        pub access_log: AccessLog,
        /// Client connections at one time, over all listeners. Further ones wait in the kernel's queue.
        pub max_connections: u32,
        /// Live sessions the ledger holds; beyond it the longest idle are forgotten.
        pub max_sessions: u32,
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            workers: Workers::default(),
            admin: None,
            admin_token_file: None,
            announce: None,
            state_dir: "state".into(),
            shutdown_grace: Duration::secs(30),
            access_log: AccessLog::default(),
            max_connections: 20_000,
            max_sessions: 1_000_000,
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

words! {
    /// A number of threads that is a word.
    pub enum WorkersWord {
        /// One a core.
        #[default]
        Auto,
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

words! {
    /// How an access-log line is written.
    pub enum LogFormat {
        /// One JSON object a line.
        #[default]
        Json,
        /// httpd's combined format, with node and why behind it.
        Combined,
        /// HAProxy's `option httplog`.
        Httplog,
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

conf! {
    /// An address the proxy accepts clients on.
    pub struct Listener {
        /// "host:port", `[::]:port`, "unix:/path", or a list.
        pub bind: OneOrMany<String>,
        /// TLS; absent means clear text.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub tls: Option<ListenerTls>,
        /// Expect a PROXY protocol header (v1 or v2) first on every connection from `trusted-proxies`.
        pub proxy_protocol: bool,
        /// Whose X-Forwarded-* and Forwarded headers, and PROXY protocol headers, are believed.
        pub trusted_proxies: Vec<Network>,
        /// Time for a request's header to arrive in full.
        pub header_timeout: Duration,
        /// Time a connection may be without a request, or a transfer without progress.
        pub idle_timeout: Duration,
        /// The largest request header.
        pub max_header_size: Size,
        /// The most header lines in a request.
        pub max_headers: u16,
        /// Requests at one time on one HTTP/2 connection.
        pub max_streams: u32,
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            bind: OneOrMany::default(),
            tls: None,
            proxy_protocol: false,
            trusted_proxies: Vec::new(),
            header_timeout: Duration::secs(10),
            idle_timeout: Duration::secs(60),
            max_header_size: Size(32 << 10),
            max_headers: 100,
            max_streams: 200,
        }
    }
}

conf! {
    /// TLS towards clients.
    pub struct ListenerTls {
        /// PEM files, or folders of them, each with a chain and its key (in one file, or NAME.crt/.pem/.cer beside NAME.key); chosen by SNI.
        pub certs: Vec<String>,
        /// The oldest protocol version offered.
        pub min_version: TlsVersion,
        /// PEM file of the authorities whose client certificates are accepted.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub client_ca: Option<String>,
        /// Whether a client must show a certificate.
        pub client_auth: ClientAuth,
    }
}

impl Default for ListenerTls {
    fn default() -> Self {
        Self { certs: Vec::new(), min_version: TlsVersion::V12, client_ca: None, client_auth: ClientAuth::Require }
    }
}

/// A TLS protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3
    #[serde(rename = "1.3")]
    V13,
}

words! {
    /// Whether a client must show a certificate; counts only with `client-ca`.
    pub enum ClientAuth {
        /// Without a valid certificate the handshake fails.
        #[default]
        Require,
        /// A certificate is checked if shown.
        Optional,
    }
}

conf! {
    /// Which requests, and what becomes of them. All given conditions must hold.
    #[derive(Default)]
    pub struct Rule {
        /// Only on these listeners.
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub listener: OneOrMany<String>,
        /// Host names, exact or `*.example.com`.
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub host: OneOrMany<String>,
        /// Path prefixes, on segment borders: "/shop" matches "/shop" and "/shop/x", not "/shopping".
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub path: OneOrMany<String>,
        /// A regular expression over the path (Rust regex syntax, linear time).
        #[serde(skip_serializing_if = "Option::is_none")]
        pub path_regex: Option<String>,
        /// Request methods.
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub method: OneOrMany<String>,
        /// Header values, exact; "*" for present.
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        pub header: IndexMap<String, String>,
        /// Query parameters, exact after percent-decoding; "*" for present.
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        pub query: IndexMap<String, String>,
        /// Client networks.
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub source: OneOrMany<Network>,

        /// Send it to this cluster.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cluster: Option<String>,
        /// Answer with a redirect.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub redirect: Option<Redirect>,
        /// Answer at once.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub respond: Option<Respond>,

        /// Remove this prefix from the path before it goes to the node.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub strip_prefix: Option<String>,
        /// Replace the path; with `path-regex`, `$1` stands for its first group.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub rewrite: Option<String>,
        /// Changes to the request's headers.
        #[serde(skip_serializing_if = "HeaderEdits::is_empty")]
        pub request_headers: HeaderEdits,
        /// Changes to the answer's headers.
        #[serde(skip_serializing_if = "HeaderEdits::is_empty")]
        pub response_headers: HeaderEdits,
    }
}

conf! {
    /// A redirect; what is not given stays as the client asked.
    pub struct Redirect {
        /// "http" or "https".
        #[serde(skip_serializing_if = "Option::is_none")]
        pub scheme: Option<String>,
        /// Host, with port if it is not the scheme's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub host: Option<String>,
        /// The whole path.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub path: Option<String>,
        /// A whole location; the values of `request-headers` such as `{path}` may be used in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub to: Option<String>,
        /// 301, 302, 303, 307 or 308.
        pub status: u16,
    }
}

impl Default for Redirect {
    fn default() -> Self {
        Self { scheme: None, host: None, path: None, to: None, status: 302 }
    }
}

conf! {
    /// An answer at once.
    pub struct Respond {
        /// Status code, 200 to 599.
        pub status: u16,
        /// The body.
        pub body: String,
        /// Its Content-Type.
        pub content_type: String,
    }
}

impl Default for Respond {
    fn default() -> Self {
        Self { status: 200, body: String::new(), content_type: "text/plain; charset=utf-8".into() }
    }
}

conf! {
    /// Changes to headers, in this order: remove, set, add. Values may hold `{client.ip}`, `{client.port}`, `{host}`, `{scheme}`,
    /// `{method}`, `{path}`, `{query}`, `{uri}`, `{listener}`, `{cluster}`, `{node}`, `{route}`, `{request.id}`, `{tls.version}`, `{tls.cipher}`,
    /// `{tls.sni}`, `{tls.client.subject}`, `{header.NAME}`, `{{` for a brace.
    #[derive(Default)]
    pub struct HeaderEdits {
        /// Replaces all lines of that name.
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        pub set: IndexMap<String, String>,
        /// Adds a line.
        #[serde(skip_serializing_if = "IndexMap::is_empty")]
        pub add: IndexMap<String, String>,
        /// Removes all lines of that name.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub remove: Vec<String>,
    }
}

impl HeaderEdits {
    /// True when nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

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
        /// The page answered with 503 under `failover = "strict"` and when nobody can serve: a file.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error_page: Option<String>,
        /// Further tries of a request that can be repeated without harm.
        pub retries: u8,
        /// A request body up to this size is held so that it can be sent again.
        pub retry_body: Size,
        /// How long a pinned request waits for its full node.
        pub queue_timeout: Duration,
        /// Time over which a node that (re)appears grows into its full share.
        pub slow_start: Duration,
        /// Time limits towards the nodes.
        pub timeouts: Timeouts,
        /// Checks of the nodes; `{ kind = "off" }` for none. Without a path, that a connection opens.
        pub health: Health,
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
        /// Rewrite Location, Content-Location and cookie Domain/Path that name a node or a stripped prefix (ProxyPassReverse).
        pub rewrite_responses: bool,
        /// Tell the node the client's address.
        pub forwarded: ForwardedStyle,
        /// Add a Via header.
        pub via: bool,
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
            error_page: None,
            retries: 2,
            retry_body: Size(64 << 10),
            queue_timeout: Duration::secs(5),
            slow_start: Duration::secs(30),
            timeouts: Timeouts::default(),
            health: Health::default(),
            passive: Passive::default(),
            join: None,
            pool: Pool::default(),
            tls: ClusterTls::default(),
            http2: false,
            preserve_host: true,
            rewrite_responses: false,
            forwarded: ForwardedStyle::default(),
            via: false,
            nodes: IndexMap::new(),
        }
    }
}

words! {
    /// How a new session's node is chosen.
    pub enum Balance {
        /// Fewest live sessions for its capacity.
        #[default]
        LeastSessions,
        /// Fewest requests in flight for its weight.
        LeastRequests,
        /// In turn, by weight, evenly spread.
        RoundRobin,
        /// By the room that the nodes announce.
        Heartbeat,
        /// The better of two drawn by weight.
        Random,
        /// By the affinity key or else the client's address, consistently.
        Hash,
        /// The first that has room, in the order of the file.
        First,
    }
}

words! {
    /// What becomes of a session whose node is gone.
    pub enum Failover {
        /// It is placed anew, once.
        #[default]
        Move,
        /// 503 until its node is back.
        Strict,
    }
}

words! {
    /// Which headers tell a node the client's address.
    pub enum ForwardedStyle {
        /// X-Forwarded-For, -Proto, -Host, -Port.
        #[default]
        XForwarded,
        /// RFC 7239 Forwarded.
        Forwarded,
        /// Both.
        Both,
        /// Neither.
        Off,
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
        /// Time between checks; varied by a tenth.
        pub interval: Duration,
        /// Time for one check.
        pub timeout: Duration,
        /// Good checks in a row before a node is up.
        pub rise: u8,
        /// Bad checks in a row before a node is down.
        pub fall: u8,
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            kind: None,
            path: None,
            host: None,
            status: "200-399".into(),
            interval: Duration::secs(2),
            timeout: Duration::secs(1),
            rise: 2,
            fall: 3,
        }
    }
}

words! {
    /// What an active check does.
    pub enum HealthKind {
        /// Opens a connection.
        #[default]
        Tcp,
        /// Asks for a path.
        Http,
        /// Nothing.
        Off,
    }
}

conf! {
    /// Passive checks: what failing traffic means.
    pub struct Passive {
        /// Failed requests in a row (no connection, no answer) before a node is set aside; 0 for never.
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

conf! {
    /// How nodes that announce themselves are admitted.
    #[derive(Default)]
    pub struct Join {
        /// "ask", "token", or a list of networks.
        pub admit: OneOrMany<String>,
        /// The file with the join token.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub token_file: Option<String>,
        /// The scheme of announced nodes that do not say it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub scheme: Option<String>,
    }
}

conf! {
    /// Connections to the nodes, kept by each worker.
    pub struct Pool {
        /// Idle connections kept to one node by one worker.
        pub max_idle: u32,
        /// How long an idle connection is kept.
        pub idle_timeout: Duration,
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self { max_idle: 64, idle_timeout: Duration::secs(30) }
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

/// A node: an address, or a table with more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Node {
    /// Just where it is.
    Url(String),
    /// With more said of it.
    Table(NodeTable),
}

impl Node {
    /// The node with everything said, defaults filled in.
    pub fn table(&self) -> NodeTable {
        match self {
            Self::Url(url) => NodeTable { url: url.clone(), ..NodeTable::default() },
            Self::Table(table) => table.clone(),
        }
    }
}

conf! {
    /// What is said of a node.
    pub struct NodeTable {
        /// http://host:port, https://…, ajp://…, unix:/path
        pub url: String,
        /// Its share of new sessions against the others'; 0 takes none.
        pub weight: u16,
        /// The most live sessions; full takes no new ones. Its share is in proportion.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_sessions: Option<u32>,
        /// The most requests at one time; further ones wait.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_requests: Option<u32>,
        /// Its name as sessions carry it; the node's own name unless set.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub route: Option<String>,
        /// Serves new sessions only when no other node can.
        pub backup: bool,
        /// What the operator wants of it.
        pub state: AdminState,
        /// The file with the AJP secret.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub secret_file: Option<String>,
    }
}

impl Default for NodeTable {
    fn default() -> Self {
        Self {
            url: String::new(),
            weight: 100,
            max_sessions: None,
            max_requests: None,
            route: None,
            backup: false,
            state: AdminState::Enabled,
            secret_file: None,
        }
    }
}

words! {
    /// What the operator wants of a node.
    pub enum AdminState {
        /// Serves.
        #[default]
        Enabled,
        /// Serves the sessions it has, takes no new ones.
        Draining,
        /// Serves nobody.
        Maintenance,
        /// It announced itself and was not accepted: serves nobody. Never in a file.
        #[serde(skip)]
        Pending,
        /// Taken out of the balance, but known: serves who asks for it by name. Never in a file.
        #[serde(skip)]
        Removed,
    }
}

/// How a cluster recognises and marks a session: the word "cookie", or a table with exactly one of
/// `cookie`, `route`, `learn`, `key`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Affinity {
    /// `affinity = "cookie"`: our own, named after the cluster.
    Word(AffinityWord),
    /// Everything else.
    Table(Box<AffinityTable>),
}

words! {
    /// The short form of an affinity.
    pub enum AffinityWord {
        /// Our own cookie, named `homing-` and a short hash of the cluster's name.
        #[default]
        Cookie,
    }
}

conf! {
    /// An affinity in full. Exactly one of `cookie`, `route`, `learn`, `key`.
    pub struct AffinityTable {
        /// Our own cookie, or the application's with `mode`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cookie: Option<String>,
        /// The jvmRoute suffix in this cookie of the application's, and in the path parameter of its lower-case name.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub route: Option<String>,
        /// The application's own session cookie, learned from its answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub learn: Option<String>,
        /// "query:NAME", "header:NAME" or "source".
        #[serde(skip_serializing_if = "Option::is_none")]
        pub key: Option<String>,

        /// With `cookie`: who writes it.
        pub mode: CookieMode,
        /// With `cookie`: what its value is.
        pub value: CookieValue,
        /// With `cookie`: hide it from the application (ours is hidden unless this says false).
        #[serde(skip_serializing_if = "Option::is_none")]
        pub indirect: Option<bool>,
        /// Mark answers that carry a new cookie as private.
        pub nocache: bool,
        /// Write the cookie on answers to POST only.
        pub postonly: bool,
        /// If the application sets the cookie itself, leave it.
        pub preserve: bool,
        /// A pin not used for so long is not honoured.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_idle: Option<Duration>,
        /// A pin older than this is not honoured.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub max_life: Option<Duration>,
        /// SameSite; "auto" is None under TLS and absent otherwise.
        pub same_site: SameSite,
        /// Secure; absent means under TLS.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub secure: Option<bool>,
        /// HttpOnly; absent means yes for sealed cookies, no for HAProxy's kinds.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub http_only: Option<bool>,
        /// Partitioned (needs Secure).
        pub partitioned: bool,
        /// Domain, or several (one attribute each, as HAProxy writes them).
        #[serde(skip_serializing_if = "OneOrMany::is_empty")]
        pub domain: OneOrMany<String>,
        /// Path.
        pub path: String,
        /// Further attributes, verbatim.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub attributes: Vec<String>,
        /// With `value = "dynamic"`: HAProxy's dynamic-cookie-key.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub dynamic_key: Option<String>,
        /// With `value = "sealed"`: a file with keys, one a line, newest first; absent means one in state-dir, made at first start.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub keys: Option<String>,

        /// With `route`: what stands between id and route; the first one counts. "off": the whole value is the route.
        pub separator: String,
        /// With `route`: the path parameter's name; absent means the cookie's name in lower case.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub parameter: Option<String>,
        /// With `route`: which is looked at first.
        pub order: RouteOrder,

        /// With `key`: remember each key's node in the ledger, rather than only hash it.
        pub remember: bool,

        /// Other forms honoured on the way in, such as those of the front end that was replaced. Never written.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub also: Vec<AffinityTable>,
    }
}

impl Default for AffinityTable {
    fn default() -> Self {
        Self {
            cookie: None,
            route: None,
            learn: None,
            key: None,
            mode: CookieMode::default(),
            value: CookieValue::default(),
            indirect: None,
            nocache: true,
            postonly: false,
            preserve: false,
            max_idle: None,
            max_life: None,
            same_site: SameSite::default(),
            secure: None,
            http_only: None,
            partitioned: false,
            domain: OneOrMany::default(),
            path: "/".into(),
            attributes: Vec::new(),
            dynamic_key: None,
            keys: None,
            separator: ".".into(),
            parameter: None,
            order: RouteOrder::default(),
            remember: true,
            also: Vec::new(),
        }
    }
}

words! {
    /// Who writes the cookie (HAProxy's words).
    pub enum CookieMode {
        /// We add our own.
        #[default]
        Insert,
        /// We replace the value of one that the application sets.
        Rewrite,
        /// We put the node in front of the value of the application's.
        Prefix,
        /// We only read it.
        Passive,
    }
}

words! {
    /// What a pin cookie's value is.
    pub enum CookieValue {
        /// Authenticated and opaque, valid on every proxy with the same keys.
        #[default]
        Sealed,
        /// The node's route, readable.
        Route,
        /// HAProxy's dynamic cookie: a keyed hash of the node's address.
        Dynamic,
    }
}

words! {
    /// The SameSite attribute.
    pub enum SameSite {
        /// None under TLS, absent otherwise.
        #[default]
        Auto,
        /// SameSite=None
        None,
        /// SameSite=Lax
        Lax,
        /// SameSite=Strict
        Strict,
        /// No attribute.
        Off,
    }
}

words! {
    /// Where a route is looked for first.
    pub enum RouteOrder {
        /// Path parameter, then cookies (httpd, mod_jk).
        #[default]
        UrlFirst,
        /// Cookies, then path parameter (mod_cluster).
        CookieFirst,
    }
}
