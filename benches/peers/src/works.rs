//! What is asked of each peer.

use serde::{Serialize, Serializer};

/// A kind of work.
#[derive(Debug)]
pub struct Work {
    pub name: &'static str,
    /// What a reader needs to know of it.
    pub what: &'static str,
    pub kind: Kind,
    /// With an access log.
    pub logs: bool,
}

/// How the work is done.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// As fast as the answers come.
    Load(Load),
    /// At a constant rate below everybody's limit, for latency.
    Rate,
    /// Connections without a request, for memory.
    Idle { door: Door, count: usize },
    /// WebSockets, nearly all of them idle: their memory, and messages on a few.
    Sockets { count: usize, busy: usize },
}

/// Requests in a closed loop.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub door: Door,
    pub clients: usize,
    pub how: How,
    pub path: &'static str,
    pub upload: Option<usize>,
}

/// Through which door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Clear,
    Tls,
}

/// How clients use connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Each keeps its own.
    KeepAlive,
    /// One for each request; `resume` an earlier TLS session.
    New { resume: bool },
    /// They are streams of so many HTTP/2 connections.
    Streams { connections: usize },
}

const SMALL: Load = Load { door: Door::Clear, clients: 64, how: How::KeepAlive, path: "/", upload: None };
const NEW: Load = Load { clients: 16, how: How::New { resume: false }, ..SMALL };
const BODY: Load = Load { clients: 16, ..SMALL };

const fn work(name: &'static str, what: &'static str, kind: Kind) -> Work {
    Work { name, what, kind, logs: true }
}

/// The load that tells how much a peer can do.
pub const CAPACITY: Load = SMALL;

/// All of them, in the order of the tables.
pub const WORKS: [Work; 17] = [
    work("small-16", "100 bytes, 16 keep-alive connections", Kind::Load(Load { clients: 16, ..SMALL })),
    work("small-64", "100 bytes, 64 keep-alive connections", Kind::Load(SMALL)),
    work("small-256", "100 bytes, 256 keep-alive connections", Kind::Load(Load { clients: 256, ..SMALL })),
    Work { logs: false, ..work("small-64-nolog", "as small-64, access log off", Kind::Load(SMALL)) },
    work("new", "100 bytes, a new connection each", Kind::Load(NEW)),
    work("down-16k", "16 KiB down", Kind::Load(Load { path: "/16k", ..SMALL })),
    work("down-1m", "1 MiB down", Kind::Load(Load { path: "/1m", ..BODY })),
    work("up-1m", "1 MiB up", Kind::Load(Load { upload: Some(1 << 20), ..BODY })),
    work(
        "tls-h1",
        "100 bytes, 64 keep-alive connections, TLS 1.3",
        Kind::Load(Load { door: Door::Tls, ..SMALL }),
    ),
    work(
        "tls-h2",
        "100 bytes, 64 streams on 8 connections, TLS 1.3",
        Kind::Load(Load { door: Door::Tls, how: How::Streams { connections: 8 }, ..SMALL }),
    ),
    work(
        "handshake",
        "connection, full TLS 1.3 handshake, one request",
        Kind::Load(Load { door: Door::Tls, ..NEW }),
    ),
    work(
        "handshake-resumed",
        "connection, resumed TLS 1.3 handshake, one request",
        Kind::Load(Load { door: Door::Tls, how: How::New { resume: true }, ..NEW }),
    ),
    work("rate", "100 bytes at a constant rate, 64 keep-alive connections", Kind::Rate),
    Work { logs: false, ..work("rate-nolog", "as rate, access log off", Kind::Rate) },
    work("idle", "1,000 idle keep-alive connections", Kind::Idle { door: Door::Clear, count: 1000 }),
    work(
        "idle-tls",
        "1,000 idle keep-alive connections, TLS 1.3",
        Kind::Idle { door: Door::Tls, count: 1000 },
    ),
    work("websocket", "1,000 WebSockets, echoes on 32 of them", Kind::Sockets { count: 1000, busy: 32 }),
];

impl Work {
    /// True when a peer without TLS, HTTP and log can do it too.
    pub fn for_relay(&self) -> bool {
        match self.kind {
            Kind::Load(load) => load.door == Door::Clear,
            Kind::Idle { door, .. } => door == Door::Clear,
            Kind::Rate | Kind::Sockets { .. } => true,
        }
    }
}

/// What one peer did at one work in one round. Absent is what the work does not tell.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sample {
    pub work: &'static str,
    pub peer: &'static str,
    pub round: usize,
    /// Requests, or messages, in a second.
    #[serde(serialize_with = "short")]
    pub per_second: Option<f64>,
    /// Processor time for each of them, in microseconds.
    #[serde(serialize_with = "short")]
    pub user_us: Option<f64>,
    #[serde(serialize_with = "short")]
    pub system_us: Option<f64>,
    /// The share of its core that the peer used: below 0.97 somebody else was the limit.
    #[serde(serialize_with = "short")]
    pub busy: Option<f64>,
    /// The share that other programs used, which should not have been there.
    #[serde(serialize_with = "short")]
    pub others: Option<f64>,
    #[serde(serialize_with = "short")]
    pub p50_us: Option<f64>,
    #[serde(serialize_with = "short")]
    pub p99_us: Option<f64>,
    #[serde(serialize_with = "short")]
    pub p999_us: Option<f64>,
    /// Resident memory at the start, in bytes.
    pub memory: u64,
    /// And what each connection added.
    #[serde(serialize_with = "short")]
    pub memory_each: Option<f64>,
    pub errors: u64,
}

/// Nobody needs more digits.
fn short<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    value.map(|value| (value * 1000.0).round() / 1000.0).serialize(to)
}

impl Sample {
    pub fn cpu_us(&self) -> Option<f64> {
        Some(self.user_us? + self.system_us?)
    }
}
