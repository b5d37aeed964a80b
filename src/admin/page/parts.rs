//! The small parts that the page is made of: states, times, numbers.

use crate::admin::status::ClusterState;
use crate::base::words::{self, Word};
use crate::table::State;
use maud::{Markup, html};

/// The fragment of a node's row.
pub fn anchor(cluster: &str, node: &str) -> String {
    format!("node-{cluster}-{node}")
}

/// The state of a node.
pub(super) fn state(state: &Word<State>) -> Markup {
    let look = match state.known() {
        Some(State::Ready | State::Aside) => GOOD,
        Some(State::Down) => BAD,
        Some(State::Drained | State::Maintenance | State::Removed) => OUT,
        Some(State::Draining) => ("odd", "↓"),
        Some(State::Pending) => ("odd", "?"),
        Some(State::Full | State::Syncing | State::Silent | State::Unknown) | None => ODD,
    };
    sign(look, state.as_str())
}

/// The state of a cluster.
pub(super) fn cluster_state(state: &Word<ClusterState>) -> Markup {
    let look = match state.known() {
        Some(ClusterState::Ready) => GOOD,
        Some(ClusterState::Down) => BAD,
        Some(ClusterState::Disabled) => OUT,
        Some(ClusterState::Degraded) | None => ODD,
    };
    sign(look, state.as_str())
}

/// A look: its colour and its sign.
pub(super) type Look = (&'static str, &'static str);
pub(super) const GOOD: Look = ("good", "✓");
pub(super) const ODD: Look = ("odd", "!");
pub(super) const BAD: Look = ("bad", "✕");
pub(super) const OUT: Look = ("off", "–");

/// A word in a look.
pub(super) fn sign((kind, sign): Look, word: &str) -> Markup {
    html! { span.state.(kind) { span.sign aria-hidden="true" { (sign) } (word) } }
}

/// How long ago, with the moment itself.
pub(super) fn since(at: &str, now: &str) -> Markup {
    html! { time datetime=(at) title=(at) { (words::age(at, now)) } }
}

/// The time of day of a moment as RFC 3339 writes it.
pub(super) fn clock(at: &str) -> &str {
    at.get(11..19).unwrap_or(at)
}

/// A number with its thousands set apart.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A measured number in as many digits as mean something.
pub(super) fn brief(n: f64) -> String {
    match n.abs() {
        0.0 => "0".into(),
        small if small < 10.0 => format!("{n:.1}"),
        _ => number(n.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        for (n, text) in
            [(0, "0"), (999, "999"), (1000, "1\u{202f}000"), (1_234_567, "1\u{202f}234\u{202f}567")]
        {
            assert_eq!(number(n), text);
        }
        assert_eq!([0.0, 0.04, 9.96, 1234.5].map(brief), ["0", "0.0", "10.0", "1\u{202f}235"]);
    }
}
