//! Names with `*` in them: one change for all the nodes that match. Which of those it is for, and who leaves
//! together.

use super::error::Error;
use super::limits::{Limit, NodeLimits};
use super::op::{Change, NodeChange, Op};
use crate::config::model::AdminState;
use crate::table::{Cluster, Node, Table};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A node's name, or a pattern: `*` stands for any number of letters. No name has one in it.
#[derive(Debug, Clone, Copy)]
pub struct NodePattern<'a>(&'a str);

impl<'a> NodePattern<'a> {
    /// This pattern; none if it is a name.
    pub fn of(text: &'a str) -> Option<Self> {
        text.contains('*').then_some(Self(text))
    }

    /// Whether a name is one of those that are meant.
    pub fn matches(self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

/// A change of the nodes that match a pattern, as one of each. None if it is of nothing else than it names.
pub fn expand(op: &Op, table: &Table) -> Result<Option<Vec<Op>>, Error> {
    let Change::Node { cluster, node, change } = &op.change else { return Ok(None) };
    let Some(pattern) = NodePattern::of(node) else { return Ok(None) };
    let Some(known) = table.clusters.iter().find(|known| *known.name == **cluster) else { return Ok(None) };
    let matching: Vec<&Arc<Node>> = known.nodes().filter(|node| pattern.matches(&node.spec.name)).collect();
    let names = |nodes: &mut dyn Iterator<Item = &Arc<Node>>| -> Vec<String> {
        nodes.map(|node| node.spec.name.to_string()).collect()
    };
    if matching.is_empty() {
        let (pattern, known) = (node.clone(), names(&mut known.nodes()));
        return Err(Error::NoMatch { pattern, known });
    }
    let meant: Vec<Op> = matching
        .iter()
        .filter(|node| is_for(change, node))
        .map(|node| {
            let change = Change::Node {
                cluster: cluster.clone(),
                node: node.spec.name.to_string(),
                change: change.clone(),
            };
            Op { change, ..op.clone() }
        })
        .collect();
    if meant.is_empty() {
        let matching = names(&mut matching.into_iter());
        return Err(Error::NoneFits { pattern: node.clone(), matching, wants: wants(change) });
    }
    Ok(Some(meant))
}

/// Whether a change of all that match is meant for this one: who waits is not drained, and who was removed does
/// not come back by it.
fn is_for(change: &NodeChange, node: &Node) -> bool {
    let admin = node.spec.admin;
    match change {
        NodeChange::Accept => admin == AdminState::Pending || node.claim().is_some(),
        NodeChange::Forget => node.spec.joined,
        NodeChange::Drain(_) | NodeChange::Disable | NodeChange::Remove | NodeChange::Enable => {
            !matches!(admin, AdminState::Pending | AdminState::Removed)
        }
        _ => true,
    }
}

/// What a node has to be for that.
fn wants(change: &NodeChange) -> &'static str {
    match change {
        NodeChange::Accept => "waits to be accepted",
        NodeChange::Forget => "has joined: what the conf file names is forgotten by taking its line out",
        _ => "is in the balance",
    }
}

/// Nodes that leave the balance together.
pub struct LeavingNodes<'a>(HashSet<(&'a str, u32)>);

impl<'a> LeavingNodes<'a> {
    /// Those that these changes take out.
    pub fn of(ops: &[Op], table: &'a Table) -> Self {
        let clusters: HashMap<&str, &'a Arc<Cluster>> =
            table.clusters.iter().map(|cluster| (&*cluster.name, cluster)).collect();
        let slots = ops.iter().filter_map(|op| {
            let Change::Node { cluster, node, change } = &op.change else { return None };
            let cluster = *clusters.get(&**cluster)?;
            let node = cluster.named(node).filter(|node| leaves(change, node))?;
            Some((&*cluster.name, node.live.slot))
        });
        Self(slots.collect())
    }

    /// Whether the node in a slot of a cluster is one of them.
    pub fn has(&self, cluster: &Cluster, slot: u32) -> bool {
        self.0.contains(&(&*cluster.name, slot))
    }
}

/// Whether a node takes no new sessions after this change.
pub fn leaves(change: &NodeChange, node: &Node) -> bool {
    match change {
        NodeChange::Drain(_) | NodeChange::Disable | NodeChange::Remove | NodeChange::Forget => true,
        NodeChange::Set(NodeLimits { weight: Some(0), .. }) => true,
        // it is full then
        NodeChange::Set(NodeLimits { max_sessions: Some(Limit::Most(most)), .. }) => {
            node.live.all_sessions() >= *most
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_what_a_shell_means_by_its_star() {
        for (pattern, name, is) in [
            ("*-old", "n1-old", true),
            ("*-old", "-old", true),
            ("*-old", "old", false),
            ("*-old", "n1-old-2", false),
            ("web-*", "web-", true),
            ("web-*", "web", false),
            ("*", "n1", true),
            ("**", "n1", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a*bb*b", "abb", false),
            ("a*bb*b", "abbb", true),
            ("*ab", "aab", true),
            ("app/*", "app/n1", true),
            ("app/*", "app2/n1", false),
            ("*/n1", "app/n1", true),
            ("*/n1", "app/n11", false),
            ("a*p/*1", "app/n1", true),
            ("*", "", true),
            ("**n**", "app/n1", true),
            ("app-0*-old", "app-07-old", true),
            ("app-0*-old", "app-0-ol", false),
        ] {
            assert_eq!(NodePattern::of(pattern).unwrap().matches(name), is, "{pattern} {name}");
        }
        assert!(NodePattern::of("n1").is_none());
    }
}
