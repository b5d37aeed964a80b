//! What would stop working by a change of a node, and is not done unless it is forced: the last node that takes
//! sessions, the last with a role, sessions that are still there. Nodes that leave together are looked at as one.

use super::error::Error;
use super::harm::Harm;
use super::op::NodeChange;
use super::pattern::{LeavingNodes, leaves};
use crate::base::clock::Now;
use crate::config::model::AdminState;
use crate::heartbeat::Role;
use crate::table::session_names::ShownSession;
use crate::table::{Cluster, Node, State};
use std::sync::Arc;

/// Whether a change may be made of a node; `leaving`: all that leave with it.
pub fn preflight(
    cluster: &Cluster,
    node: &Arc<Node>,
    change: &NodeChange,
    (force, leaving): (bool, &LeavingNodes<'_>),
    now: Now,
) -> Result<(), Error> {
    if !leaves(change, node) {
        return Ok(());
    }
    let (name, of) = (|| node.spec.name.to_string(), || cluster.name.to_string());
    let harm = |harm| Err(Error::Harm(harm));
    let goes = matches!(change, NodeChange::Remove | NodeChange::Forget);
    // one that does not answer tells nobody any more, and cannot be told to give up its role
    let is_over = *change == NodeChange::Forget && matches!(node.state(now), State::Down | State::Removed);
    if goes && node.has_role(Role::Lb) && node.spec.admin != AdminState::Pending && !is_over {
        return harm(Harm::TellsClients { node: name() });
    }
    if force {
        return Ok(());
    }
    let is_gone = |other: &Node| other.live.slot == node.live.slot || leaving.has(cluster, other.live.slot);
    let others = || cluster.nodes().filter(|other| !is_gone(other));
    for role in Role::ALL {
        // one that is draining is on its way out itself
        let is_there = |state| matches!(state, State::Ready | State::Full | State::Syncing | State::Aside);
        let serves = |other: &&Arc<Node>| other.has_role(role) && is_there(other.state(now));
        if node.has_role(role) && is_there(node.state(now)) && !others().any(|other| serves(&other)) {
            return harm(Harm::LastOfRole { node: name(), cluster: of(), role });
        }
    }
    if node.state(now) == State::Ready
        && !others().any(|other| matches!(other.state(now), State::Ready | State::Full))
    {
        let last = cluster.nodes().filter(|other| is_gone(other) && other.state(now) == State::Ready);
        let nodes = last.map(|node| node.spec.name.to_string()).collect();
        return harm(Harm::LastOfAll { nodes, cluster: of() });
    }
    let sessions = node.live.all_sessions();
    // who was left at the end of a drain goes elsewhere already
    if goes && sessions > 0 && node.spec.admin != AdminState::Drained {
        return harm(Harm::Sessions {
            node: name(),
            cluster: of(),
            sessions,
            newest: newest(cluster, node, now.secs()),
        });
    }
    Ok(())
}

/// The sessions of a node that were seen last, and how many seconds ago.
fn newest(cluster: &Cluster, node: &Node, now: u32) -> Vec<(ShownSession, u32)> {
    const MOST: usize = 5;
    let newest = cluster.live.ledger.newest_on(node.live.slot, MOST).into_iter();
    newest.map(|(id, seen)| (cluster.live.names.shown(id), now.saturating_sub(seen.last))).collect()
}
