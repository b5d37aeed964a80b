//! Nodes that came by themselves and have said nothing for longer than `join.forget-after`: names that change
//! with each deploy do not stay for ever.

use super::App;
use crate::base::clock::{Now, millis};
use crate::config::model::AdminState;
use crate::control::op::{NodeChange, Op};
use crate::table::{Cluster, Node, State};

/// Who asks for it.
const BY: &str = "forget-after";
/// Nodes get this part of the time to speak after a start of ours, before their silence counts.
const PART_AT_START: u32 = 24;

impl App {
    /// Forgets those whose time is over, all of them by one table if nothing is refused.
    pub(super) fn forget_silent(&mut self) {
        let (table, now) = (self.registry.current().load_full(), Now::look());
        let mut ops = Vec::new();
        for cluster in &table.clusters {
            let Some(limit) = cluster.conf.forget_after() else { continue };
            if now.ms() < millis(limit / PART_AT_START) {
                continue;
            }
            let over = |node: &&std::sync::Arc<Node>| {
                node.spec.joined
                    && is_silent_for(node, millis(limit), now)
                    && self.is_given_up(cluster, node, now)
            };
            ops.extend(cluster.nodes().filter(over).map(|node| Op {
                force: true,
                ..Op::of_node(&cluster.name, &node.spec.name, NodeChange::Forget, BY)
            }));
        }
        if ops.is_empty() || self.change_all(&ops.iter().collect::<Vec<_>>()).is_ok() {
            return;
        }
        // what is refused of one is no reason to keep the others
        for op in &ops {
            if let Err(why) = self.change_all(&[op]) {
                tracing::warn!("{} is silent and cannot be forgotten: {why}", op.target());
            }
        }
    }

    /// Whether nothing is lost with it: it waits, or was removed; or it would be let in again by itself, nothing
    /// was decided of it, and nobody is served there.
    fn is_given_up(&self, cluster: &Cluster, node: &Node, now: Now) -> bool {
        let admits_itself =
            || cluster.conf.join.iter().any(|join| join.admit.as_slice().iter().any(|word| word != "ask"));
        let is_left_alone = || {
            let decided = self.registry.overlay().node(&cluster.name, &node.spec.name);
            decided.is_some_and(|decided| decided.is_only_joined())
        };
        match node.spec.admin {
            AdminState::Pending | AdminState::Removed => true,
            _ => node.state(now) == State::Down && node.count() == 0 && admits_itself() && is_left_alone(),
        }
    }
}

/// Whether it has said nothing for so many milliseconds, as far as this process knows.
fn is_silent_for(node: &Node, ms: u64, now: Now) -> bool {
    node.live.report.silence(now).unwrap_or(now.ms()) > ms
}
