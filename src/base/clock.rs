//! The only place that asks the machine what time it is.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the process started; never goes back.
pub fn monotonic_ms() -> u64 {
    START.elapsed().as_millis() as u64
}

/// Seconds on a coarse clock that never goes back. It starts far from 0, which can mean "never", so that what was before the
/// process has a place on it too.
pub fn monotonic_secs() -> u32 {
    const START_AT: u32 = 1 << 30;
    START_AT.saturating_add(START.elapsed().as_secs() as u32)
}

/// A time in milliseconds since 1970, as RFC 3339 writes it: `2026-11-21T16:40:34.123Z`.
pub fn rfc3339(unix_ms: u64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    at.format(time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z")).unwrap_or_default()
}

/// Milliseconds since 1970 by the wall clock.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// Seconds since 1970 by the wall clock.
pub fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
