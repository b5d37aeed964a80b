//! When no further connection is opened to a node for those who wait.

use crate::base::clock::Now;
use std::cell::Cell;
use std::time::Duration;

/// Between the end of a connection that served nobody and the next for those who wait.
const PAUSE: Duration = Duration::from_millis(100);

/// How long no further connection is opened after one beside those that serve was refused.
const REFUSED: Duration = Duration::from_secs(1);

/// What became of the latest ones.
#[derive(Default)]
pub(super) struct Backoff {
    refused: Cell<Option<Now>>,
    /// Connections that ended without use a moment ago: until that is over, no other is opened.
    pauses: Cell<u32>,
}

impl Backoff {
    /// One was refused.
    pub(super) fn refused(&self, now: Now) {
        self.refused.set(Some(now));
    }

    /// One has ended without use: lets some time pass.
    pub(super) async fn pause(&self) {
        self.pauses.set(self.pauses.get() + 1);
        tokio::time::sleep(PAUSE).await;
        self.pauses.set(self.pauses.get() - 1);
    }

    /// Whether no other is to be opened now. `alone`: there is none, nor is one being opened. Of two that are
    /// opened at one time the one that is refused does not begin again: the other tells whether the node is
    /// there.
    pub(super) fn holds(&self, alone: bool, now: Now) -> bool {
        let refused = self.refused.get().is_some_and(|at| now.since(at) < REFUSED);
        self.pauses.get() > 0 || refused && !alone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_beside_another_waits_and_what_is_alone_does_not() {
        let (backoff, at) = (Backoff::default(), |ms| Now::at(Duration::from_millis(ms)));
        assert!(!backoff.holds(false, at(0)));
        backoff.refused(at(0));
        assert!(
            backoff.holds(false, at(999)) && !backoff.holds(false, at(1000)) && !backoff.holds(true, at(1))
        );
    }

    #[tokio::test]
    async fn all_wait_while_one_pauses() {
        let backoff = Backoff::default();
        let pause = backoff.pause();
        tokio::pin!(pause);
        assert!(
            tokio::time::timeout(Duration::ZERO, &mut pause).await.is_err()
                && backoff.holds(true, Now::look())
        );
        pause.await;
        assert!(!backoff.holds(true, Now::look()));
    }
}
