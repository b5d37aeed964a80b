//! What an operation does to the decisions, and whether it may: what would stop working is not done unless it
//! is forced.

use super::drain::DrainRequest;
use super::error::Error;
use super::limits::{Limit, NodeLimits};
use super::op::{Change, JoinRequest, NodeChange, Op};
use super::overlay::{JoinedNode, MOST_NODES, NodeOverride, Overlay, WantedState};
use super::pattern::LeavingNodes;
use super::preflight::preflight;
use super::runtime_value::{Actor, FileValue, RuntimeValue};
use super::switch;
use crate::base::clock::Now;
use crate::config::model::{AdminState, Config, Node as NodeConf, NodeTable};
use crate::table::report::NodeReport;
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
    /// The nodes that leave by all that are made at this time.
    pub leaving: &'a LeavingNodes<'a>,
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
        if overlay.nodes_of(cluster_name) >= MOST_NODES
            && !longest_silent(cluster, overlay, ground.now)
                .is_some_and(|name| overlay.forget(cluster_name, &name))
        {
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
    let written =
        ground.file.cluster.get(cluster_name).and_then(|conf| conf.nodes.get(node_name)).map(NodeConf::table);
    match change {
        NodeChange::Forget if written.is_some() => return Err(Error::Written { node: node_name.clone() }),
        NodeChange::Remove if node.spec.admin == AdminState::Pending => {
            return Err(Error::NeverIn { cluster: cluster_name.clone(), node: node_name.clone() });
        }
        _ => {}
    }
    preflight(cluster, node, change, (op.force, ground.leaving), ground.now)?;
    let subject = ChangedNode { cluster, node, written, now: ground.now };
    let decided = overlay.node_mut(cluster_name, node_name);
    let told = decided.change(change, &subject, by)?;
    decided.tidy(subject.written.as_ref());
    Ok(told)
}

/// The cluster of a name, or which there are.
pub fn find<'t>(table: &'t Table, name: &str) -> Result<&'t Arc<Cluster>, Error> {
    let known = || table.clusters.iter().map(|cluster| cluster.name.to_string()).collect();
    let cluster = table.clusters.iter().find(|cluster| *cluster.name == *name);
    cluster.ok_or_else(|| Error::NoCluster { cluster: name.to_owned(), known: known() })
}

/// Of those that wait and do not speak any more, the one that has not for longest: it makes room for who speaks.
fn longest_silent(cluster: &Cluster, overlay: &Overlay, now: Now) -> Option<String> {
    // what waited before this process has a minute to speak
    let is_silent = |report: &NodeReport| match report.heard_at() {
        Some(_) => report.is_silent(),
        None => now.ms() > 60_000,
    };
    let waits = |node: &&Arc<Node>| {
        node.spec.admin == AdminState::Pending
            && is_silent(&node.live.report)
            && overlay.node(&cluster.name, &node.spec.name).is_some()
    };
    let longest = cluster.nodes().filter(waits).min_by_key(|node| node.live.report.heard_at());
    longest.map(|node| node.spec.name.to_string())
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
            NodeChange::Forget => *self = Self::default(),
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
