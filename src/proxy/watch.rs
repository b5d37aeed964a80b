//! What is going on with one client connection: what its time limits are measured against.

use crate::base::clock::{Now, monotonic_ms};
use crate::transport::alarm::Alarm;
use crate::transport::pace::Pace;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Shared by a connection, its exchanges and its clock.
#[derive(Default)]
pub struct Watch {
    in_flight: Cell<u32>,
    /// When the last exchange ended, or the connection began.
    idle_since: Cell<u64>,
    /// When the first byte of a request's head came, while it is not there in full; 0 otherwise.
    head_since: Cell<u64>,
    /// When bytes last moved.
    pub pace: Rc<Pace>,
    /// When the node is to have answered, of a connection with one exchange at a time.
    pub alarm: Alarm,
    body_wanted: Cell<bool>,
}

impl Watch {
    /// A connection that was just opened.
    pub fn new() -> Self {
        Self { idle_since: Cell::new(monotonic_ms()), ..Self::default() }
    }

    /// A request's head has begun and is not there in full. That is HTTP/1's: between exchanges of HTTP/2 there may be no more
    /// than a ping.
    pub fn begin_head(&self) {
        if self.head_since.get() == 0 {
            self.head_since.set(monotonic_ms().max(1));
        }
    }

    /// Whether a request's head has begun and is not there in full.
    pub fn is_in_head(&self) -> bool {
        self.head_since.get() != 0
    }

    /// An exchange begins.
    pub fn begin(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.head_since.set(0);
    }

    /// An exchange is through.
    pub fn end(&self, now: Now) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.idle_since.set(now.ms());
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.get() == 0
    }

    /// A request's body is waited for, or no longer.
    pub fn want_body(&self, wanted: bool) {
        if wanted {
            self.pace.moves();
        }
        self.body_wanted.set(wanted);
    }

    /// When the connection is to be cut unless something happens before.
    pub fn deadline(&self, header: Duration, idle: Duration) -> Instant {
        let (now, at) = (monotonic_ms(), Instant::now());
        let after = |since: u64, limit: Duration| {
            let left = (u128::from(since) + limit.as_millis()).saturating_sub(u128::from(now));
            at + Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX).min(86_400_000))
        };
        if !self.is_idle() {
            let waits_for_client = self.pace.is_blocked() || self.body_wanted.get();
            let cut = after(if waits_for_client { self.pace.moved() } else { now }, idle);
            return self.alarm.by().map_or(cut, |by| by.min(cut));
        }
        match self.head_since.get() {
            0 => after(self.idle_since.get(), idle),
            since => after(since, header),
        }
    }
}
