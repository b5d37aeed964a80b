//! All clusters at a glance: sums, search, index, and the list of what is looked at, a page of it at a time.

use super::bulk;
use super::cluster::{self, ClusterContext, capacity};
use super::find::{self, FoundNode};
use super::node;
use super::parts::{brief, number, state, to_view};
use super::view::{View, ViewOrder};
use crate::admin::history::MetricHistory;
use crate::admin::status::{Cluster, ClusterState, ShownRule, Status};
use crate::base::words;
use maud::{Markup, html};

/// Clusters of a page, and nodes of one.
const CLUSTERS: usize = 50;
const NODES: usize = 25;
/// Pages that the index names at most; where there are more, one stands for several.
const INDEX: usize = 40;

/// The section of it.
pub fn section(status: &Status, rules: &[ShownRule], history: &MetricHistory, view: &View) -> Markup {
    let all: usize = status.clusters.iter().map(|cluster| cluster.nodes.len()).sum();
    html! {
        section #fleet aria-labelledby="fleet-title" {
            div.sum {
                h2 #fleet-title { (words::count(status.clusters.len() as u64, "cluster")) ", " (words::count(all as u64, "node")) }
                (totals(status, history, view))
            }
            (search(view))
            @if view.narrows() { (found(status, history, view)) }
            @else { (list(status, rules, history, view)) }
        }
    }
}

/// Nodes by state, each a link to those, and what they do together.
fn totals(status: &Status, history: &MetricHistory, view: &View) -> Markup {
    let clusters = &status.clusters;
    let sessions: u64 = clusters.iter().map(|cluster| cluster.sessions).sum();
    let nodes = || clusters.iter().flat_map(|cluster| &cluster.nodes);
    let last = |cluster: &Cluster| history.cluster(&cluster.cluster)?.rate.samples().last().flatten();
    let rates: Vec<f32> = clusters.iter().filter_map(last).collect();
    html! {
        p.states {
            @for (word, count) in find::by_state(nodes()) {
                (to_view(&view.searching(word.as_str(), false), &html! { (state(&word)) " " strong { (number(count)) } })) " "
            }
        }
        dl.sums {
            div { dt { "Sessions" } dd { (number(sessions)) } }
            @if nodes().any(|node| node.capacity.is_some()) { div.share { dt { "Capacity" } dd { (capacity(nodes())) } } }
            @if !rates.is_empty() { div { dt { "Requests" } dd { (brief(rates.iter().map(|rate| f64::from(*rate)).sum())) " /s" } } }
            div { dt { "In flight" } dd { (number(clusters.iter().map(|cluster| cluster.in_flight).sum())) } }
        }
    }
}

fn search(view: &View) -> Markup {
    let words = |order: ViewOrder| match order {
        ViewOrder::File => "as in the file",
        ViewOrder::Name => "name",
        ViewOrder::Sessions => "most sessions",
        ViewOrder::Load => "highest load",
        ViewOrder::State => "worst state",
        ViewOrder::Since => "latest change",
    };
    html! {
        form #search role="search" method="get" action="/" {
            @for (name, value) in view.kept() { input type="hidden" name=(name) value=(value); }
            label.find { span { "Search" } input #q type="search" name="q" value=(view.search) maxlength="200" placeholder="cluster, node, address, route or state; * is anything" autocomplete="off" spellcheck="false"; }
            label.check { input #only type="checkbox" name="only" value="not-ready" checked[view.attention]; span { "Only what is not ready" } }
            label { span { "Sort by" } select #sort name="sort" autocomplete="off" {
                @for order in ViewOrder::ALL { option value=(order.word()) selected[order == view.order()] { (words(order)) } }
            } }
            button { "Search" }
            @if view.narrows() { a.button data-view href=(view.searching("", false).href()) { "All clusters" } }
        }
    }
}

/// The nodes that are searched for.
fn found(status: &Status, history: &MetricHistory, view: &View) -> Markup {
    let all = find::nodes(status, view);
    let pages = Pages::of(view.page, all.len(), NODES);
    let past = |found: &FoundNode<'_>| history.cluster(&found.cluster.cluster)?.node(&found.node.node);
    let rows = pages.of_page(&all).iter().map(|found| (*found, past(found)));
    html! {
        p #found role="status" {
            strong { (words::count(all.len() as u64, "node")) " found" }
            @if all.is_empty() { @if view.attention && view.search.is_empty() { ": everything is ready." } @else { ": nothing is called so, or is there, or is in that state." } }
        }
        @if !all.is_empty() {
            (bulk::bar(view, all.len()))
            (node::table("Nodes found", rows, true, view, &status.time))
            (pages.links(view, "nodes"))
        }
    }
}

fn list(status: &Status, rules: &[ShownRule], history: &MetricHistory, view: &View) -> Markup {
    let nodes = status.clusters.iter().map(|cluster| cluster.nodes.len()).sum();
    let all = find::clusters(status, view);
    let pages = Pages::of(view.page, all.len(), CLUSTERS);
    let page = pages.of_page(&all);
    let open: Vec<&str> =
        all.iter().map(|cluster| &*cluster.cluster).filter(|name| view.opens(name, nodes)).collect();
    let context = |cluster| ClusterContext {
        cluster,
        past: history.cluster(&cluster.cluster),
        rules,
        now: &status.time,
    };
    let is_open = |cluster: &Cluster| open.contains(&&*cluster.cluster);
    html! {
        @if all.len() > 1 { (index(&all, &pages, view)) }
        @if page.iter().any(|cluster| is_open(cluster)) { (bulk::bar(view, 0)) }
        div #clusters {
            div.line.titles aria-hidden="true" {
                span { "Cluster" } span { "State" }
                div.sums { @for (kind, title) in cluster::TITLES { div class=(kind) { (title) } } }
            }
            @for cluster in page {
                (cluster::section(context(cluster), is_open(cluster), &view.folded(&cluster.cluster, &open)))
            }
        }
        (pages.links(view, "clusters"))
    }
}

/// The clusters of this page, and the pages by what they begin and end with.
fn index(all: &[&Cluster], pages: &Pages, view: &View) -> Markup {
    let step = pages.count().div_ceil(INDEX).max(1);
    let lacking = |of: &[&Cluster]| of.iter().filter(|cluster| is_lacking(cluster)).count() as u64;
    html! {
        details #index {
            summary { "Index" }
            nav aria-label="Index" {
                @if pages.count() > 1 {
                    ul.pages { @for (at, part) in all.chunks(CLUSTERS * step).enumerate() {
                        @let shown = at == pages.at / step;
                        li { a data-view href=(view.at(at * step).href()) aria-current=[shown.then_some("page")] {
                            (part[0].cluster) " – " (part[part.len() - 1].cluster)
                            @if lacking(part) > 0 { " " b.odd.plain { (lacking(part)) " not ready" } }
                        } }
                    } }
                }
                ul { @for cluster in pages.of_page(all) {
                    li { a href=(format!("#cluster-{}", cluster.cluster)) { (cluster.cluster) @if is_lacking(cluster) { " " b.odd.plain { (cluster.state) } } } }
                } }
            }
        }
    }
}

/// Whether somebody should look at it.
pub fn is_lacking(cluster: &Cluster) -> bool {
    cluster.state != ClusterState::Ready && cluster.state != ClusterState::Disabled
}

/// What is shown of a long list.
struct Pages {
    at: usize,
    all: usize,
    each: usize,
}

impl Pages {
    /// At this page, or the last there is.
    fn of(wanted: usize, all: usize, each: usize) -> Self {
        Self { at: wanted.min(all.div_ceil(each).saturating_sub(1)), all, each }
    }

    fn count(&self) -> usize {
        self.all.div_ceil(self.each)
    }

    fn of_page<'a, T>(&self, list: &'a [T]) -> &'a [T] {
        let first = self.at * self.each;
        &list[first..(first + self.each).min(list.len())]
    }

    fn links(&self, view: &View, what: &str) -> Markup {
        let (first, last) = (self.at * self.each + 1, ((self.at + 1) * self.each).min(self.all));
        html! {
            @if self.count() > 1 {
                nav.pager aria-label=(format!("Pages of {what}")) {
                    @if self.at > 0 { a.button data-view rel="prev" href=(view.at(self.at - 1).href()) { "Before" } }
                    span { (number(first as u64)) "–" (number(last as u64)) " of " (number(self.all as u64)) " " (what) }
                    @if self.at + 1 < self.count() { a.button data-view rel="next" href=(view.at(self.at + 1).href()) { "Next" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_there_is_the_last() {
        let list: Vec<usize> = (0..101).collect();
        for (wanted, first, len) in [(0, 0, 50), (1, 50, 50), (2, 100, 1), (99, 100, 1), (usize::MAX, 100, 1)]
        {
            let pages = Pages::of(wanted, list.len(), 50);
            assert_eq!((pages.of_page(&list)[0], pages.of_page(&list).len()), (first, len), "{wanted}");
        }
        assert!(Pages::of(3, 0, 50).of_page(&list[..0]).is_empty());
    }
}
