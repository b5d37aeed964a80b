//! Waiting without hoping: a condition is polled until it holds, and a deadline makes a hang a failure.

use std::time::{Duration, Instant};

/// Long enough for a busy two-core machine, short enough that a hang is a failure and not a lost evening.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Polls until `ready` gives a value; panics with `what` at the deadline.
pub fn until<T>(what: &str, ready: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, what, ready)
}

/// The same with a deadline of its own.
pub fn within<T>(deadline: Duration, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "waited {deadline:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A session was seen in a second: what comes after this comes later than that, by the proxy's clock too.
pub fn a_second_passes() {
    std::thread::sleep(Duration::from_secs(1));
}
