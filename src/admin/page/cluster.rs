//! A cluster: one line that sums it up, and all of it where it is open.

use super::find::{self, FoundNode};
use super::node::{self, bar};
use super::parts::{brief, cluster_state, number, rate, states};
use super::routes;
use super::spark::{Grain, spark};
use super::view::View;
use crate::admin::history::ClusterHistory;
use crate::admin::status::{Cluster, ClusterState, Node, Pool, ShownRule};
use crate::base::words;
use crate::control::op::Switch;
use maud::{Markup, html};

/// Nodes of a cluster that are shown in it; the others are found by a search.
const MOST_NODES: usize = 25;

/// The sums of a line, each with its kind.
pub const TITLES: [(&str, &str); 6] = [
    ("nodes", "Nodes"),
    ("n", "Sessions"),
    ("share", "Capacity"),
    ("n", "Requests"),
    ("n", "p90"),
    ("n", "5xx"),
];

/// What is known of a cluster.
#[derive(Clone, Copy)]
pub struct ClusterContext<'s> {
    /// It, as it is.
    pub cluster: &'s Cluster,
    /// The last hour of it.
    pub past: Option<&'s ClusterHistory>,
    /// What leads where.
    pub rules: &'s [ShownRule],
    /// What time it is.
    pub now: &'s str,
}

/// A cluster in the list; `fold` opens or closes it.
pub fn section(context: ClusterContext<'_>, open: bool, fold: &View) -> Markup {
    let ClusterContext { cluster, past, .. } = context;
    let name = &*cluster.cluster;
    let heading = format!("cluster-{name}");
    html! {
        section.cluster .open[open] id=(format!("{heading}-all")) aria-labelledby=(heading) {
            div.line {
                h3 id=(heading) { a.fold data-view href=(fold.href()) aria-expanded=(open) { (name) } }
                (cluster_state(&cluster.state))
                dl.sums { @for ((kind, title), value) in TITLES.into_iter().zip(sums(cluster, past)) {
                    div class=(kind) { dt { (title) } dd { (value) } }
                } }
            }
            @if open { (inside(context, fold)) }
        }
    }
}

fn sums(cluster: &Cluster, past: Option<&ClusterHistory>) -> [Markup; TITLES.len()] {
    [
        states(&find::by_state(cluster.nodes.iter())),
        html! { (number(cluster.sessions)) },
        capacity(cluster.nodes.iter()),
        html! { (rate(past.map(|past| &past.rate))) },
        html! { (time(cluster.traffic.duration.p90_ms)) },
        html! { (number(server_errors(cluster))) },
    ]
}

/// How much of what they take is there, of the nodes that say how many that is.
pub fn capacity<'s>(nodes: impl Iterator<Item = &'s Node>) -> Markup {
    let limited = nodes.filter_map(|node| Some((node.sessions, node.capacity?)));
    let (sessions, most) =
        limited.fold((0, 0), |(sessions, most), (on, takes)| (sessions + on, most + takes));
    match most {
        0 => html! { span.of title="no node says how many sessions it takes" { "–" } },
        _ => html! { (bar(sessions, most)) (100 * sessions / most) " %" },
    }
}

fn inside(context: ClusterContext<'_>, view: &View) -> Markup {
    let ClusterContext { cluster, past, rules, now } = context;
    let name = &*cluster.cluster;
    let nodes = find::of_cluster(cluster, view);
    let all = nodes.len();
    let rows = nodes.into_iter().take(MOST_NODES);
    let rows = rows.map(|node| (FoundNode { cluster, node }, past.and_then(|past| past.node(&node.node))));
    html! {
        div.inside {
            p.of { (cluster.serving) " of " (words::count(all as u64, "node")) @if all == 1 { " serves, " } @else { " serve, " } (cluster.balance) "; " (routes::leading_to(name, rules)) }
            (figures(cluster, past))
            (node::table(&format!("Nodes of {name}"), rows, false, view, now))
            @if all > MOST_NODES {
                p { a data-view href=(view.searching(&format!("{name}/*"), false).href()) { "All " (number(all as u64)) " nodes of " (name) } }
            }
            @if !view.only_reads { (switch(cluster)) }
        }
    }
}

/// A cluster is switched off as a whole, and on again.
fn switch(cluster: &Cluster) -> Markup {
    let path = |to: Switch| format!("/api/clusters/{}/{}", cluster.cluster, to.word());
    html! {
        @if cluster.state == ClusterState::Disabled {
            form method="post" action=(path(Switch::Enable)) { button.main { "Enable the cluster" span.unseen { " " (cluster.cluster) } } }
        } @else {
            details.off {
                summary { "Switch off " (cluster.cluster) "…" }
                form method="post" action=(path(Switch::Disable)) {
                    p { "Every request for " (cluster.cluster) " is then answered 503; its sessions are kept." }
                    (node::reason())
                    button.grave { "Switch off " (cluster.cluster) }
                }
            }
        }
    }
}

fn figures(cluster: &Cluster, past: Option<&ClusterHistory>) -> Markup {
    let traffic = &cluster.traffic;
    let errors = server_errors(cluster);
    let part = 100.0 * errors as f64 / traffic.requests.max(1) as f64;
    let moved: u64 = traffic.moved.values().sum();
    let causes: Vec<String> =
        traffic.moved.iter().map(|(cause, n)| format!("{} {cause}", number(*n))).collect();
    let duration = &traffic.duration;
    let curve = |what, unit, series| spark(what, unit, series, Grain::Fine);
    html! {
        dl.figures {
            (figure("Sessions", &number(cluster.sessions), &format!("{} in the ledger", number(cluster.ledger.entries)),
                curve("Sessions", "", past.map(|past| &past.sessions))))
            (figure("Requests", &rate(past.map(|past| &past.rate)), &format!("{} since the start", number(traffic.requests)),
                curve("Requests a second", "", past.map(|past| &past.rate))))
            (figure("Latency", &time(duration.p50_ms), &format!("p90 {}, p99 {}", time(duration.p90_ms), time(duration.p99_ms)),
                curve("Latency, nine in ten requests", " ms", past.map(|past| &past.p90_ms))))
            (figure("In flight", &number(cluster.in_flight),
                &format!("{} open, {} waiting", words::count(traffic.tunnels, "socket"), number(cluster.waiting)), html! {}))
            (figure("Connections to nodes", &number(cluster.pool.open), &connections(&cluster.pool), html! {}))
            (figure("Errors 5xx", &number(errors), &format!("{part:.2} % of requests, {}", words::count(traffic.retries, "retry").replace("retrys", "retries")), html! {}))
            (figure("Moved sessions", &number(moved), &if causes.is_empty() { "none left its node".into() } else { causes.join(", ") }, html! {}))
        }
    }
}

fn server_errors(cluster: &Cluster) -> u64 {
    cluster.traffic.codes.iter().filter(|(code, _)| code.starts_with('5')).map(|(_, n)| n).sum()
}

fn time(ms: Option<f64>) -> String {
    ms.map_or("–".into(), |ms| format!("{} ms", brief(ms)))
}

/// How well connections are kept.
fn connections(pool: &Pool) -> String {
    let part = 100.0 * pool.reuses as f64 / (pool.reuses + pool.attempts).max(1) as f64;
    format!("{} idle, {} % reuse", number(pool.idle), brief(part))
}

fn figure(what: &str, value: &str, more: &str, curve: Markup) -> Markup {
    html! { div { dt { (what) } dd.value { (value) } dd.more { (more) } @if !curve.0.is_empty() { dd.curve { (curve) } } } }
}
