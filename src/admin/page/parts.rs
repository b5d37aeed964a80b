//! The small parts that the page is made of: states, times, numbers.

use super::view::View;
use crate::admin::history::Series;
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
    sign(look(state), state.as_str())
}

fn look(state: &Word<State>) -> Look {
    match state.known() {
        Some(State::Ready | State::Aside) => GOOD,
        Some(State::Down) => BAD,
        Some(State::Drained | State::Maintenance | State::Removed) => OUT,
        Some(State::Draining) => ("odd", "↓"),
        Some(State::Pending) => ("odd", "?"),
        Some(State::Full | State::Syncing | State::Silent | State::Unknown) | None => ODD,
    }
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

/// How many nodes are in each state, the worst first.
pub(super) fn states(counted: &[(Word<State>, u64)]) -> Markup {
    html! {
        @for (at, (word, count)) in counted.iter().enumerate() {
            @if at > 0 { ", " }
            @match look(word) {
                (kind @ ("bad" | "odd"), _) => strong.(kind).plain { (number(*count)) " " (word.as_str()) }
                _ => { (number(*count)) " " (word.as_str()) }
            }
        }
    }
}

/// An address, which is wrapped between its parts alone: never within a number or a word.
pub(super) fn address(url: &str) -> Markup {
    let parts = url.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    html! { @for (at, part) in parts.enumerate() { @if at > 0 && part.starts_with(char::is_alphanumeric) { wbr; } (part) } }
}

/// A link to another view of the page.
pub(super) fn to_view(view: &View, words: &Markup) -> Markup {
    html! { a data-view href=(view.href()) { (words) } }
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

/// What a curve ends with, a second.
pub(super) fn rate(series: Option<&Series>) -> String {
    let last = series.and_then(|series| series.samples().last().flatten());
    last.map_or("–".into(), |last| format!("{} /s", brief(last.into())))
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
    fn an_address_is_never_wrapped_in_mid_number() {
        for (url, wrapped) in [
            ("http://10.0.0.11:8080", "http://<wbr>10.<wbr>0.<wbr>0.<wbr>11:<wbr>8080"),
            ("https://[fd00::1]:443", "https://[<wbr>fd00::<wbr>1]:<wbr>443"),
            ("unix:/run/a-b.sock", "unix:/<wbr>run/<wbr>a-<wbr>b.<wbr>sock"),
        ] {
            assert_eq!(address(url).into_string(), wrapped);
        }
    }

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
