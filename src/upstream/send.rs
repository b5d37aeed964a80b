//! Sends one request to one node and brings the head of its answer, over whatever protocol the link speaks.

use super::body::{RequestBody, Upload};
use super::dial::NoConnection;
use super::household::Household;
use super::interim::Interim;
use super::link::Link;
use super::pool::Pool;
use super::streams::Place;
use super::usage::Open;
use super::{http1, http2};
use crate::base::clock::Now;
use crate::transport::alarm::Alarm;
use crate::transport::content::Content;
use crate::transport::http1::{Connection, NoHead, Upgraded};
use crate::wire::protocol::NodeProtocol;
use http::Response;
use http::request::Parts;
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// What an exchange with a node may cost.
pub struct Limits<'a> {
    /// When it begins.
    pub now: Now,
    /// What keeps its time, where something does.
    pub alarm: Option<&'a Alarm>,
    /// To open a connection.
    pub connect: Duration,
    /// Until the answer's head is there, counted from when the node last took something of the request.
    pub response: Duration,
    /// Idle connections kept to one node.
    pub max_idle: u32,
    /// Which connection it goes over.
    pub over: Over,
    /// Connections of HTTP/2 to one node,
    pub connections: u32,
    /// how long a stream is waited for where all are taken,
    pub queue: Duration,
    /// who is counted while waiting so,
    pub waiting: &'a AtomicU32,
    /// and whose share of the streams it is.
    pub client: Household,
    /// Bytes of an upload that are kept until it is known that the node has worked on it.
    pub keep: u64,
}

/// Which connection a try goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Any that is trusted: the request may be sent twice without harm.
    Any,
    /// One that is surely not about to be closed: the request may not be sent twice.
    Sure,
    /// A new one: kept ones have failed this request before.
    New,
    /// A new one that may switch to another protocol, which is HTTP/1.1's alone (RFC 9113 section 8.6).
    Switching,
    /// A new one of HTTP/1.1, which the node wants for this request.
    Http1,
}

/// Why an exchange failed, and what that means for the request.
#[derive(Debug, Clone)]
pub struct SendError {
    /// What happened.
    pub kind: Failure,
    /// What ended it.
    pub cause: Rc<Cause>,
    /// The connection had been used before and was closed by the node without an answer: most likely a race.
    pub race: bool,
}

impl SendError {
    /// Of what the words say.
    pub fn new(kind: Failure, words: impl Into<String>) -> Self {
        Self::caused(kind, Cause::Other(words.into()))
    }

    pub(super) fn caused(kind: Failure, cause: Cause) -> Self {
        Self { kind, cause: Rc::new(cause), race: false }
    }

    /// What happened, in words.
    pub fn detail(&self) -> String {
        self.cause.to_string()
    }
}

/// What ended an exchange.
#[derive(Debug)]
pub enum Cause {
    /// No connection opened.
    NoConnection(NoConnection),
    /// No head of an answer came.
    NoHead(NoHead),
    /// It came, and is none.
    BadHead(String),
    /// What the words say.
    Other(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection(why) => why.fmt(f),
            Self::NoHead(NoHead::Closed) => f.write_str("connection closed before an answer came"),
            Self::NoHead(NoHead::Broken) => f.write_str("connection closed within the answer's head"),
            Self::NoHead(NoHead::Failed(error)) => error.fmt(f),
            Self::NoHead(NoHead::Malformed(why)) => write!(f, "the answer's head cannot be read: {why}"),
            Self::BadHead(why) => write!(f, "the answer's head cannot be read: {why}"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// How an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection: the node has seen nothing of the request.
    Connect,
    /// Likewise, and it says little of the node: nobody answered in time, or this machine lacks something.
    Unreached,
    /// The request was not sent: the node has seen nothing of it.
    Unsent,
    /// The node took the connection and turned the request away without working on it.
    Declined,
    /// Likewise, for it wants the request over HTTP/1.1 (RFC 9113 section 7).
    WantsHttp1,
    /// The node speaks HTTP/2 for requests and did not switch to another protocol, which says nothing of how it serves them.
    Unswitched,
    /// Every stream to the node is taken, and none became free in time.
    Full,
    /// The request was sent, at least in part, and no answer came.
    NoAnswer,
    /// The answer's head did not come in time.
    Timeout,
    /// The answer was no HTTP.
    BadAnswer,
    /// The client broke off while its body was read.
    Client,
    /// It sent nothing more of its body for too long.
    Stalled,
}

impl Failure {
    /// What the client did, if its body did not come in full.
    pub(super) fn of_client(upload: &Upload) -> Option<Self> {
        match (upload.has_failed(), upload.has_stalled()) {
            (_, true) => Some(Self::Stalled),
            (true, false) => Some(Self::Client),
            (false, false) => None,
        }
    }

    /// Whether the node cannot have seen the request.
    pub fn is_before_sending(self) -> bool {
        matches!(self, Self::Connect | Self::Unreached | Self::Unsent | Self::Declined | Self::WantsHttp1 | Self::Full)
    }
}

/// The head of an answer, and what its body needs.
pub struct Answer {
    /// The answer.
    pub response: Response<Content>,
    /// Keeps the connection until the body is through.
    pub lease: Lease,
    /// Milliseconds it took to connect; 0 on a kept connection.
    pub connect_ms: f64,
    /// How long a stream was waited for.
    pub queued: Option<Duration>,
}

/// A connection in use. Given back to the pool when the answer is through; dropped before that, it is closed.
pub struct Lease {
    held: Held,
    link: Arc<Link>,
    pool: Rc<Pool>,
    upload: Option<Rc<Upload>>,
    max_idle: u32,
}

enum Held {
    Whole(Rc<Connection>, Open),
    Stream { _place: Rc<Place> },
    Nothing,
}

impl Lease {
    /// Of a connection that nobody else uses. `max_idle` is 0 if it cannot serve again.
    pub(super) fn own(pool: &Rc<Pool>, link: &Arc<Link>, kept: (Rc<Connection>, Open), upload: Option<Rc<Upload>>, max_idle: u32) -> Self {
        Self { held: Held::Whole(kept.0, kept.1), link: link.clone(), pool: pool.clone(), upload, max_idle }
    }

    /// Of a stream on a connection that others use at the same time.
    pub(super) fn stream(pool: &Rc<Pool>, link: &Arc<Link>, place: Rc<Place>, upload: Option<Rc<Upload>>) -> Self {
        Self { held: Held::Stream { _place: place }, link: link.clone(), pool: pool.clone(), upload, max_idle: 0 }
    }

    /// The answer is through: the connection may serve again, if the request is through as well.
    pub fn give_back(&mut self, now: Now) {
        if let Held::Whole(connection, open) = std::mem::replace(&mut self.held, Held::Nothing)
            && connection.is_at_rest()
            && self.upload.as_ref().is_none_or(|u| u.is_done())
        {
            self.pool.put(&self.link, connection, open, self.max_idle, now);
        }
    }

    /// The connection, if it has switched to another protocol.
    pub fn into_upgraded(mut self) -> Option<Upgraded> {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Whole(connection, _) => Some(Upgraded::new(connection)),
            Held::Stream { .. } | Held::Nothing => None,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.end();
        }
    }
}

/// Sends a request, and tells `on_interim` of the answers before the final one.
pub async fn send(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    head: Cow<'_, Parts>,
    body: RequestBody,
    limits: &Limits<'_>,
    on_interim: impl AsyncFn(Interim),
) -> Result<Answer, SendError> {
    match (link.protocol, limits.over) {
        (NodeProtocol::Http2, Over::Switching) => {
            let hint = "the node did not switch over HTTP/1.1, and WebSockets need that its port takes HTTP/1.1 beside HTTP/2, or that its \
                        cluster has http2 = false";
            http1::send(pool, link, &head, body, limits, on_interim).await.map_err(|error| unspoken(error, hint))
        }
        (NodeProtocol::Http2, Over::Http1) => {
            let hint = "the node wants the request over HTTP/1.1 and does not speak it on this port: its cluster may need http2 = false";
            let sent = http1::send(pool, link, &head, body, limits, on_interim).await;
            sent.map_err(|error| if matches!(error.kind, Failure::Declined | Failure::BadAnswer) { unspoken(error, hint) } else { error })
        }
        (NodeProtocol::Http2, _) => http2::send(pool, link, head.into_owned(), body, limits, on_interim).await,
        (NodeProtocol::Http1, _) => http1::send(pool, link, &head, body, limits, on_interim).await,
    }
}

/// A node that speaks HTTP/2 was asked over HTTP/1.1, which it need not speak at all: only that it cannot be reached counts.
fn unspoken(error: SendError, hint: &str) -> SendError {
    match error.kind {
        Failure::Connect | Failure::Unreached | Failure::Client | Failure::Stalled => error,
        _ => SendError::new(Failure::Unswitched, format!("{hint} ({})", error.cause)),
    }
}

/// No connection could be opened.
pub(super) fn unconnected(why: NoConnection) -> SendError {
    let kind = match () {
        () if !why.is_certain() => Failure::Unreached,
        () if why.is_taken() => Failure::Declined,
        () => Failure::Connect,
    };
    SendError::caused(kind, Cause::NoConnection(why))
}
