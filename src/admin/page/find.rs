//! Finds and orders nodes and clusters.

use super::view::{View, ViewOrder};
use crate::admin::status::{Cluster, ClusterState, Node, Status};
use crate::base::words::Word;
use crate::control::pattern::NodePattern;
use crate::table::State;
use std::cmp::{Ordering, Reverse};

/// A node with its cluster.
#[derive(Clone, Copy)]
pub struct FoundNode<'s> {
    /// Its cluster.
    pub cluster: &'s Cluster,
    /// The node.
    pub node: &'s Node,
}

/// The nodes that a view is narrowed to, in its order.
pub fn nodes<'s>(status: &'s Status, view: &View) -> Vec<FoundNode<'s>> {
    let terms: Vec<String> = view.search.split_whitespace().map(str::to_lowercase).collect();
    let all = status
        .clusters
        .iter()
        .flat_map(|cluster| cluster.nodes.iter().map(move |node| FoundNode { cluster, node }));
    let mut found: Vec<FoundNode<'_>> = all
        .filter(|found| !view.attention || !is_ready(found.node))
        .filter(|found| found.is_meant(&terms))
        .collect();
    found.sort_by(|a, b| a.compare(b, view.order()));
    found
}

/// The clusters in the order of a view.
pub fn clusters<'s>(status: &'s Status, view: &View) -> Vec<&'s Cluster> {
    let mut all: Vec<&Cluster> = status.clusters.iter().collect();
    match view.order() {
        ViewOrder::File => {}
        ViewOrder::Name => all.sort_by(|a, b| natural(&a.cluster, &b.cluster)),
        ViewOrder::Sessions => all.sort_by_key(|cluster| Reverse(cluster.sessions)),
        ViewOrder::Load => all.sort_by_key(|cluster| Reverse(cluster.nodes.iter().map(fill).max())),
        ViewOrder::State => all.sort_by_key(|cluster| {
            (cluster_rank(&cluster.state), cluster.nodes.iter().map(|node| rank(&node.state)).min())
        }),
        ViewOrder::Since => all.sort_by(|a, b| latest(b).cmp(&latest(a))),
    }
    all
}

/// The nodes of a cluster in the order of a view.
pub fn of_cluster<'s>(cluster: &'s Cluster, view: &View) -> Vec<&'s Node> {
    let mut all: Vec<FoundNode<'_>> = cluster.nodes.iter().map(|node| FoundNode { cluster, node }).collect();
    all.sort_by(|a, b| a.compare(b, view.order()));
    all.into_iter().map(|found| found.node).collect()
}

/// How many nodes are in each state, the worst first.
pub fn by_state<'s>(nodes: impl Iterator<Item = &'s Node>) -> Vec<(Word<State>, u64)> {
    let mut counted: Vec<(Word<State>, u64)> = Vec::new();
    for node in nodes {
        match counted.iter_mut().find(|(state, _)| state.as_str() == node.state.as_str()) {
            Some((_, count)) => *count += 1,
            None => counted.push((node.state.clone(), 1)),
        }
    }
    counted.sort_by_key(|(state, _)| rank(state));
    counted
}

/// Whether it takes all that it is meant to take.
pub fn is_ready(node: &Node) -> bool {
    matches!(node.state.known(), Some(State::Ready | State::Aside)) && node.claimed.is_none()
}

impl FoundNode<'_> {
    /// Which of two comes first. In the order of the file neither does: they stay as they are.
    fn compare(&self, other: &Self, order: ViewOrder) -> Ordering {
        let (a, b) = (self.node, other.node);
        match order {
            ViewOrder::File => Ordering::Equal,
            ViewOrder::Name => {
                natural(&self.cluster.cluster, &other.cluster.cluster).then_with(|| natural(&a.node, &b.node))
            }
            ViewOrder::Sessions => b.sessions.cmp(&a.sessions),
            ViewOrder::Load => fill(b).cmp(&fill(a)),
            ViewOrder::State => rank(&a.state).cmp(&rank(&b.state)),
            ViewOrder::Since => b.since.cmp(&a.since),
        }
    }

    /// Each word of the search is in a name, an address or a route, or is the state. One with a star is a
    /// pattern of the whole.
    fn is_meant(&self, terms: &[String]) -> bool {
        if terms.is_empty() {
            return true;
        }
        let Self { cluster, node } = self;
        let full = format!("{}/{}", cluster.cluster, node.node);
        let fields =
            [&full, &cluster.cluster, &node.node, &node.url, &node.route].map(|field| field.to_lowercase());
        terms.iter().all(|term| match NodePattern::of(term) {
            Some(pattern) => fields.iter().any(|field| pattern.matches(field)),
            None => node.state.as_str() == term || fields.iter().any(|field| field.contains(term.as_str())),
        })
    }
}

/// How full it is, in percent: by its own word, else by its sessions.
fn fill(node: &Node) -> u64 {
    let by_sessions = node.capacity.map(|most| 100 * node.sessions / most.max(1));
    node.load.or(by_sessions).unwrap_or_default()
}

fn latest(cluster: &Cluster) -> Option<&str> {
    cluster.nodes.iter().map(|node| &*node.since).max()
}

/// The worse, the smaller.
fn rank(state: &Word<State>) -> u8 {
    match state.known() {
        Some(State::Down) => 0,
        Some(State::Pending) => 1,
        Some(State::Silent) => 2,
        Some(State::Unknown) | None => 3,
        Some(State::Syncing) => 4,
        Some(State::Full) => 5,
        Some(State::Draining) => 6,
        Some(State::Drained) => 7,
        Some(State::Maintenance) => 8,
        Some(State::Removed) => 9,
        Some(State::Ready | State::Aside) => 10,
    }
}

fn cluster_rank(state: &Word<ClusterState>) -> u8 {
    match state.known() {
        Some(ClusterState::Down) => 0,
        Some(ClusterState::Degraded) | None => 1,
        Some(ClusterState::Disabled) => 2,
        Some(ClusterState::Ready) => 3,
    }
}

/// Names as people order them: n2 before n10.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (left, right) = (digits(a), digits(b));
        if left > 0 && right > 0 {
            let (x, y) = (a[..left].trim_start_matches('0'), b[..right].trim_start_matches('0'));
            match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                Ordering::Equal => (a, b) = (&a[left..], &b[right..]),
                other => return other,
            }
            continue;
        }
        let (mut rest_a, mut rest_b) = (a.chars(), b.chars());
        match (rest_a.next(), rest_b.next()) {
            (Some(x), Some(y)) => match x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase()) {
                Ordering::Equal => (a, b) = (rest_a.as_str(), rest_b.as_str()),
                other => return other,
            },
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
        }
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = ["n10", "n2", "N1", "n02b", "app", "n", "n2a"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["app", "n", "N1", "n2", "n2a", "n02b", "n10"]);
    }
}
