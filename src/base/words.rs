//! Times and numbers as people read them.

pub use super::units::span;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The time between two moments as RFC 3339 writes them, roughly; empty if they are no such.
pub fn age(since: &str, now: &str) -> String {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let (Some(since), Some(now)) = (parse(since), parse(now)) else { return String::new() };
    span(u64::try_from((now - since).whole_seconds()).unwrap_or_default())
}

/// "1 node", "2 nodes".
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_never_below_zero() {
        assert_eq!(age("2026-11-21T16:00:00.900Z", "2026-11-21T16:00:05.100Z"), "4 s");
        assert_eq!(age("2026-11-21T16:00:05Z", "2026-11-21T16:00:00Z"), "0 s", "clocks differ");
    }
}
