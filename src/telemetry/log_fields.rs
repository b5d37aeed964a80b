//! What a line of the access log can say of a request, field by field.

use super::record::{RecordedHead, RequestRecord};
use super::termination::{PinReceived, sent_letter};
use std::net::IpAddr;

/// A request that ended, as lines and spans tell of it.
#[derive(Clone, Copy)]
pub struct LogEntry<'a> {
    /// What was gathered.
    pub record: &'a RequestRecord,
    /// The connection that it came over.
    pub connection: &'a ConnectionFacts<'a>,
    /// Its id.
    pub id: &'a str,
    /// Its session, as it is called where it is shown.
    pub session: Option<&'a str>,
    /// The trace it belongs to.
    pub trace: Option<&'a str>,
    /// From the request's first byte to the answer's last.
    pub duration_ms: f64,
}

/// What is told of the connection that a request came over.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectionFacts<'a> {
    /// Its listener's name.
    pub listener: &'a str,
    /// True when the client spoke TLS.
    pub tls: bool,
    /// Client connections now open, of the process,
    pub of_process: u32,
    /// and of the listener; both only where they are asked for.
    pub of_listener: u32,
}

/// One thing that a line can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// When the request began, as RFC 3339 writes it.
    Time,
    /// The same, as the Common Log Format writes it; UTC.
    ClfTime,
    /// The same, with milliseconds.
    ClfTimeMs,
    /// The client's address.
    Client,
    /// The client's port.
    ClientPort,
    /// The method.
    Method,
    /// The host asked for.
    Host,
    /// The path with its query.
    Path,
    /// "HTTP/1.1" or the like.
    Version,
    /// Method, path and version, or `<BADREQ>`.
    RequestLine,
    /// The status answered.
    Status,
    /// Bytes sent to the client.
    Bytes,
    /// The same, absent where there were none.
    SomeBytes,
    /// From the request's first byte to the answer's last.
    Duration,
    /// Time until the request's header was here.
    RequestTime,
    /// Time waited for a place at the node.
    QueueTime,
    /// Time until the node took the connection.
    ConnectTime,
    /// Time until the answer's header was here.
    ResponseTime,
    /// The cluster.
    Cluster,
    /// The same, or the listener, which HAProxy names where no backend was chosen.
    Backend,
    /// The node.
    Node,
    /// The same, or `<NOSRV>`.
    Server,
    /// The node that the session was on before.
    Was,
    /// Why this node.
    Why,
    /// The request's id.
    Id,
    /// The session, as `homing sessions` calls it.
    Session,
    /// The trace it belongs to; left out where there is none.
    Trace,
    /// The listener.
    Listener,
    /// Whether the client spoke TLS.
    Tls,
    /// `~` if it did.
    TlsMark,
    /// Further tries.
    Retries,
    /// `+` if they went to another node.
    RedispatchMark,
    /// Something worth a word, such as `keepalive-race`.
    Note,
    /// The client's User-Agent.
    UserAgent,
    /// The client's Referer.
    Referer,
    /// Who ended it, and during which step.
    Termination,
    /// What the pin cookie was worth.
    PinReceived,
    /// What became of it in the answer.
    PinSent,
    /// Connections of the process (HAProxy's ac).
    ProcessConnections,
    /// Connections of the listener (fc).
    ListenerConnections,
    /// Requests at the cluster (bc).
    ClusterRequests,
    /// Requests at the node (sc).
    NodeRequests,
    /// Requests that waited for the node before this one (sq).
    NodeQueue,
    /// Requests that waited for the cluster (bq): a node is waited for, never a cluster.
    ClusterQueue,
}

/// What a field says of one request.
#[derive(Debug, Clone, Copy)]
pub(super) enum LogValue<'a> {
    /// Nothing is known.
    Absent,
    /// A text of ours or of the conf file's.
    Text(&'a str),
    /// What a client has sent.
    Bytes(&'a [u8]),
    /// Method, path and version.
    Line([&'a str; 3]),
    Number(u64),
    Flag(bool),
    Address(IpAddr),
    /// Milliseconds; none of a step that was not reached.
    Millis(Option<f64>),
    /// Milliseconds since 1970.
    Time(u64),
    /// The same, with milliseconds or without.
    ClfTime(u64, bool),
}

impl<'a> From<Option<&'a str>> for LogValue<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Absent, Self::Text)
    }
}

impl<'a> LogEntry<'a> {
    /// What the field says.
    pub(super) fn value(&self, field: Field) -> LogValue<'a> {
        let (record, decision, connection) = (self.record, &self.record.decision, self.connection);
        match field {
            Field::Time => LogValue::Time(decision.at),
            Field::ClfTime => LogValue::ClfTime(decision.at, false),
            Field::ClfTimeMs => LogValue::ClfTime(decision.at, true),
            Field::Client => LogValue::Address(decision.client),
            Field::ClientPort => LogValue::Number(record.client_port.into()),
            Field::Method => LogValue::Text(self.method()),
            Field::Host => LogValue::Text(self.host()),
            Field::Path => LogValue::Text(self.path()),
            Field::Version => LogValue::Text(self.version()),
            Field::RequestLine if self.method().is_empty() => LogValue::Text("<BADREQ>"),
            Field::RequestLine => LogValue::Line([self.method(), self.path(), self.version()]),
            Field::Status => LogValue::Number(decision.status.into()),
            Field::SomeBytes if record.bytes == 0 => LogValue::Absent,
            Field::Bytes | Field::SomeBytes => LogValue::Number(record.bytes),
            Field::Duration => LogValue::Millis(Some(self.duration_ms)),
            Field::RequestTime => LogValue::Millis(Some(0.0)),
            Field::QueueTime => LogValue::Millis(record.node.is_some().then_some(record.queue_ms)),
            Field::ConnectTime => LogValue::Millis(record.connect_ms),
            Field::ResponseTime => LogValue::Millis(record.response_ms),
            Field::Cluster => self.cluster().into(),
            Field::Backend => LogValue::Text(self.cluster().unwrap_or(connection.listener)),
            Field::Node => self.node().into(),
            Field::Server => LogValue::Text(self.node().unwrap_or("<NOSRV>")),
            Field::Was => self.was().into(),
            Field::Why => LogValue::Text(decision.why.word()),
            Field::Id => LogValue::Text(self.id),
            Field::Session => self.session.into(),
            Field::Trace => self.trace.into(),
            Field::Listener => LogValue::Text(connection.listener),
            Field::Tls => LogValue::Flag(connection.tls),
            Field::TlsMark => LogValue::Text(if connection.tls { "~" } else { "" }),
            Field::Retries => LogValue::Number(decision.retries.into()),
            Field::RedispatchMark => LogValue::Text(if record.redispatched { "+" } else { "" }),
            Field::Note => Some(&*record.note).filter(|note| !note.is_empty()).into(),
            Field::UserAgent => self.header(|head| head.user_agent.as_ref()),
            Field::Referer => self.header(|head| head.referer.as_ref()),
            Field::Termination => LogValue::Text(record.ended.letters()),
            Field::PinReceived => record.cookie.map(|_| PinReceived::from(decision.why).letter()).into(),
            Field::PinSent => record.cookie.map(sent_letter).into(),
            Field::ProcessConnections => LogValue::Number(connection.of_process.into()),
            Field::ListenerConnections => LogValue::Number(connection.of_listener.into()),
            Field::ClusterRequests => {
                LogValue::Number(record.cluster.as_ref().map_or(0, |live| live.traffic.in_flight()).into())
            }
            Field::NodeRequests => LogValue::Number(self.requests_at_node().into()),
            Field::NodeQueue => LogValue::Number(record.behind.into()),
            Field::ClusterQueue => LogValue::Number(0),
        }
    }

    fn head(&self) -> Option<&'a RecordedHead> {
        self.record.head.as_ref()
    }
    fn header(&self, of: impl FnOnce(&'a RecordedHead) -> Option<&'a http::HeaderValue>) -> LogValue<'a> {
        self.head().and_then(of).map_or(LogValue::Absent, |value| LogValue::Bytes(value.as_bytes()))
    }
    /// The method; empty of a request that could not be read.
    pub(super) fn method(&self) -> &'a str {
        self.head().map_or("", |head| head.method.as_str())
    }
    /// The host asked for.
    pub(super) fn host(&self) -> &'a str {
        self.head().map_or("", |head| &head.host)
    }
    /// The path with its query.
    pub(super) fn path(&self) -> &'a str {
        self.head().map_or("", RecordedHead::path)
    }
    /// "HTTP/1.1" or the like.
    pub(super) fn version(&self) -> &'static str {
        self.head().map_or("HTTP/1.1", RecordedHead::version)
    }
    /// The cluster.
    pub(super) fn cluster(&self) -> Option<&'a str> {
        self.record.cluster.as_ref().map(|cluster| &*cluster.name)
    }
    /// The node.
    pub(super) fn node(&self) -> Option<&'a str> {
        self.record.node.as_deref()
    }
    /// The node that the session was on before.
    pub(super) fn was(&self) -> Option<&'a str> {
        self.record.was.as_deref()
    }

    fn requests_at_node(&self) -> u32 {
        let slot = self.record.decision.node;
        let live = self.record.cluster.as_ref().zip(slot);
        let in_flight =
            live.and_then(|(live, slot)| Some(live.roster.load().lives.get(slot as usize)?.in_flight()));
        in_flight.unwrap_or_default()
    }
}

/// For tests: of a plain connection through listener `f`.
#[cfg(test)]
pub(super) const SOME_CONNECTION: ConnectionFacts<'_> =
    ConnectionFacts { listener: "f", tls: false, of_process: 1, of_listener: 1 };
