//! What is going on with one client connection: what its time limits are measured against.

use crate::wire::framing::Ambiguity;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Shared by a connection's bytes, its exchanges and its clock. All on one thread.
pub struct Watch {
    /// Exchanges that have begun and are not through.
    in_flight: Cell<u32>,
    /// When the last exchange ended, or the connection began.
    idle_since: Cell<Instant>,
    /// When the first byte of a request's head came, while it is not there in full.
    head_since: Cell<Option<Instant>>,
    /// When a byte last went either way.
    progress: Cell<Instant>,
    /// The client does not take what we write.
    pub blocked: Cell<bool>,
    /// A request's body is waited for.
    pub body_wanted: Cell<bool>,
    /// The connection became a tunnel: it has limits of its own.
    pub tunnel: Cell<bool>,
    /// Why its last request was refused by the guard.
    pub ambiguity: Cell<Option<Ambiguity>>,
    /// Requests it carried.
    pub requests: Cell<u32>,
}

impl Default for Watch {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            in_flight: Cell::new(0),
            idle_since: Cell::new(now),
            head_since: Cell::new(None),
            progress: Cell::new(now),
            blocked: Cell::new(false),
            body_wanted: Cell::new(false),
            tunnel: Cell::new(false),
            ambiguity: Cell::new(None),
            requests: Cell::new(0),
        }
    }
}

impl Watch {
    /// An exchange begins.
    pub fn begin(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.requests.set(self.requests.get() + 1);
        self.head_since.set(None);
    }

    /// An exchange is through.
    pub fn end(&self) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        self.idle_since.set(Instant::now());
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.get() == 0
    }

    /// Bytes came from the client.
    pub fn read(&self) {
        let now = Instant::now();
        self.progress.set(now);
        if self.is_idle() && self.head_since.get().is_none() {
            self.head_since.set(Some(now));
        }
    }

    /// Bytes went to the client, or could not.
    pub fn wrote(&self, could: bool) {
        if could {
            self.progress.set(Instant::now());
        }
        self.blocked.set(!could);
    }

    /// When the connection is to be cut unless something happens before.
    pub fn deadline(&self, header: Duration, idle: Duration) -> Instant {
        if self.tunnel.get() {
            return Instant::now() + Duration::from_secs(3600);
        }
        if !self.is_idle() {
            let waits_for_client = self.blocked.get() || self.body_wanted.get();
            return if waits_for_client { self.progress.get() + idle } else { Instant::now() + idle };
        }
        match self.head_since.get() {
            Some(since) => since + header,
            None if self.requests.get() == 0 => self.idle_since.get() + header.max(idle),
            None => self.idle_since.get() + idle,
        }
    }
}
