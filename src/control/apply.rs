//! What an operation does to the decisions, and whether it may: what would stop working is not done unless it
//! is forced.

use super::drain::DrainRequest;
use super::error::{Error, Harm};
use super::limits::{Limit, NodeLimits};
use super::op::{Change, JoinRequest, NodeChange, Op};
use super::overlay::{JoinedNode, MOST_NODES, NodeOverride, Overlay, WantedState};
use super::runtime_value::{Actor, FileValue, RuntimeValue};
use super::switch;
use crate::base::clock::Now;
use crate::config::model::{Config, Node as NodeConf, NodeTable};
use crate::heartbeat::Role;
use crate::table::{Cluster, Node, State, Table};
use std::sync::Arc;

/// What changes are made on.
#[derive(Clone, Copy)]
pub struct EditContext<'a> {
    /// What the conf file says.
    pub file: &'a Config,
    /// What runs now.
    pub table: &'a Table,
    /// When they are made.
    pub now: Now,
}

/// A node that is to be changed.
struct ChangedNode<'a> {
    cluster: &'a Cluster,
    node: &'a Arc<Node>,
    /// What the conf file says of it.
    written: Option<NodeTable>,
    now: Now,
}

/// Enters an operation into the decisions, or says why not. Returns what it changes that no conf file could
/// say, in words.
pub fn apply(op: &Op, overlay: &mut Overlay, ground: EditContext<'_>) -> Result<Option<String>, Error> {
    let by = Actor::of(&op.by, ground.now.unix_secs());
    let (cluster_name, node_name, change) = match &op.change {
        Change::Node { cluster, node, change } => (cluster, node, change),
        Change::Cluster { cluster, change } => {
            let known = find(ground.table, cluster)?;
            return switch::cluster(known, *change, &mut overlay.switched, ground.file, (by, op.force))
                .map(|()| None);
        }
        Change::Rule { rule, change } => {
            return switch::rule(*rule, *change, &mut overlay.switched, ground.file, by).map(|()| None);
        }
        _ => return Err(Error::Fixed(op.target())),
    };
    let cluster = find(ground.table, cluster_name)?;
    if let NodeChange::Join(arrival) = change {
        if overlay.nodes_of(cluster_name) >= MOST_NODES {
            return Err(Error::Crowded { cluster: cluster_name.clone(), most: MOST_NODES });
        }
        // two beats of one node may ask at the same time
        overlay
            .node_mut(cluster_name, node_name)
            .joined
            .get_or_insert_with(|| JoinedNode::new(arrival, ground.now.unix_secs()));
        return Ok(None);
    }
    let known = || cluster.nodes().map(|node| node.spec.name.to_string()).collect();
    let node =
        cluster.named(node_name).ok_or_else(|| Error::NoNode { node: node_name.clone(), known: known() })?;
    preflight(cluster, node, change, op.force, ground.now)?;
    let written =
        ground.file.cluster.get(cluster_name).and_then(|conf| conf.nodes.get(node_name)).map(NodeConf::table);
    let subject = ChangedNode { cluster, node, written, now: ground.now };
    let decided = overlay.node_mut(cluster_name, node_name);
    let told = decided.change(change, &subject, by)?;
    decided.tidy(subject.written.as_ref());
    Ok(told)
}

/// The cluster of a name, or which there are.
fn find<'t>(table: &'t Table, name: &str) -> Result<&'t Cluster, Error> {
    let known = || table.clusters.iter().map(|cluster| cluster.name.to_string()).collect();
    let cluster = table.clusters.iter().find(|cluster| *cluster.name == *name);
    cluster
        .map(|cluster| &**cluster)
        .ok_or_else(|| Error::NoCluster { cluster: name.to_owned(), known: known() })
}

fn over<T: Clone>(written: Option<&NodeTable>, of: impl Fn(&NodeTable) -> T) -> FileValue<T> {
    written.map_or(FileValue::Nothing, |table| FileValue::Value(of(table)))
}

impl NodeOverride {
    /// Returns what the change amounts to, where no conf file could say it.
    fn change(
        &mut self,
        change: &NodeChange,
        subject: &ChangedNode<'_>,
        by: Actor,
    ) -> Result<Option<String>, Error> {
        let ChangedNode { node, written, now, .. } = subject;
        let written = written.as_ref();
        match change {
            NodeChange::Enable => self.want(WantedState::Enabled, written, by),
            NodeChange::Drain(request) => return Ok(self.begin_drain(*request, subject, by)),
            NodeChange::Disable => self.want(WantedState::Maintenance, written, by),
            NodeChange::Remove => self.want(WantedState::Removed, written, by),
            NodeChange::Accept => match (&mut self.joined, node.claim()) {
                (Some(joined), _) if joined.accepted.is_none() => joined.accepted = Some(by),
                (Some(joined), Some(claim)) => {
                    (joined.url, joined.from, joined.accepted) = (claim.url, Some(claim.from), Some(by))
                }
                _ if node.state(*now) == State::Removed => self.want(WantedState::Enabled, written, by),
                _ => {
                    return Err(Error::NotWaiting {
                        node: node.spec.name.to_string(),
                        state: node.state(*now),
                    });
                }
            },
            NodeChange::Set(limits) => self.limit(limits, written, &by)?,
            NodeChange::EndDrain { left } => {
                if let Some(RuntimeValue { to: WantedState::Draining(drain), .. }) = &mut self.wanted {
                    (drain.over, drain.left) = (true, Some(*left));
                }
            }
            NodeChange::Relocate(JoinRequest { url, from, admitted }) => {
                // it may have been accepted meanwhile
                if let Some(joined) =
                    self.joined.as_mut().filter(|joined| admitted.is_some() || joined.accepted.is_none())
                {
                    let accepted = admitted.as_ref().map(|who| Actor::named(who.clone(), by.at));
                    (joined.url, joined.from, joined.accepted) = (url.clone(), Some(*from), accepted);
                }
            }
            NodeChange::Join(_) => {}
        }
        Ok(None)
    }

    fn begin_drain(&mut self, request: DrainRequest, subject: &ChangedNode<'_>, by: Actor) -> Option<String> {
        let ChangedNode { cluster, node, written, .. } = subject;
        let of_file = written.as_ref().map(|table| WantedState::of(table.state));
        let on = self.wanted.as_ref().map(|set| &set.to).or(of_file.as_ref()).and_then(WantedState::drain);
        let drain = request.over(on, by.at);
        let told = on
            .and_then(|on| on.change(&drain, &node.spec.name, by.at))
            .map(|change| format!("cluster {}: {change}", cluster.name));
        self.want(WantedState::Draining(drain), written.as_ref(), by);
        told
    }

    fn want(&mut self, to: WantedState, written: Option<&NodeTable>, by: Actor) {
        self.wanted =
            Some(RuntimeValue { to, over: over(written, |table| WantedState::of(table.state)), by });
    }

    fn limit(&mut self, limits: &NodeLimits, written: Option<&NodeTable>, by: &Actor) -> Result<(), Error> {
        if let Some(flaw) = limits.flaw() {
            return Err(Error::Limits(flaw));
        }
        if let Some(to) = limits.weight {
            self.weight =
                Some(RuntimeValue { to, over: over(written, |table| table.weight), by: by.clone() });
        }
        if let Some(to) = limits.max_sessions.map(Limit::get) {
            self.max_sessions =
                Some(RuntimeValue { to, over: over(written, |table| table.max_sessions), by: by.clone() });
        }
        if let Some(to) = limits.max_requests.map(Limit::get) {
            self.max_requests =
                Some(RuntimeValue { to, over: over(written, |table| table.max_requests), by: by.clone() });
        }
        Ok(())
    }

    /// Forgets what only repeats the file.
    fn tidy(&mut self, written: Option<&NodeTable>) {
        if written.is_some_and(|table| {
            self.wanted.as_ref().is_some_and(|set| set.to == WantedState::of(table.state))
        }) {
            self.wanted = None;
        }
        self.weight.take_if(|set| written.is_some_and(|table| table.weight == set.to));
        self.max_sessions.take_if(|set| written.is_some_and(|table| table.max_sessions == set.to));
        self.max_requests.take_if(|set| written.is_some_and(|table| table.max_requests == set.to));
    }
}

/// What would stop working: the last node that takes sessions, the last with a role, sessions that are still
/// there.
fn preflight(
    cluster: &Cluster,
    node: &Arc<Node>,
    change: &NodeChange,
    force: bool,
    now: Now,
) -> Result<(), Error> {
    let leaves = matches!(change, NodeChange::Drain(_) | NodeChange::Disable | NodeChange::Remove)
        || matches!(change, NodeChange::Set(NodeLimits { weight: Some(0), .. }));
    if !leaves {
        return Ok(());
    }
    let (name, of) = (|| node.spec.name.to_string(), || cluster.name.to_string());
    let harm = |harm| Err(Error::Harm(harm));
    if *change == NodeChange::Remove && node.has_role(Role::Lb) {
        return harm(Harm::TellsClients { node: name() });
    }
    if force {
        return Ok(());
    }
    let others = || cluster.nodes().filter(|other| other.live.slot != node.live.slot);
    for role in Role::ALL {
        // one that is draining is on its way out itself
        let is_there = |state| matches!(state, State::Ready | State::Full | State::Syncing | State::Aside);
        let serves = |other: &&Arc<Node>| other.has_role(role) && is_there(other.state(now));
        if node.has_role(role) && !others().any(|other| serves(&other)) {
            return harm(Harm::LastOfRole { node: name(), cluster: of(), role });
        }
    }
    if node.state(now) == State::Ready
        && !others().any(|other| matches!(other.state(now), State::Ready | State::Full))
    {
        return harm(Harm::LastOfAll { node: name(), cluster: of() });
    }
    let sessions = node.live.all_sessions();
    if *change == NodeChange::Remove && sessions > 0 {
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
fn newest(cluster: &Cluster, node: &Node, now: u32) -> Vec<(u64, u32)> {
    const MOST: usize = 5;
    let newest = cluster.live.ledger.newest_on(node.live.slot, MOST).into_iter();
    newest.map(|(id, seen)| (id, now.saturating_sub(seen.last))).collect()
}
