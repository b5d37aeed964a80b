//! The only place that asks the machine what time it is. What decides over time is given a [`Now`].
#![allow(clippy::disallowed_methods, reason = "here and nowhere else")]

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
const START_AT: u32 = 1 << 30;

/// One look at the clock, and all that can be told by it: asking costs as much as a hundred instructions,
/// each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(Duration);

thread_local! {
    /// How far the wall clock is ahead of the other one, in milliseconds, and the second in which that was
    /// seen.
    static WALL: Cell<(u64, u64)> = const { Cell::new((u64::MAX, 0)) };
}

/// In the place of the second in which the wall clock was seen: it is not looked at again.
const MADE_UP: u64 = u64::MAX - 1;

impl Now {
    /// When the process started.
    pub const BEGINNING: Self = Self(Duration::ZERO);

    /// Looks.
    pub fn look() -> Self {
        Self(START.elapsed())
    }
    /// So long after the process started: time that somebody makes up.
    pub const fn at(since_start: Duration) -> Self {
        Self(since_start)
    }
    /// As [`monotonic_ms`] says it.
    pub fn ms(self) -> u64 {
        self.0.as_millis() as u64
    }
    /// As [`monotonic_secs`] says it.
    pub fn secs(self) -> u32 {
        START_AT.saturating_add(self.0.as_secs() as u32)
    }
    /// As [`unix_ms`] says it, within a second of a wall clock that was just set.
    pub fn unix_ms(self) -> u64 {
        let (seen, mut ahead) = WALL.get();
        if seen != self.0.as_secs() && seen != MADE_UP {
            ahead = unix_ms().saturating_sub(Self::look().ms());
            WALL.set((self.0.as_secs(), ahead));
        }
        ahead + self.ms()
    }
    /// Where time is made up, the wall clock is so: on this thread it is so many milliseconds ahead, for
    /// good.
    pub fn make_up_wall(ahead_ms: u64) {
        WALL.set((MADE_UP, ahead_ms));
    }
    /// As [`unix_secs`] says it.
    pub fn unix_secs(self) -> u64 {
        self.unix_ms() / 1000
    }
    /// The time between two looks; none if the other was later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
    /// On the clock that timers use.
    pub fn instant(self) -> Instant {
        *START + self.0
    }
}

/// Now, on the clock of deadlines that no timer of the runtime keeps, and of what is only measured.
pub fn instant() -> Instant {
    Instant::now()
}

/// The time since then.
pub fn since(then: Instant) -> Duration {
    then.elapsed()
}

/// Now, on the clock of the runtime's timers.
pub fn timer_instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Milliseconds since the process started; never goes back.
pub fn monotonic_ms() -> u64 {
    Now::look().ms()
}

/// A length of time in milliseconds, as the shared cells have it.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds on a coarse clock that never goes back. It starts far from 0, which can mean "never", so that what
/// was before the process has a place on it too.
pub fn monotonic_secs() -> u32 {
    Now::look().secs()
}

/// A time in milliseconds since 1970, as RFC 3339 writes it: `2026-11-21T16:40:34.123Z`.
pub fn rfc3339(unix_ms: u64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    at.format(time::macros::format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
    ))
    .unwrap_or_default()
}

/// As [`rfc3339`], of a time in seconds, as certificates have it; one before 1970 is 1970.
pub fn rfc3339_secs(unix_secs: i64) -> String {
    rfc3339(u64::try_from(unix_secs).unwrap_or_default().saturating_mul(1000))
}

/// Milliseconds since 1970 by the wall clock.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// Nanoseconds since 1970 by the wall clock.
pub fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

/// Seconds since 1970 by the wall clock.
pub fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
