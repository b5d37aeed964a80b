//! What a try to reach a node may cost, and which connection it may go over.

use super::client_network::ClientNetwork;
use crate::base::clock::Now;
use crate::transport::shared_deadline::SharedDeadline;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// What an exchange with a node may cost.
pub struct ExchangeLimits<'a> {
    /// When it begins.
    pub now: Now,
    /// What keeps its time, where something does.
    pub alarm: Option<&'a SharedDeadline>,
    /// To open a connection.
    pub connect: Duration,
    /// Until the answer's head is there, counted from when the node last took something of the request.
    pub response: Duration,
    /// Idle connections kept to one node.
    pub max_idle: u32,
    /// Which connection it goes over.
    pub over: ConnectionUse,
    /// Connections of HTTP/2 to one node,
    pub connections: u32,
    /// how long a stream is waited for where all are taken,
    pub queue: Duration,
    /// who is counted while waiting so,
    pub waiting: &'a AtomicU32,
    /// and whose share of the streams it is.
    pub client: ClientNetwork,
    /// Bytes of an upload that are kept until it is known that the node has worked on it.
    pub keep: u64,
}

/// Which connection a try goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionUse {
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
