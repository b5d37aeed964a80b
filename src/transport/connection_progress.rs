//! When bytes last went over a connection: what its time limits are measured against.

use super::body_progress::BodyProgress;
use crate::base::clock::monotonic_ms;
use std::cell::Cell;

/// When bytes last went over a connection. The clock is read only where something was waited for.
#[derive(Debug)]
pub struct ConnectionProgress {
    moved: Cell<u64>,
    blocked: Cell<bool>,
    /// How the body comes in, where there is one at a time.
    pub body: BodyProgress,
}

impl Default for ConnectionProgress {
    fn default() -> Self {
        Self { moved: Cell::new(monotonic_ms()), blocked: Cell::new(false), body: BodyProgress::default() }
    }
}

impl ConnectionProgress {
    /// Something moves, or begins to be waited for.
    pub fn moves(&self) {
        self.moved.set(monotonic_ms());
    }

    /// Bytes were written, or could not be.
    pub fn wrote(&self, could: bool) {
        // a peer that takes everything at once costs no look at the clock
        if !could || self.blocked.get() {
            self.moves();
        }
        self.blocked.set(!could);
    }

    /// The peer takes nothing at the moment.
    pub fn is_blocked(&self) -> bool {
        self.blocked.get()
    }

    /// When something last moved, in milliseconds of the monotonic clock.
    pub fn moved(&self) -> u64 {
        self.moved.get()
    }
}
