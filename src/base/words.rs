//! Times and numbers as people read them.

pub use super::units::span;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The time between two moments as RFC 3339 writes them, roughly; empty if they are no such.
pub fn age(since: &str, now: &str) -> String {
    seconds(since, now).map_or_else(String::new, |seconds| span(seconds.max(0).unsigned_abs()))
}

/// What is left until a moment, to the second: "1:02:03"; none if it has passed.
pub fn left(now: &str, until: &str) -> Option<String> {
    let left = seconds(now, until).filter(|left| *left > 0)?;
    Some(format!("{}:{:02}:{:02}", left / 3600, left % 3600 / 60, left % 60))
}

/// Whole seconds from one moment to another, as RFC 3339 writes them.
pub fn seconds(from: &str, to: &str) -> Option<i64> {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    Some((parse(to)? - parse(from)?).whole_seconds())
}

/// "1 node", "2 nodes".
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// What there is of these; the first is always said: "0 sessions, 3 sockets".
pub fn counts(of: &[(u64, &str)]) -> String {
    let said = of.iter().enumerate().filter(|(at, (n, _))| *at == 0 || *n > 0);
    said.map(|(_, (n, what))| count(*n, what)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_none_of_is_left_out() {
        assert_eq!(counts(&[(0, "session"), (0, "request"), (3, "socket")]), "0 sessions, 3 sockets");
        assert_eq!(counts(&[(1, "session"), (2, "request"), (0, "socket")]), "1 session, 2 requests");
    }

    #[test]
    fn times_are_never_below_zero() {
        assert_eq!(age("2026-11-21T16:00:00.900Z", "2026-11-21T16:00:05.100Z"), "4 s");
        assert_eq!(age("2026-11-21T16:00:05Z", "2026-11-21T16:00:00Z"), "0 s", "clocks differ");
        assert_eq!(left("2026-11-21T16:00:00Z", "2026-11-21T17:02:03Z").as_deref(), Some("1:02:03"));
        assert_eq!(left("2026-11-21T16:00:00Z", "2026-11-21T16:00:00Z"), None);
    }
}
