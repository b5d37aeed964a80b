//! How a peer takes what it is sent: what a connection's own time limit is measured against.

use super::body_progress::BodyProgress;
use crate::base::clock::monotonic_ms;
use std::cell::Cell;

/// How a peer takes what it is sent. The clock is read only where something is waited for.
#[derive(Debug, Default)]
pub struct ConnectionProgress {
    /// Since when the peer takes nothing, in milliseconds of the monotonic clock; 0: it does.
    blocked: Cell<u64>,
    /// How the body comes in, where there is one at a time.
    pub body: BodyProgress,
}

impl ConnectionProgress {
    /// Bytes were written, or could not be.
    pub fn wrote(&self, could: bool) {
        // to try again in vain begins no new waiting
        match (could, self.blocked.get()) {
            (true, 0) => {}
            (true, _) => self.blocked.set(0),
            (false, 0) => self.blocked.set(monotonic_ms().max(1)),
            (false, _) => {}
        }
    }

    /// Some of a body came: who sends it all before reading anything takes nothing meanwhile, and is waited
    /// for anew.
    pub fn received(&self) {
        if self.blocked.get() != 0 {
            self.blocked.set(monotonic_ms().max(1));
        }
    }

    /// Since when the peer takes nothing, in milliseconds of the monotonic clock.
    pub fn blocked_since(&self) -> Option<u64> {
        Some(self.blocked.get()).filter(|since| *since != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_taken_ends_the_waiting() {
        let progress = ConnectionProgress::default();
        let past = |progress: &ConnectionProgress| progress.blocked.set(7);
        progress.wrote(true);
        assert_eq!(progress.blocked_since(), None);
        progress.wrote(false);
        assert!(progress.blocked_since().is_some_and(|since| since.abs_diff(monotonic_ms()) < 60_000));
        past(&progress);
        progress.wrote(false);
        assert_eq!(progress.blocked_since(), Some(7), "to look again is not to move");
        progress.received();
        assert_ne!(progress.blocked_since(), Some(7));
        past(&progress);
        progress.wrote(true);
        assert_eq!(progress.blocked_since(), None);
        progress.received();
        assert_eq!(progress.blocked_since(), None);
    }
}
