//! How an exchange with a node fails, and what that means for the request.

use super::body::Upload;
use super::dial::NoConnection;
use crate::transport::http1::NoHead;
use crate::wire::http1::response::HeadError;
use std::fmt;
use std::rc::Rc;

/// Why an exchange failed, and what that means for the request.
#[derive(Debug, Clone)]
pub struct SendError {
    /// What happened.
    pub kind: ExchangeFailure,
    /// What ended it.
    pub cause: Rc<Cause>,
    /// The connection had been used before and was closed by the node without an answer: most likely a race.
    pub race: bool,
}

impl SendError {
    /// Of what the words say.
    pub fn new(kind: ExchangeFailure, words: impl Into<String>) -> Self {
        Self::caused(kind, Cause::Other(words.into()))
    }

    /// Of what ended it.
    pub(super) fn caused(kind: ExchangeFailure, cause: Cause) -> Self {
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
    BadHead(HeadError),
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
pub enum ExchangeFailure {
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
    /// The node speaks HTTP/2 for requests and did not switch to another protocol, which says nothing of how
    /// it serves them.
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

impl ExchangeFailure {
    /// What the client did, if its body did not come in full.
    pub(super) fn of_client(upload: &Upload) -> Option<Self> {
        match (upload.has_failed(), upload.has_stalled()) {
            (_, true) => Some(Self::Stalled),
            (true, false) => Some(Self::Client),
            (false, false) => None,
        }
    }

    /// Whether it says something of the node: not what the client did, nor what was asked of it in vain.
    pub fn is_of_node(self) -> bool {
        !matches!(self, Self::Client | Self::Stalled | Self::Full | Self::Unswitched | Self::WantsHttp1)
    }

    /// Whether another try would end as this one: the client is gone, or what it asks for is not to be had.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Client | Self::Stalled | Self::Timeout | Self::BadAnswer | Self::Unswitched)
    }

    /// Whether the node cannot have seen the request.
    pub fn is_before_sending(self) -> bool {
        matches!(
            self,
            Self::Connect | Self::Unreached | Self::Unsent | Self::Declined | Self::WantsHttp1 | Self::Full
        )
    }
}

/// No connection could be opened.
impl From<NoConnection> for SendError {
    fn from(why: NoConnection) -> Self {
        let kind = match () {
            () if !why.is_certain() => ExchangeFailure::Unreached,
            () if why.is_taken() => ExchangeFailure::Declined,
            () => ExchangeFailure::Connect,
        };
        Self::caused(kind, Cause::NoConnection(why))
    }
}
