//! A line in the log once in a while, however often there is reason for it.

use super::clock;
use std::cell::Cell;

/// Milliseconds between two lines.
const PAUSE: u64 = 10_000;

/// Lets one line through in a while, and counts those that it holds back.
#[derive(Default)]
pub struct LogThrottle {
    /// When the next one may be said.
    next: Cell<u64>,
    held: Cell<u64>,
}

impl LogThrottle {
    /// What stands at the end of a line, if one may be said now: how many of these were held back since the
    /// last.
    pub fn rest(&self, of_these: &str) -> Option<String> {
        Some(match self.now()? {
            0 => String::new(),
            held => format!(" ({held} more {of_these} since the last such line)"),
        })
    }

    /// How many were held back since the last line, if one may be said now.
    pub fn now(&self) -> Option<u64> {
        let now = clock::monotonic_ms();
        if now < self.next.get() {
            self.held.set(self.held.get() + 1);
            return None;
        }
        self.next.set(now + PAUSE);
        Some(self.held.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_others_are_counted() {
        let seldom = LogThrottle::default();
        assert_eq!((seldom.now(), seldom.now(), seldom.now()), (Some(0), None, None));
        seldom.next.set(0);
        assert_eq!(seldom.now(), Some(2));
        assert_eq!(seldom.rest("came"), None);
        seldom.next.set(0);
        assert_eq!(seldom.rest("came").as_deref(), Some(" (1 more came since the last such line)"));
        seldom.next.set(0);
        assert_eq!(seldom.rest("came").as_deref(), Some(""));
    }
}
