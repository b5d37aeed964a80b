//! Who changed what, from where and why.

use super::parts::{BAD, GOOD, ODD, sign, since};
use crate::control::audit::AuditEntry;
use maud::{Markup, html};
use std::sync::Arc;

/// Changes that are shown; `homing history` and the API have more.
const MOST: usize = 50;

/// The latest, in a line.
pub fn about(changes: &[Arc<AuditEntry>], now: &str) -> Markup {
    match changes.first() {
        None => html! { "none" },
        Some(last) => {
            html! { (last.who) ": " (last.verb) " " (last.target) ", " (since(&last.at, now)) " ago" }
        }
    }
}

/// All of them.
pub fn list(changes: &[Arc<AuditEntry>], now: &str) -> Markup {
    html! {
        @if changes.is_empty() { p { "Nobody has changed anything." } }
        @else {
            div.scroll tabindex="0" role="group" aria-labelledby="changes-title" { table.changes {
                caption.unseen { "Changes at run time, the latest first" }
                thead { tr { @for title in ["When", "Who", "What", "Why"] { th scope="col" { (title) } } } }
                tbody { @for change in changes.iter().take(MOST) { (row(change, now)) } }
            } }
            @if changes.len() > MOST { p { "Earlier ones: " a href="/api/history" { "/api/history" } } }
        }
    }
}

fn row(change: &AuditEntry, now: &str) -> Markup {
    html! {
        tr {
            td { (since(&change.at, now)) " ago" }
            td { (change.who) @if let Some(from) = &change.from { small { "from " (from) } } }
            td {
                @if change.ok { (sign(GOOD, &change.verb)) } @else { (sign(BAD, &change.verb)) " refused" }
                " " strong { (change.target) }
                @if change.forced { " " (sign(ODD, "forced")) }
                @for line in &change.changes { small { (line) } }
            }
            td { (change.reason.as_deref().unwrap_or("–")) }
        }
    }
}
