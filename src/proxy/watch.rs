//! What is going on with one client connection: what its time limits are measured against.

use crate::base::clock::monotonic_ms;
use crate::wire::framing::Ambiguity;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared by a connection's bytes, its exchanges and its clock. All on one thread, but hyper wants bytes that can be sent to
/// another; a relaxed atomic costs what a plain cell costs.
pub struct Watch {
    has_heads: bool,
    in_flight: AtomicU32,
    /// When the last exchange ended, or the connection began.
    idle_since: AtomicU64,
    /// When the first byte of a request's head came, while it is not there in full; 0 otherwise.
    head_since: AtomicU64,
    /// When a byte last went either way.
    progress: AtomicU64,
    blocked: AtomicBool,
    body_wanted: AtomicBool,
    tunnel: AtomicBool,
    ambiguity: Mutex<Option<Ambiguity>>,
    requests: AtomicU32,
}

impl Watch {
    /// A connection that was just opened. `has_heads`: HTTP/1, where bytes between exchanges are the head of the next one; those
    /// of HTTP/2 may be no more than a ping.
    pub fn new(has_heads: bool) -> Self {
        let now = monotonic_ms();
        Self {
            has_heads,
            in_flight: AtomicU32::new(0),
            idle_since: AtomicU64::new(now),
            head_since: AtomicU64::new(0),
            progress: AtomicU64::new(now),
            blocked: AtomicBool::new(false),
            body_wanted: AtomicBool::new(false),
            tunnel: AtomicBool::new(false),
            ambiguity: Mutex::new(None),
            requests: AtomicU32::new(0),
        }
    }

    /// Whether a request's head has begun and is not there in full.
    pub fn is_in_head(&self) -> bool {
        self.head_since.load(Relaxed) != 0 && self.is_idle()
    }

    /// An exchange begins.
    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        self.requests.store(self.requests.load(Relaxed).saturating_add(1), Relaxed);
        self.head_since.store(0, Relaxed);
    }

    /// An exchange is through.
    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
        self.idle_since.store(monotonic_ms(), Relaxed);
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0
    }

    /// Bytes came from the client.
    pub fn read(&self) {
        let now = monotonic_ms().max(1);
        self.progress.store(now, Relaxed);
        if self.has_heads && self.is_idle() && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(now, Relaxed);
        }
    }

    /// Bytes went to the client, or could not.
    pub fn wrote(&self, could: bool) {
        if could {
            self.progress.store(monotonic_ms(), Relaxed);
        }
        self.blocked.store(!could, Relaxed);
    }

    /// A request's body is waited for, or no longer.
    pub fn want_body(&self, wanted: bool) {
        self.body_wanted.store(wanted, Relaxed);
    }

    /// The connection becomes a tunnel: it has limits of its own, and its bytes are no requests.
    pub fn become_tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }

    /// Whether it became a tunnel.
    pub fn is_tunnel(&self) -> bool {
        self.tunnel.load(Relaxed)
    }

    /// The guard refused what the client sent.
    pub fn refuse(&self, why: Ambiguity) {
        *self.ambiguity.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Why the guard refused what the client sent, if it did.
    pub fn refused(&self) -> Option<Ambiguity> {
        *self.ambiguity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the connection is to be cut unless something happens before.
    pub fn deadline(&self, header: Duration, idle: Duration) -> Instant {
        let (now, at) = (monotonic_ms(), Instant::now());
        let after = |since: u64, limit: Duration| {
            let left = (u128::from(since) + limit.as_millis()).saturating_sub(u128::from(now));
            at + Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX).min(86_400_000))
        };
        if self.is_tunnel() {
            return after(now, Duration::from_secs(3600));
        }
        if !self.is_idle() {
            let waits_for_client = self.blocked.load(Relaxed) || self.body_wanted.load(Relaxed);
            return after(if waits_for_client { self.progress.load(Relaxed) } else { now }, idle);
        }
        match self.head_since.load(Relaxed) {
            0 => after(self.idle_since.load(Relaxed), idle),
            since => after(since, header),
        }
    }
}
