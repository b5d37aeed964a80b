//! A cluster: its figures, and its nodes with what can be done to them.

use super::parts::{anchor, brief, clock, cluster_state, number, since, state};
use super::spark;
use crate::admin::history::{ClusterHistory, NodeHistory, Series};
use crate::admin::operate::NodeAction;
use crate::admin::status::{Cluster, Errors, Node, Pool};
use crate::base::words;
use crate::config::model::Then;
use crate::table::State;
use maud::{Markup, html};

/// All of a cluster.
pub fn section(cluster: &Cluster, past: Option<&ClusterHistory>, now: &str) -> Markup {
    let name = &*cluster.cluster;
    let heading = format!("cluster-{name}");
    html! {
        section.cluster id=(format!("{heading}-all")) aria-labelledby=(heading) {
            div.head {
                h2 id=(heading) { (name) }
                (cluster_state(&cluster.state))
                p { (cluster.serving) " of " (words::count(cluster.nodes.len() as u64, "node")) @if cluster.nodes.len() == 1 { " serves, " } @else { " serve, " } (cluster.balance) }
            }
            (figures(cluster, past))
            table.nodes role="table" {
                caption.unseen { "Nodes of " (name) }
                thead role="rowgroup" {
                    tr role="row" {
                        @for title in ["Node", "State", "Sessions", "In flight", "Requests", "New sessions", "Weight", "Heartbeat"] {
                            th scope="col" role="columnheader" { (title) }
                        }
                        th scope="col" role="columnheader" { span.unseen { "Change" } }
                    }
                }
                tbody role="rowgroup" {
                    @for node in &cluster.nodes { (row(name, node, past.and_then(|past| past.node(&node.node)), now)) }
                }
            }
        }
    }
}

fn figures(cluster: &Cluster, past: Option<&ClusterHistory>) -> Markup {
    let traffic = &cluster.traffic;
    let errors: u64 = traffic.codes.iter().filter(|(code, _)| code.starts_with('5')).map(|(_, n)| n).sum();
    let part = 100.0 * errors as f64 / traffic.requests.max(1) as f64;
    let moved: u64 = traffic.moved.values().sum();
    let causes: Vec<String> =
        traffic.moved.iter().map(|(cause, n)| format!("{} {cause}", number(*n))).collect();
    let time = |ms: Option<f64>| ms.map_or("–".into(), |ms| format!("{} ms", brief(ms)));
    let duration = &traffic.duration;
    html! {
        dl.figures {
            (figure("Sessions", &number(cluster.sessions), &format!("{} in the ledger", number(cluster.ledger.entries)),
                spark::spark("Sessions", "", past.map(|past| &past.sessions))))
            (figure("Requests", &rate(past.map(|past| &past.rate)), &format!("{} since the start", number(traffic.requests)),
                spark::spark("Requests a second", "", past.map(|past| &past.rate))))
            (figure("Latency", &time(duration.p50_ms), &format!("p90 {}, p99 {}", time(duration.p90_ms), time(duration.p99_ms)),
                spark::spark("Latency, nine in ten requests", " ms", past.map(|past| &past.p90_ms))))
            (figure("In flight", &number(cluster.in_flight),
                &format!("{} open, {} waiting", words::count(traffic.tunnels, "socket"), number(cluster.waiting)), html! {}))
            (figure("Connections to nodes", &number(cluster.pool.open), &connections(&cluster.pool), html! {}))
            (figure("Errors 5xx", &number(errors), &format!("{part:.2} % of requests, {}", words::count(traffic.retries, "retry").replace("retrys", "retries")), html! {}))
            (figure("Moved sessions", &number(moved), &if causes.is_empty() { "none left its node".into() } else { causes.join(", ") }, html! {}))
        }
    }
}

/// How well connections are kept.
fn connections(pool: &Pool) -> String {
    let part = 100.0 * pool.reuses as f64 / (pool.reuses + pool.attempts).max(1) as f64;
    format!("{} idle, {} % reuse", number(pool.idle), brief(part))
}

fn figure(what: &str, value: &str, more: &str, curve: Markup) -> Markup {
    html! { div { dt { (what) } dd.value { (value) } dd.more { (more) } @if !curve.0.is_empty() { dd.curve { (curve) } } } }
}

fn rate(series: Option<&Series>) -> String {
    let last = series.and_then(|series| series.samples().last().flatten());
    last.map_or("–".into(), |last| format!("{} /s", brief(last.into())))
}

fn row(cluster: &str, node: &Node, past: Option<&NodeHistory>, now: &str) -> Markup {
    let id = anchor(cluster, &node.node);
    html! {
        tr id=(id) role="row" {
            th scope="row" role="rowheader" tabindex="-1" {
                (node.node)
                small { (node.url) }
                @if let Some(version) = &node.version { small { "version " (version) } }
            }
            td.why role="cell" data-label="State" {
                (state(&node.state)) " for " (since(&node.since, now))
                small { (node.why) }
                @if let Some(deadline) = node.deadline.as_ref().filter(|_| node.state == State::Draining) {
                    small.countdown { (countdown(deadline, now)) (what_then(node)) }
                }
            }
            td.number role="cell" data-label="Sessions" {
                (number(node.sessions)) @if let Some(most) = node.capacity { span.of { " of " (number(most)) } }
                @if let Some(most) = node.capacity { (bar(node.sessions, most)) }
                (spark::spark("Sessions", "", past.map(|past| &past.sessions)))
            }
            td.number role="cell" data-label="In flight" { (number(node.in_flight)) }
            td.number role="cell" data-label="Requests" {
                (rate(past.map(|past| &past.rate)))
                small { (number(node.requests)) " in all" }
                @if node.errors.sum() > 0 { small.failed { (errors(&node.errors)) } }
                (spark::spark("Requests a second", "", past.map(|past| &past.rate)))
            }
            td.number role="cell" data-label="New sessions" {
                (brief(node.share * 100.0)) " %"
                @if let Some(rank) = node.rank { small { "place " (rank) } }
            }
            td.number role="cell" data-label="Weight" { (node.weight) small { (set_by(&node.set_by, now)) } }
            td.number role="cell" data-label="Heartbeat" {
                @match node.heartbeat_ms {
                    Some(ms) => { (words::span(ms / 1000)) " ago" }
                    None => "–"
                }
                @if let Some(load) = node.load { small { "load " (load) } }
            }
            td.change role="cell" { (changes(cluster, node)) }
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

/// "operator at …" as people say it.
fn set_by(who: &str, now: &str) -> Markup {
    match who.rsplit_once(" at ") {
        Some((who, at)) => html! { "by " (who) " " (since(at, now)) " ago" },
        None => html! { "from the " (who) },
    }
}

fn bar(part: u64, all: u64) -> Markup {
    let width = (100 * part).checked_div(all).unwrap_or(100).min(100);
    html! {
        svg.bar aria-hidden="true" viewBox="0 0 100 4" preserveAspectRatio="none" {
            rect.all width="100" height="4" {}
            rect.part width=(width) height="4" {}
        }
    }
}

fn changes(cluster: &str, node: &Node) -> Markup {
    let path = |verb: NodeAction| format!("/api/clusters/{cluster}/nodes/{}/{}", node.node, verb.word());
    let whom = html! { span.unseen { " " (cluster) "/" (node.node) } };
    let button = |verb: NodeAction, word: &str, kind: &str| html! { form method="post" action=(path(verb)) { button class=(kind) { (word) (whom) } } };
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
                        label { "Deadline " input name="deadline" placeholder="none" size="6" autocomplete="off" title="such as 30m or 4h"; }
                        label { "Sessions left then " select name="then" { option value="keep" { "stay" } option value="move" { "are moved" } } }
                        button.main { "Drain" (whom) }
                    }
                }
            }
            @if !away { (button(NodeAction::Disable, "Maintenance", "")) }
        }
    }
}
