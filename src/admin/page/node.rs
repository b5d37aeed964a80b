//! A node as a row of a table, with what can be done to it.

use super::find::FoundNode;
use super::parts::{address, anchor, brief, clock, number, rate, since, state};
use super::spark::{Grain, spark};
use super::view::View;
use crate::admin::history::NodeHistory;
use crate::admin::operate::NodeAction;
use crate::admin::status::{Errors, Node};
use crate::base::words;
use crate::config::model::Then;
use crate::table::State;
use maud::{Markup, html};

/// The field that a row is chosen by for what is done to several.
pub const FIELD: &str = "node";
/// The form that this is sent with.
pub const FORM: &str = "bulk";

/// A table of nodes: each with its past, and with its cluster where they are of several.
pub fn table<'s>(
    caption: &str,
    nodes: impl Iterator<Item = (FoundNode<'s>, Option<&'s NodeHistory>)>,
    of_several: bool,
    view: &View,
    now: &str,
) -> Markup {
    let titles = ["Node", "State", "Sessions", "In flight", "Requests", "New sessions", "Weight", "Load"];
    html! {
        table.nodes {
            caption.unseen { (caption) }
            thead {
                tr {
                    th scope="col" { span.unseen { "Chosen" } }
                    @for title in titles { th scope="col" { (title) } }
                    th scope="col" { span.unseen { "Change" } }
                }
            }
            tbody { @for (found, past) in nodes { (row(found, past, of_several, !view.only_reads, now)) } }
        }
    }
}

fn row(
    found: FoundNode<'_>,
    past: Option<&NodeHistory>,
    of_several: bool,
    changes: bool,
    now: &str,
) -> Markup {
    let FoundNode { cluster, node } = found;
    let (cluster, name) = (&*cluster.cluster, &*node.node);
    html! {
        tr id=(anchor(cluster, name)) {
            td.tick { @if changes {
                input type="checkbox" name=(FIELD) value=(format!("{cluster}/{name}")) form=(FORM) aria-label=(format!("Choose {cluster}/{name}"));
            } }
            th scope="row" tabindex="-1" {
                @if of_several { span.of { (cluster) "/" wbr; } }
                (name)
                small.address { (address(&node.url)) }
                @if let Some(version) = &node.version { small { "version " (version) } }
            }
            td.why data-label="State" {
                (state(&node.state)) " for " (since(&node.since, now))
                small { (node.why) }
                @if node.set_by != "file" { small { (set_by(node, now)) } }
                @if let Some(deadline) = node.deadline.as_ref().filter(|_| node.state == State::Draining) {
                    small.countdown { (countdown(deadline, now)) (what_then(node)) }
                }
            }
            td.number data-label="Sessions" {
                (number(node.sessions)) @if let Some(most) = node.capacity { span.of { " of " (number(most)) } }
                @if let Some(most) = node.capacity { (bar(node.sessions, most)) }
            }
            td.number data-label="In flight" { (number(node.in_flight)) }
            td.number data-label="Requests" {
                (rate(past.map(|past| &past.rate)))
                small { (number(node.requests)) " in all" }
                @if node.errors.sum() > 0 { small.failed { (errors(&node.errors)) } }
                (spark("Requests a second", "", past.map(|past| &past.rate), Grain::Coarse))
            }
            td.number data-label="New sessions" {
                (brief(node.share * 100.0)) " %"
                @if let Some(rank) = node.rank { small { "place " (rank) } }
            }
            td.number data-label="Weight" { (node.weight) }
            td.number data-label="Load" {
                @match node.load {
                    Some(load) => (load)
                    None => "–"
                }
                @if let Some(ms) = node.heartbeat_ms { small { "heartbeat " (words::span(ms / 1000)) " ago" } }
            }
            td.change { @if changes { (change(cluster, node)) } }
        }
    }
}

/// What went wrong at a node, in words.
fn errors(errors: &Errors) -> String {
    let kinds = [
        (errors.connection, "not connected"),
        (errors.response, "without answer"),
        (errors.answers, "of 5xx"),
    ];
    let kinds: Vec<String> =
        kinds.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", number(*n))).collect();
    format!("{}: {}", words::count(errors.sum(), "error"), kinds.join(", "))
}

fn countdown(deadline: &str, now: &str) -> Markup {
    let left = words::left(now, deadline);
    html! {
        "deadline at " time datetime=(deadline) title=(deadline) { (clock(deadline)) }
        @match left {
            Some(left) => { ", in " (left) }
            None => ", passed"
        }
    }
}

/// What becomes of who is left at the deadline.
fn what_then(node: &Node) -> &'static str {
    match (node.then, node.over) {
        (Some(Then::Move), Some(true)) => ": they were moved",
        (Some(Then::Move), _) => ": then they are moved",
        _ => ": then they may stay",
    }
}

/// Who wants it so, and why.
fn set_by(node: &Node, now: &str) -> Markup {
    let (who, at) =
        node.set_by.rsplit_once(" at ").map_or((&*node.set_by, None), |(who, at)| (who, Some(at)));
    html! {
        "by " (who)
        @if let Some(from) = &node.set_from { " from " (from) }
        @if let Some(at) = at { " " (since(at, now)) " ago" }
        @if let Some(reason) = &node.set_reason { ": " (reason) }
    }
}

/// How much of something is taken.
pub fn bar(part: u64, all: u64) -> Markup {
    let width = (100 * part).checked_div(all).unwrap_or(100).min(100);
    html! {
        svg.bar aria-hidden="true" viewBox="0 0 100 4" preserveAspectRatio="none" {
            rect.all width="100" height="4" {}
            rect.part width=(width) height="4" {}
        }
    }
}

fn change(cluster: &str, node: &Node) -> Markup {
    let path = |verb: NodeAction| format!("/api/clusters/{cluster}/nodes/{}/{}", node.node, verb.word());
    let whom = html! { span.unseen { " " (cluster) "/" (node.node) } };
    let button = |verb: NodeAction, word: &str, kind: &str| html! { form method="post" action=(path(verb)) { button class=[(!kind.is_empty()).then_some(kind)] { (word) (whom) } } };
    let state = node.state.known();
    let away = matches!(state, Some(State::Maintenance | State::Removed));
    let out = away || matches!(state, Some(State::Draining | State::Drained));
    let waits = state == Some(State::Pending);
    html! {
        @if waits || node.claimed.is_some() { (button(NodeAction::Accept, "Accept", "main")) }
        @if !waits {
            @if out { (button(NodeAction::Enable, "Enable", "main")) }
            @else {
                details {
                    summary.button { "Drain…" (whom) }
                    form.drain method="post" action=(path(NodeAction::Drain)) {
                        (deadline_fields())
                        (reason())
                        button.main { "Drain" (whom) }
                    }
                }
            }
            @if !away { (button(NodeAction::Disable, "Maintenance", "")) }
        }
    }
}

/// Why, in the words of whoever does it.
pub fn reason() -> Markup {
    html! { label.reason { "Reason " input name="reason" maxlength="200" autocomplete="off" placeholder="for the history"; } }
}

/// How a drain goes.
pub fn deadline_fields() -> Markup {
    html! {
        label { "Deadline " input name="deadline" placeholder="none" size="6" autocomplete="off" title="such as 30m or 4h"; }
        label { "Sessions left then " select name="then" { option value="keep" { "stay" } option value="move" { "are moved" } } }
    }
}
