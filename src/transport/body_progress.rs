//! How a request's body comes in: what its own deadline is measured against.

use crate::base::clock::monotonic_ms;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::task::{Context, Waker};
use std::time::Duration;

/// How one request's body comes in. Only who reads it knows whether the client is waited for: a node that
/// takes its time holds back the reader, and none of that is the client's.
#[derive(Debug, Default)]
pub struct BodyProgress {
    /// Since when its reader waits for the client, in milliseconds of the monotonic clock; 0: it does not.
    since: Cell<u64>,
    /// Its answer is under way, and the client may take its time.
    may_pause: Cell<bool>,
    stalled: Cell<Option<Duration>>,
    /// To be woken when it is cut.
    reader: RefCell<Option<Waker>>,
}

/// Nothing more of a body came for so long.
#[derive(Debug, Clone, Copy)]
pub struct Stalled(Duration);

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing more of the body came within {:?}", self.0)
    }
}

impl std::error::Error for Stalled {}

impl BodyProgress {
    /// Its reader waits for the client.
    pub fn wait(&self) {
        if self.since.get() == 0 {
            self.since.set(monotonic_ms().max(1));
        }
    }

    /// Its reader waits for the client, and wants to hear when that is over.
    pub fn wait_to_be_told(&self, cx: &Context<'_>) -> Result<(), Stalled> {
        if let Some(limit) = self.stalled.get() {
            return Err(Stalled(limit));
        }
        self.wait();
        let mut reader = self.reader.borrow_mut();
        if !reader.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *reader = Some(cx.waker().clone());
        }
        Ok(())
    }

    /// Something of it came, or nobody reads it.
    pub fn stop(&self) {
        self.since.set(0);
    }

    /// Its answer is under way, or no longer: the waiting begins anew.
    pub fn may_pause(&self, may: bool) {
        self.may_pause.set(may);
        if self.since.get() != 0 {
            self.since.set(monotonic_ms().max(1));
        }
    }

    /// Since when its client lets it wait, in milliseconds of the monotonic clock.
    pub fn waits_since(&self) -> Option<u64> {
        Some(self.since.get()).filter(|since| *since != 0 && !self.may_pause.get())
    }

    /// It waited for so long that it is given up: its reader is told.
    pub fn cut(&self, limit: Duration) {
        self.stop();
        self.stalled.set(Some(limit));
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
