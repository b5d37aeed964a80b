//! What needs attention, and what happened lately.

use super::parts::{BAD, GOOD, ODD, anchor, clock, cluster_state, number, sign, since, state};
use crate::admin::operate::NodeAction;
use crate::admin::status::{Certificate, ClusterState, Move, Moves, Reload, Status};
use crate::base::words;
use crate::table::State;
use maud::{Markup, html};

/// Certificates shown at most, those that expire first.
const CERTIFICATES: usize = 100;
const DAY: i64 = 24 * 3600;

/// What somebody should look at.
pub fn attention(status: &Status) -> Markup {
    let nodes =
        || status.clusters.iter().flat_map(|cluster| cluster.nodes.iter().map(move |node| (cluster, node)));
    let mut items = Vec::new();
    if !status.reload.ok {
        items.push(html! {
            (sign(BAD, "refused")) " The conf file was refused " (since(&status.reload.at, &status.time)) " ago; what ran before goes on."
            (findings(&status.reload))
        });
    }
    for cluster in status.clusters.iter().filter(|cluster| cluster.state == ClusterState::Down) {
        items.push(
            html! { (cluster_state(&ClusterState::Down.into())) " No node of " a href=(format!("#cluster-{}", cluster.cluster)) { (cluster.cluster) } " serves." },
        );
    }
    for (cluster, node) in nodes().filter(|(_, node)| {
        node.claimed.is_some()
            || matches!(node.state.known(), Some(State::Down | State::Silent | State::Pending))
    }) {
        let name = html! { a href=(format!("#{}", anchor(&cluster.cluster, &node.node))) { (cluster.cluster) "/" (node.node) } };
        items.push(html! {
            (state(&node.state)) " " (name) " " (node.why)
            @if node.state == State::Pending || node.claimed.is_some() {
                form method="post" action=(format!("/api/clusters/{}/nodes/{}/{}", cluster.cluster, node.node, NodeAction::Accept.word())) {
                    button.main { "Accept " (node.node) }
                }
            }
        });
    }
    for certificate in status.certificates.iter().filter(|certificate| certificate.left < 30 * DAY) {
        items.push(html! { (validity(certificate)) " The certificate of " (called(certificate)) " " (expiry(certificate)) "." });
    }
    html! {
        section #attention .quiet[items.is_empty()] aria-labelledby="attention-title" {
            h2 #attention-title { "Needs attention" }
            @if items.is_empty() { p { (sign(GOOD, "good")) " Nothing." } }
            @else { ul { @for item in items { li { (item) } } } }
        }
    }
}

/// The moves shown, the latest of all clusters.
const MOVES: usize = 50;

/// What was moved lately.
pub fn moves(moves: &Moves) -> Markup {
    let mut latest: Vec<(&str, &Move)> = moves
        .clusters
        .iter()
        .flat_map(|cluster| cluster.latest.iter().map(move |moved| (&*cluster.cluster, moved)))
        .collect();
    latest.sort_by(|(_, a), (_, b)| b.at.cmp(&a.at));
    latest.truncate(MOVES);
    html! {
        section #moves aria-labelledby="moves-title" {
            h2 #moves-title { "Sessions moved lately" }
            @if latest.is_empty() { p { "None: every session is on its node." } }
            @else {
                div.scroll tabindex="0" role="region" aria-labelledby="moves-title" { table {
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
}

/// What reloads changed, or why they were refused.
pub fn reloads(status: &Status) -> Markup {
    html! {
        section #reloads aria-labelledby="reloads-title" {
            h2 #reloads-title { "Reloads" }
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
}

fn findings(reload: &Reload) -> Markup {
    html! { pre tabindex="0" aria-label="What was found" { (reload.findings.join("\n")) } }
}

/// What listeners show of themselves.
pub fn certificates(status: &Status) -> Markup {
    let more = status.certificates.len().saturating_sub(CERTIFICATES);
    html! {
        @if !status.certificates.is_empty() {
            section #certificates aria-labelledby="certificates-title" {
                h2 #certificates-title { "Certificates" }
                div.scroll tabindex="0" role="region" aria-labelledby="certificates-title" { table {
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
    }
}

fn called(certificate: &Certificate) -> &str {
    certificate.names.first().map_or(&certificate.subject, |name| name)
}

fn validity(certificate: &Certificate) -> Markup {
    match certificate.left {
        ..0 => sign(BAD, "expired"),
        left if left < 7 * DAY => sign(BAD, "very soon"),
        left if left < 30 * DAY => sign(ODD, "soon"),
        _ => sign(GOOD, "good"),
    }
}

fn expiry(certificate: &Certificate) -> String {
    let span = words::span(certificate.left.unsigned_abs());
    if certificate.left < 0 { format!("expired {span} ago") } else { format!("expires in {span}") }
}

/// Where clients and heartbeats come in.
pub fn listeners(status: &Status) -> Markup {
    let beats: Vec<String> = status
        .heartbeats
        .iter()
        .filter(|(_, results)| !results.is_empty())
        .map(|(dialect, results)| {
            format!(
                "{dialect}: {}",
                results
                    .iter()
                    .map(|(word, n)| format!("{} {word}", number(*n)))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        })
        .collect();
    html! {
        section #listeners aria-labelledby="listeners-title" {
            h2 #listeners-title { "Listeners" }
            ul { @for listener in &status.listeners {
                li { strong { (listener.listener) } " " (listener.bind.join(", ")) @if listener.tls { " with TLS" } }
            } }
            @if !beats.is_empty() { p { "Heartbeats: " (beats.join("; ")) } }
        }
    }
}
