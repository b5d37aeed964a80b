//! One client connection, as its requests see it.

use super::timers::ConnectionTimers;
use super::worker::Worker;
use crate::base::clock::{self, Now};
use crate::table::{Listener, Table};
use crate::telemetry::log_fields::ConnectionFacts;
use crate::telemetry::record::RequestRecord;
use crate::wire::identity::Identity;
use crate::wire::protocol::ClientProtocol;
use http::HeaderValue;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// One client connection.
pub struct Client {
    /// The thread it lives on.
    pub worker: Rc<Worker>,
    /// Its listener's index.
    pub listener: usize,
    /// Its listener as it was when the connection was opened: its name, and what is counted. What rules a
    /// request is the listener of the request's own table.
    pub opened: Arc<Listener>,
    /// Who is at the other end of the socket.
    pub direct: ClientAddress,
    /// Whom that named by the PROXY protocol; whether it is believed is up to each request's table.
    proxied: Option<Box<ClientAddress>>,
    /// The port it came to; 0 over a Unix socket.
    pub port: u16,
    /// What the TLS handshake told.
    pub tls: Option<TlsFacts>,
    /// `port`, as nodes are told of it.
    pub port_text: HeaderValue,
    /// Its time limits.
    pub timers: Rc<ConnectionTimers>,
    /// What it speaks.
    pub protocol: ClientProtocol,
    /// It has left once it closes its side: `abort-on-close` of the cluster that its last request was for.
    pub leaves_by_closing: Cell<bool>,
    burst: RefCell<Vec<RecentPlacement>>,
}

/// What is known of a connection that was just opened.
pub struct NewConnection {
    /// Its listener's index.
    pub listener: usize,
    /// Its listener, as it is now.
    pub opened: Arc<Listener>,
    /// Who is at the other end of the socket.
    pub direct: SocketAddr,
    /// Whom that names by the PROXY protocol.
    pub proxied: Option<SocketAddr>,
    /// The port it came to; 0 over a Unix socket.
    pub port: u16,
    /// What the TLS handshake told.
    pub tls: Option<TlsFacts>,
    /// What it speaks.
    pub protocol: ClientProtocol,
}

/// An address, and the same as nodes are told of it.
pub struct ClientAddress {
    /// The address.
    pub at: SocketAddr,
    /// Its text, without the port.
    pub text: HeaderValue,
}

impl ClientAddress {
    fn new(at: SocketAddr) -> Self {
        let at = SocketAddr::new(at.ip().to_canonical(), at.port());
        // an address is made of digits, letters, dots and colons
        let text = HeaderValue::try_from(at.ip().to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { at, text }
    }
}

/// What the TLS handshake told.
pub struct TlsFacts {
    /// `TLSv1.3`
    pub version: &'static str,
    /// Its cipher suite.
    pub cipher: String,
    /// The name the client asked for.
    pub sni: Option<String>,
    /// Who the client's certificate says it is.
    pub client: Option<Identity>,
}

impl TlsFacts {
    /// From a finished handshake.
    pub fn of(session: &rustls::ServerConnection) -> Self {
        Self {
            version: match session.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLSv1.2",
            },
            cipher: session
                .negotiated_cipher_suite()
                .map_or_else(String::new, |s| format!("{:?}", s.suite())),
            sni: session.server_name().map(str::to_owned),
            client: session
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|leaf| Identity::of(leaf)),
        }
    }
}

/// Where a session without a pin was just placed.
struct RecentPlacement {
    cluster: Arc<str>,
    identity: u64,
    slot: u32,
    session: u64,
    /// First requests that come later have nothing to do with it.
    until: u64,
}

/// How long first requests of one client share a node at most while the first of them has no answer, in
/// milliseconds.
const BURST_MS: u64 = 10_000;
/// How long they still come without the pin once it was sent: they were under way, or their sender has not
/// read it. Who comes later without it is somebody else, or keeps none.
const ANSWERED_MS: u64 = 1000;

/// Burst memory of one connection: more clients than this behind one connection are a proxy's, and are told
/// apart by their pins.
const BURST_KEPT: usize = 32;

impl Client {
    /// A connection that was just opened.
    pub fn new(worker: Rc<Worker>, new: NewConnection) -> Self {
        let NewConnection { listener, opened, direct, proxied, port, tls, protocol } = new;
        opened.connections.fetch_add(1, Relaxed);
        let (direct, proxied) =
            (ClientAddress::new(direct), proxied.map(|proxied| Box::new(ClientAddress::new(proxied))));
        let (port_text, timers, burst) =
            (HeaderValue::from(port), Rc::new(ConnectionTimers::new()), RefCell::default());
        Self {
            worker,
            listener,
            opened,
            direct,
            proxied,
            port,
            tls,
            port_text,
            timers,
            protocol,
            leaves_by_closing: Cell::default(),
            burst,
        }
    }

    /// Its listener in a table; one that is gone from it serves its last connections as it was.
    pub fn listener_in<'a>(&'a self, table: &'a Table) -> &'a Listener {
        table.listeners.get(self.listener).and_then(Option::as_ref).unwrap_or(&self.opened)
    }

    /// Who is believed to be the client, before any header is looked at.
    pub fn peer(&self, listener: &Listener) -> &ClientAddress {
        self.proxied
            .as_deref()
            .filter(|_| listener.believes_header_of(self.direct.at.ip()))
            .unwrap_or(&self.direct)
    }

    /// Whether first requests can be under way beside each other.
    fn has_bursts(&self) -> bool {
        self.protocol == ClientProtocol::Http2
    }

    /// Where an earlier first request of the same client went: node and session.
    pub fn burst(&self, cluster: &str, identity: u64) -> Option<(u32, u64)> {
        let burst = self.burst.borrow();
        if burst.is_empty() || !self.has_bursts() {
            return None;
        }
        let now = clock::monotonic_ms();
        burst
            .iter()
            .find(|p| p.identity == identity && *p.cluster == *cluster && now < p.until)
            .map(|p| (p.slot, p.session))
    }

    /// The session that a client which looks like this one had on the node when it came over this connection.
    pub fn recent_placement(&self, cluster: &str, identity: u64, slot: u32) -> Option<u64> {
        let burst = self.burst.borrow();
        burst
            .iter()
            .find(|p| p.identity == identity && p.slot == slot && *p.cluster == *cluster)
            .map(|p| p.session)
    }

    /// Remembers which session a client that looks like others has on the node: it did not come for the first
    /// time.
    pub fn remember_placement(&self, cluster: &Arc<str>, identity: u64, slot: u32, session: u64) {
        let mut burst = self.burst.borrow_mut();
        if burst.len() < BURST_KEPT
            && !burst.iter().any(|p| p.identity == identity && p.slot == slot && *p.cluster == **cluster)
        {
            burst.push(RecentPlacement { cluster: cluster.clone(), identity, slot, session, until: 0 });
        }
    }

    /// Remembers where a first request went. Over HTTP/1 no other is under way beside it: who asks without a
    /// pin after its answer has nothing to do with it.
    pub fn remember(&self, cluster: &Arc<str>, identity: u64, slot: u32, session: u64) {
        let now = clock::monotonic_ms();
        let until = if self.has_bursts() { now + BURST_MS } else { 0 };
        let mut burst = self.burst.borrow_mut();
        burst.retain(|p| now < p.until && (p.identity != identity || p.cluster != *cluster));
        if burst.len() < BURST_KEPT {
            burst.push(RecentPlacement { cluster: cluster.clone(), identity, slot, session, until });
        }
    }

    /// The answer to a first request is about to be sent, and the pin with it.
    pub fn answered(&self, cluster: &str, identity: u64) {
        if !self.has_bursts() {
            return;
        }
        let until = clock::monotonic_ms() + ANSWERED_MS;
        let mut burst = self.burst.borrow_mut();
        let its_own = burst.iter_mut().filter(|p| p.identity == identity && *p.cluster == *cluster);
        its_own.for_each(|p| p.until = p.until.min(until));
    }

    /// The scheme the client used.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// What is told of it with its requests, when they are over.
    pub fn facts(&self) -> ConnectionFacts<'_> {
        let (listener, tls) = (&*self.opened.name, self.tls.is_some());
        if !self.worker.telemetry.tells_connections() {
            return ConnectionFacts { listener, tls, ..ConnectionFacts::default() };
        }
        let of_process = self
            .worker
            .table()
            .listeners
            .iter()
            .flatten()
            .map(|listener| listener.connections.load(Relaxed))
            .sum();
        ConnectionFacts { listener, tls, of_process, of_listener: self.opened.connections.load(Relaxed) }
    }

    /// The record of a request that begins.
    pub fn record(&self, peer: &ClientAddress, now: Now) -> RequestRecord {
        RequestRecord::begin(self.worker.request_id(), peer.at, self.listener, now)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.opened.connections.fetch_sub(1, Relaxed);
    }
}
