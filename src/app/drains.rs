//! Drains whose deadline has passed.

use super::App;
use crate::base::clock;
use crate::config::model::Then;
use crate::control::op::{NodeChange, Op, Target};

impl App {
    /// Ends them, also those of the time while nobody was running.
    pub(super) fn end_drains(&mut self) {
        for (target, then) in self.registry.overlay().drains_due(clock::unix_secs()) {
            let Target::Node { cluster, node } = &target else { continue };
            let table = self.registry.current().load_full();
            let known = table
                .clusters
                .iter()
                .find(|known| *known.name == **cluster)
                .and_then(|cluster| cluster.named(node));
            let (left, who) = known.map_or((0, String::new()), |node| (node.count(), node.left()));
            let op =
                Op { force: true, ..Op::of_node(cluster, node, NodeChange::EndDrain { left }, "deadline") };
            match self.change(&op) {
                Ok(_) => {
                    let what = match then {
                        _ if left == 0 => "nobody was left".to_owned(),
                        Then::Move => format!("{who}: they go to others"),
                        Then::Keep => format!("{who}: they stay"),
                    };
                    tracing::info!(
                        "cluster {cluster} node {node}: the deadline of its drain has passed, {what}"
                    );
                }
                Err(why) => tracing::warn!("cluster {cluster} node {node}: its drain cannot be ended: {why}"),
            }
        }
    }
}
