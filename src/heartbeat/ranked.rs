//! The ranked list: where a thick client is to go, the node with the smallest workload first.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Ordering;

/// A node on the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked<'a> {
    /// Its name.
    #[serde(borrow)]
    pub node: Cow<'a, str>,
    /// Its address.
    #[serde(borrow)]
    pub url: Cow<'a, str>,
    /// Sessions by capacity, to four places; absent for a node whose capacity is not known.
    pub workload: Option<f64>,
    /// Its live sessions.
    pub sessions: u32,
    /// The sessions it can hold.
    pub capacity: Option<u32>,
}

impl<'a> Ranked<'a> {
    /// A node with its workload. A capacity of 0 is as good as none.
    pub fn new(
        node: impl Into<Cow<'a, str>>,
        url: impl Into<Cow<'a, str>>,
        sessions: u32,
        capacity: Option<u32>,
    ) -> Self {
        let capacity = capacity.filter(|capacity| *capacity > 0);
        let workload = capacity
            .map(|capacity| (f64::from(sessions) / f64::from(capacity) * 10_000.0).round() / 10_000.0);
        Self { node: node.into(), url: url.into(), workload, sessions, capacity }
    }

    /// By workload as it is, not as it is rounded; nodes of unknown capacity last. Names settle what is
    /// equal, so that any two proxies that know the same give the same list.
    fn order(&self, other: &Self) -> Ordering {
        let product = |sessions: u32, capacity: u32| u64::from(sessions) * u64::from(capacity);
        let workload = match (self.capacity, other.capacity) {
            (Some(own), Some(others)) => product(self.sessions, others).cmp(&product(other.sessions, own)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.sessions.cmp(&other.sessions),
        };
        workload.then_with(|| self.node.cmp(&other.node))
    }
}

/// Puts nodes in the order in which clients are to try them.
pub fn rank(nodes: &mut [Ranked<'_>]) {
    nodes.sort_by(Ranked::order);
}

/// The list as plain text: one address a line.
pub fn plain(nodes: &[Ranked<'_>]) -> String {
    nodes.iter().flat_map(|node| [&*node.url, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(mut nodes: Vec<Ranked<'_>>) -> String {
        rank(&mut nodes);
        nodes.iter().map(|node| &*node.node).collect::<Vec<_>>().join(" ")
    }

    fn node(name: &str, sessions: u32, capacity: Option<u32>) -> Ranked<'_> {
        Ranked::new(name, format!("http://{name}:80"), sessions, capacity)
    }

    #[test]
    fn a2_b2_the_smallest_workload_comes_first_and_unknown_capacity_last() {
        for (nodes, order) in [
            (vec![node("a", 8, Some(10)), node("b", 3, Some(10)), node("c", 1, Some(2))], "b c a"),
            (
                vec![node("a", 0, None), node("b", 99, Some(10)), node("c", 0, Some(0)), node("d", 1, None)],
                "b a c d",
            ),
            (vec![node("b", 1, Some(2)), node("a", 2, Some(4)), node("c", 0, Some(1))], "c a b"),
            // Equal when rounded.
            (
                vec![node("a", 1_000_001, Some(4_000_000_000)), node("b", 1_000_000, Some(4_000_000_000))],
                "b a",
            ),
        ] {
            assert_eq!(names(nodes), order);
        }
    }

    #[test]
    fn the_list_is_shown_in_two_ways() {
        let mut nodes = vec![node("n1", 1, Some(3)), node("n2", 7, None)];
        rank(&mut nodes);
        assert_eq!(
            serde_json::to_string(&nodes).unwrap(),
            r#"[{"node":"n1","url":"http://n1:80","workload":0.3333,"sessions":1,"capacity":3},{"node":"n2","url":"http://n2:80","workload":null,"sessions":7,"capacity":null}]"#
        );
        assert_eq!(plain(&nodes), "http://n1:80\nhttp://n2:80\n");
        assert_eq!(plain(&[]), "");
    }

    proptest! {
        #[test]
        fn any_two_proxies_agree(loads in proptest::collection::vec((any::<u32>(), proptest::option::of(any::<u32>())), 0..8), by in 0..8usize) {
            let names: Vec<String> = (0..loads.len()).map(|n| format!("n{n}")).collect();
            let mut one: Vec<_> = names.iter().zip(&loads).map(|(name, (sessions, capacity))| node(name, *sessions, *capacity)).collect();
            let mut other = one.clone();
            let by = by.min(other.len());
            other.rotate_left(by);
            rank(&mut one);
            rank(&mut other);
            prop_assert_eq!(&one, &other);
            let text = serde_json::to_string(&one).unwrap();
            let back: Vec<Ranked<'_>> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
        }
    }
}
