//! The lists below the clusters, each open or closed.

use super::changes;
use super::parts::{BAD, GOOD, ODD, clock, number, sign, since};
use super::routes;
use super::view::{ListName, View};
use crate::admin::status::{Certificate, Move, Moves, Reload, ShownRule, Status};
use crate::base::words;
use crate::control::audit::AuditEntry;
use maud::{Markup, html};
use std::sync::Arc;

/// Certificates shown at most, those that expire first.
const CERTIFICATES: usize = 100;
/// In seconds.
pub const DAY: i64 = 24 * 3600;

/// What the lists show.
pub struct ListContext<'s> {
    /// The snapshot.
    pub status: &'s Status,
    /// Which are open.
    pub view: &'s View,
    /// Sessions that were moved, if that list is open.
    pub moves: Option<&'s Moves>,
    /// What leads where.
    pub rules: &'s [ShownRule],
    /// Who changed what, the latest first.
    pub changes: &'s [Arc<AuditEntry>],
}

/// All of them.
pub fn all(context: &ListContext<'_>) -> Markup {
    let ListContext { status, view, moves, rules, changes } = *context;
    html! {
        div.lists {
            (list(view, ListName::Changes, "Recent changes", &changes::about(changes, &status.time), || changes::list(changes, &status.time)))
            (list(view, ListName::Rules, "Rules", &about_rules(rules), || routes::rules(rules, status, view)))
            (list(view, ListName::Moves, "Sessions moved lately", &html! { (number(moved(status))) " since the start" }, || moves.map(self::moves).unwrap_or_default()))
            (list(view, ListName::Reloads, "Reloads", &about_reloads(status), || reloads(status)))
            @if !status.certificates.is_empty() {
                (list(view, ListName::Certificates, "Certificates", &about_certificates(status), || certificates(status)))
            }
            (list(view, ListName::Listeners, "Listeners", &html! { (number(status.listeners.len() as u64)) }, || routes::listeners(status)))
        }
    }
}

/// A list that can be opened: its title with what there is to know of it, and, where it is open, all of it.
fn list(
    view: &View,
    name: ListName,
    title: &str,
    about: &Markup,
    content: impl FnOnce() -> Markup,
) -> Markup {
    let (word, open) = (name.word(), view.lists(name));
    html! {
        section .open[open] id=(word) aria-labelledby=(format!("{word}-title")) {
            div.fold {
                h2 id=(format!("{word}-title")) { a.fold data-view href=(view.listed(name).href()) aria-expanded=(open) { (title) } }
                p { (about) }
            }
            @if open { (content()) }
        }
    }
}

fn about_rules(rules: &[ShownRule]) -> Markup {
    let off = rules.iter().filter(|rule| rule.disabled).count();
    html! { (number(rules.len() as u64)) @if off > 0 { ", " b.odd.plain { (number(off as u64)) " switched off" } } }
}

fn moved(status: &Status) -> u64 {
    status.clusters.iter().flat_map(|cluster| cluster.traffic.moved.values()).sum()
}

fn about_reloads(status: &Status) -> Markup {
    match status.reloads.first() {
        None => html! { "none since the start" },
        Some(last) => {
            html! { (if last.ok { sign(GOOD, "applied") } else { sign(BAD, "refused") }) " " (since(&last.at, &status.time)) " ago" }
        }
    }
}

fn about_certificates(status: &Status) -> Markup {
    html! {
        (number(status.certificates.len() as u64))
        @if let Some(first) = status.certificates.first() { ", the first " (expiry(first)) }
    }
}

/// The moves shown, the latest of all clusters.
const MOVES: usize = 50;

/// What was moved lately.
fn moves(moves: &Moves) -> Markup {
    let mut latest: Vec<(&str, &Move)> = moves
        .clusters
        .iter()
        .flat_map(|cluster| cluster.latest.iter().map(move |moved| (&*cluster.cluster, moved)))
        .collect();
    latest.sort_by(|(_, a), (_, b)| b.at.cmp(&a.at));
    latest.truncate(MOVES);
    html! {
            @if latest.is_empty() { p { "None: every session is on its node." } }
            @else {
                div.scroll tabindex="0" role="group" aria-labelledby="moves-title" { table {
                    caption.unseen { "Sessions moved from their nodes, the latest first" }
                    thead { tr { @for title in ["At", "Client", "From", "To", "Why"] { th scope="col" { (title) } } } }
                    tbody { @for (cluster, moved) in latest { tr {
                        td { time datetime=(moved.at) title=(moved.at) { (clock(&moved.at)) } }
                        td { (moved.client) small { "request " (moved.id) } }
                        td { (cluster) "/" (moved.was.as_deref().unwrap_or("?")) }
                        td { (moved.node.as_deref().unwrap_or("nowhere")) }
                        td { (moved.cause) small { (moved.because) } }
                    } } }
                } }
            }
    }
}

/// What reloads changed, or why they were refused.
fn reloads(status: &Status) -> Markup {
    html! {
            @if status.reloads.is_empty() { p { "None since the start " (since(&status.started, &status.time)) " ago." } }
            @else { ol { @for reload in &status.reloads { li {
                (if reload.ok { sign(GOOD, "applied") } else { sign(BAD, "refused") })
                " " (since(&reload.at, &status.time)) " ago, " (reload.cause) ", took " (format!("{:.0}", reload.took_ms)) " ms"
                @if !reload.ok { (findings(reload)) }
                @else if reload.changes.is_empty() { p { "Nothing changed." } }
                @else { ul { @for change in &reload.changes { li { (change) } } } }
            } } } }
    }
}

/// Why it was refused.
pub fn findings(reload: &Reload) -> Markup {
    html! { pre tabindex="0" aria-label="What was found" { (reload.findings.join("\n")) } }
}

/// What listeners show of themselves.
fn certificates(status: &Status) -> Markup {
    let more = status.certificates.len().saturating_sub(CERTIFICATES);
    html! {
        div.scroll tabindex="0" role="group" aria-labelledby="certificates-title" { table {
            caption.unseen { "Certificates in use, the first to expire first" }
            thead { tr { th scope="col" { "For" } th scope="col" { "Listener" } th scope="col" { "Expires" } } }
            tbody { @for certificate in status.certificates.iter().take(CERTIFICATES) { tr {
                td title=(certificate.file) { (certificate.names.join(", ")) small { (certificate.subject) } }
                td { (certificate.listener) }
                td { (validity(certificate)) " " time datetime=(certificate.expires) title=(certificate.expires) { (expiry(certificate)) } }
            } } }
        } }
        @if more > 0 { p { (words::count(more as u64, "more")) " that expire later." } }
    }
}

/// What people call it.
pub fn called(certificate: &Certificate) -> &str {
    certificate.names.first().map_or(&certificate.subject, |name| name)
}

/// How long it is good for, in a word.
pub fn validity(certificate: &Certificate) -> Markup {
    match certificate.left {
        ..0 => sign(BAD, "expired"),
        left if left < 7 * DAY => sign(BAD, "very soon"),
        left if left < 30 * DAY => sign(ODD, "soon"),
        _ => sign(GOOD, "good"),
    }
}

/// How long it is good for.
pub fn expiry(certificate: &Certificate) -> String {
    let span = words::span(certificate.left.unsigned_abs());
    if certificate.left < 0 { format!("expired {span} ago") } else { format!("expires in {span}") }
}
