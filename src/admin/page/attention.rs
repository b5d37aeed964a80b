//! What somebody should look at.

use super::find;
use super::lists::{DAY, called, expiry, findings, validity};
use super::parts::{BAD, GOOD, ODD, anchor, cluster_state, number, sign, since, state};
use super::view::View;
use crate::admin::operate::NodeAction;
use crate::admin::status::{Cluster, ClusterState, Node, Status};
use crate::base::words;
use crate::table::State;
use maud::{Markup, html};

/// What is named, of each kind; the others are counted.
const MOST: usize = 6;

/// The section of it.
pub fn section(status: &Status, view: &View) -> Markup {
    let mut items = Vec::new();
    of_process(status, &mut items);
    of_clusters(status, view, &mut items);
    let soon = status.certificates.iter().filter(|certificate| certificate.left < 30 * DAY);
    for certificate in soon.clone().take(MOST) {
        items.push(html! { (validity(certificate)) " The certificate of " (called(certificate)) " " (expiry(certificate)) "." });
    }
    if let Some(more) = soon.count().checked_sub(MOST).filter(|more| *more > 0) {
        items.push(html! { (words::count(more as u64, "more certificate")) " expire within 30 days." });
    }
    html! {
        section #attention .quiet[items.is_empty()] aria-labelledby="attention-title" {
            h2 #attention-title { "Needs attention" }
            @if items.is_empty() { p { (sign(GOOD, "good")) " Nothing." } }
            @else { ul { @for item in items { li { (item) } } } }
        }
    }
}

fn of_process(status: &Status, items: &mut Vec<Markup>) {
    if !status.reload.ok {
        items.push(html! {
            (sign(BAD, "refused")) " The conf file was refused " (since(&status.reload.at, &status.time)) " ago; what ran before goes on."
            (findings(&status.reload))
        });
    }
    let lost = status.lost_lines.slow + status.lost_lines.failed;
    if lost > 0 {
        items.push(html! { (sign(ODD, "lost")) " " (words::count(lost, "line")) " of the access log could not be written since the start; the log of the process says why." });
    }
}

fn of_clusters(status: &Status, view: &View, items: &mut Vec<Markup>) {
    let all: usize = status.clusters.iter().map(|cluster| cluster.nodes.len()).sum();
    let down = || status.clusters.iter().filter(|cluster| cluster.state == ClusterState::Down);
    for cluster in down().take(MOST) {
        let name = &*cluster.cluster;
        let href = if view.opens(name, all) {
            format!("#cluster-{name}")
        } else {
            view.searching(&format!("{name}/*"), false).href()
        };
        items.push(html! { (cluster_state(&ClusterState::Down.into())) " No node of " (link(&href, &html! { (name) })) " serves." });
    }
    if let Some(more) = down().count().checked_sub(MOST).filter(|more| *more > 0) {
        items.push(html! { (words::count(more as u64, "more cluster")) " without a node that serves." });
    }
    let waits = |node: &Node| node.claimed.is_some() || node.state == State::Pending;
    let sick = |node: &Node| matches!(node.state.known(), Some(State::Down | State::Silent));
    let nodes = |wanted: &dyn Fn(&Node) -> bool| -> Vec<(&Cluster, &Node)> {
        let all =
            status.clusters.iter().flat_map(|cluster| cluster.nodes.iter().map(move |node| (cluster, node)));
        all.filter(|(_, node)| wanted(node)).collect()
    };
    for found in [nodes(&waits), nodes(&|node| sick(node) && !waits(node))] {
        items.extend(
            found.iter().take(MOST).map(|(cluster, node)| one(cluster, node, view, all, waits(node))),
        );
        if found.len() > MOST {
            let by = find::by_state(found[MOST..].iter().map(|(_, node)| *node));
            let by: Vec<String> =
                by.iter().map(|(word, count)| format!("{} {word}", number(*count))).collect();
            items.push(html! { "And " (by.join(", ")) ": " a data-view href=(view.searching("", true).href()) { "all that is not ready" } });
        }
    }
}

fn one(cluster: &Cluster, node: &Node, view: &View, all: usize, waits: bool) -> Markup {
    let (cluster, name) = (&*cluster.cluster, &*node.node);
    let href = if view.opens(cluster, all) && !view.narrows() {
        format!("#{}", anchor(cluster, name))
    } else {
        view.searching(&format!("{cluster}/{name}"), false).href()
    };
    html! {
        (state(&node.state)) " " (link(&href, &html! { (cluster) "/" (name) })) " " (node.why)
        @if waits && !view.only_reads {
            form method="post" action=(format!("/api/clusters/{cluster}/nodes/{name}/{}", NodeAction::Accept.word())) {
                button.main { "Accept " (name) }
            }
        }
    }
}

/// A place of this page, or another view of it.
fn link(href: &str, words: &Markup) -> Markup {
    html! { a data-view[href.starts_with('/')] href=(href) { (words) } }
}
