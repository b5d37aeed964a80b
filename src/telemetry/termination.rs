//! How a request ended, and what became of its pin cookie: HAProxy's four letters of the termination state.

use crate::affinity::PinSent;
use crate::table::decide::Why;

/// How a request ended: who ended it, and during which step. Each is two letters in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Termination {
    /// As it should.
    #[default]
    Complete,
    /// We answered it by ourselves, as a rule says.
    Local,
    /// We refused it.
    Refused,
    /// The client broke off within the request.
    ClientRequest,
    /// The client left while its request waited for a place.
    ClientQueue,
    /// The client left before the answer's head was there.
    ClientHeaders,
    /// The client broke off within the answer.
    ClientData,
    /// The client did not send the rest of its request in time.
    ClientRequestTimeout,
    /// Nothing came through a tunnel for too long.
    TunnelTimeout,
    /// A place at the node was not to be had in time.
    QueueTimeout,
    /// The node could not be reached.
    ServerConnect,
    /// The node broke off before its answer's head.
    ServerHeaders,
    /// The node broke off within the answer.
    ServerData,
    /// The node did not answer in time.
    ServerHeadersTimeout,
    /// The node did not send the next part of the answer in time.
    ServerDataTimeout,
    /// The node's answer could not be understood.
    BadAnswer,
    /// An operator's doing ended a tunnel.
    Killed,
}

impl Termination {
    /// As HAProxy abbreviates it.
    pub fn letters(self) -> &'static str {
        match self {
            Self::Complete => "--",
            Self::Local => "LR",
            Self::Refused => "PR",
            Self::ClientRequest => "CR",
            Self::ClientQueue => "CQ",
            Self::ClientHeaders => "CH",
            Self::ClientData => "CD",
            Self::ClientRequestTimeout => "cR",
            Self::TunnelTimeout => "cD",
            Self::QueueTimeout => "sQ",
            Self::ServerConnect => "SC",
            Self::ServerHeaders => "SH",
            Self::ServerData => "SD",
            Self::ServerHeadersTimeout => "sH",
            Self::ServerDataTimeout => "sD",
            Self::BadAnswer => "PH",
            Self::Killed => "KD",
        }
    }
}

/// What the pin cookie of a request was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinReceived {
    /// There was none that counted.
    None,
    /// It was followed.
    Valid,
    /// It named a node that could not be had.
    Down,
    /// It was not of this cluster.
    Invalid,
    /// It was too old.
    Expired,
}

impl PinReceived {
    /// The letter in the log.
    pub fn letter(self) -> &'static str {
        match self {
            Self::None => "N",
            Self::Valid => "V",
            Self::Down => "D",
            Self::Invalid => "I",
            Self::Expired => "E",
        }
    }
}

impl From<Why> for PinReceived {
    fn from(why: Why) -> Self {
        match why {
            Why::Cookie => Self::Valid,
            Why::MovedDown | Why::MovedDraining | Why::MovedRebooted => Self::Down,
            Why::MovedUnknownRoute | Why::MovedTampered => Self::Invalid,
            Why::MovedExpired => Self::Expired,
            // its node would have served it
            Why::MovedOperator => Self::Valid,
            Why::New | Why::Route | Why::Learned | Why::Key | Why::Forced | Why::None => Self::None,
        }
    }
}

/// The letter of what became of the pin cookie in the answer.
pub(super) fn sent_letter(sent: PinSent) -> &'static str {
    match sent {
        PinSent::None => "N",
        PinSent::Inserted => "I",
        PinSent::Updated => "U",
        PinSent::Provided => "P",
        PinSent::Rewritten => "R",
        PinSent::Deleted => "D",
    }
}
