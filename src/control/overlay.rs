//! What was decided at run time, on top of the conf file: by a person (drain, weight, limits) or by a node
//! that joined.
//!
//! Each decision remembers what the file said when it was made. A file that says something else by now was
//! edited later, and the later word wins.

use super::drain::Drain;
use super::op::{JoinRequest, Target};
use super::runtime_value::{Actor, RuntimeValue};
use super::state::Stored;
use super::switched::Switched;
use crate::config::model::{AdminState, Changed, Config, Node, NodeTable, Then};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Nodes with decisions of their own in one cluster, at most: a join token in wrong hands must not fill the
/// memory.
pub const MOST_NODES: usize = 20_000;

/// All decisions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// Of nodes, by cluster and name: the same since 0.1.
    #[serde(rename = "clusters")]
    nodes: BTreeMap<String, BTreeMap<String, NodeOverride>>,
    /// Of clusters and rules, since format 2.
    #[serde(default, skip_serializing_if = "Switched::is_empty")]
    pub switched: Switched,
}

/// One that says more than nodes is not for versions that know of nothing else.
impl Stored for Overlay {
    fn format(&self) -> u32 {
        if self.switched.is_empty() { 1 } else { 2 }
    }
}

/// What was decided of one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct NodeOverride {
    /// It announced itself: the file does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined: Option<JoinedNode>,
    /// What the operator wants of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<RuntimeValue<WantedState>>,
    /// Share of new sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<RuntimeValue<u16>>,
    /// The most live sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<RuntimeValue<Option<u32>>>,
    /// The most requests at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<RuntimeValue<Option<u32>>>,
}

/// A node that announced itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JoinedNode {
    /// Where it is, by its last word.
    pub url: String,
    /// Its name as sessions carry it, if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Who let it in; nobody yet for a node that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Actor>,
    /// Unix seconds of its first heartbeat.
    pub at: u64,
    /// Who said that address; not known of those that joined before it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
}

/// What the operator wants of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WantedState {
    /// It serves.
    Enabled,
    /// Its sessions end there, new ones begin elsewhere.
    Draining(Drain),
    /// It serves nobody.
    Maintenance,
    /// It stands alone.
    Removed,
}

impl Overlay {
    /// The entry of a node, made if there is none.
    pub fn node_mut(&mut self, cluster: &str, node: &str) -> &mut NodeOverride {
        self.nodes.entry(cluster.to_owned()).or_default().entry(node.to_owned()).or_default()
    }

    /// Nothing is decided of a node any more. False if nothing was.
    pub fn forget(&mut self, cluster: &str, node: &str) -> bool {
        self.nodes.get_mut(cluster).is_some_and(|nodes| nodes.remove(node).is_some())
    }

    /// What was decided of a node, if anything was.
    pub fn node(&self, cluster: &str, node: &str) -> Option<&NodeOverride> {
        self.nodes.get(cluster)?.get(node)
    }

    /// How many nodes of a cluster have decisions of their own.
    pub fn nodes_of(&self, cluster: &str) -> usize {
        self.nodes.get(cluster).map_or(0, BTreeMap::len)
    }

    /// Drains whose deadline has passed and that are not over yet: of whom, and what becomes of who is left.
    pub fn drains_due(&self, now: u64) -> Vec<(Target, Then)> {
        let all =
            self.nodes.iter().flat_map(|(cluster, nodes)| nodes.iter().map(move |node| (cluster, node)));
        let due = all.filter_map(|(cluster, (node, decided))| {
            let drain = decided.drain().filter(|drain| drain.is_due(now))?;
            Some((Target::node(cluster, node), drain.then))
        });
        due.collect()
    }

    /// The conf with every decision in it. Decisions that a later edit of the file took back, or whose node
    /// is gone from it, are dropped, each with a line that says so. Those of a cluster that the file does not
    /// have now are kept for its return.
    pub fn overlay(&mut self, file: &Config) -> (Config, Vec<String>) {
        let (mut config, mut said) = (file.clone(), Vec::new());
        self.switched.overlay(&mut config, &mut said);
        for (name, nodes) in &mut self.nodes {
            let (of_file, cluster) = (file.cluster.get(name), config.cluster.get_mut(name));
            let mut cluster = cluster.map(|cluster| &mut cluster.nodes);
            nodes.retain(|node, decided| {
                let Some(cluster) = &mut cluster else { return !decided.is_empty() };
                let in_file = of_file.and_then(|cluster| cluster.nodes.get(node)).map(Node::table);
                let label = Target::node(name, node).to_string();
                decided.drop_overruled(in_file.as_ref(), &label, &mut said);
                let base = in_file.or_else(|| decided.joined.as_ref().map(JoinedNode::table));
                if let (Some(table), false) = (base, decided.is_empty()) {
                    cluster.insert(node.clone(), Node::Table(decided.apply(table)));
                }
                !decided.is_empty()
            });
        }
        self.nodes.retain(|_, nodes| !nodes.is_empty());
        (config, said)
    }
}

impl NodeOverride {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// It announced itself, and that is all that is known of it.
    pub fn is_only_joined(&self) -> bool {
        *self == Self { joined: self.joined.clone(), ..Self::default() } && self.joined.is_some()
    }

    /// Drops what the file, edited later, says otherwise.
    fn drop_overruled(&mut self, file: Option<&NodeTable>, label: &str, said: &mut Vec<String>) {
        if file.is_some() && self.joined.take().is_some() {
            said.push(format!("{label} is in the conf file now: what the file says of it stands"));
        }
        let gone = file.is_none() && self.joined.is_none();
        let mut drop = |what: &str, by: &Actor| {
            let why =
                if gone { "it is not in the conf file any more" } else { "the conf file was edited since" };
            said.push(format!("{label}: {what} set by {} is dropped: {why}", by.who));
        };
        if let Some(set) =
            self.wanted.take_if(|set| !set.stands(file.map(|table| WantedState::of(table.state)), gone))
        {
            drop("state", &set.by);
        }
        if let Some(set) = self.weight.take_if(|set| !set.stands(file.map(|table| table.weight), gone)) {
            drop("weight", &set.by);
        }
        if let Some(set) =
            self.max_sessions.take_if(|set| !set.stands(file.map(|table| table.max_sessions), gone))
        {
            drop("max-sessions", &set.by);
        }
        if let Some(set) =
            self.max_requests.take_if(|set| !set.stands(file.map(|table| table.max_requests), gone))
        {
            drop("max-requests", &set.by);
        }
    }

    fn apply(&self, mut table: NodeTable) -> NodeTable {
        let drain = self.drain().cloned().unwrap_or_default();
        let Drain { deadline, then, over, left } = drain;
        table.set = self.set_by().map(|by| {
            let Actor { who, at, from, reason } = by.clone();
            Box::new(Changed { by: who, at, from, reason, deadline, then, over, left })
        });
        if let Some(set) = &self.wanted {
            table.state = set.to.state();
        }
        if self.joined.as_ref().is_some_and(|joined| joined.accepted.is_none()) {
            table.state = AdminState::Pending;
        }
        if let Some(set) = &self.weight {
            table.weight = set.to;
        }
        if let Some(set) = &self.max_sessions {
            table.max_sessions = set.to;
        }
        if let Some(set) = &self.max_requests {
            table.max_requests = set.to;
        }
        table
    }

    /// The newest decision: who made it.
    pub fn set_by(&self) -> Option<&Actor> {
        let accepted = self.joined.as_ref().and_then(|joined| joined.accepted.as_ref());
        let sets = [
            self.wanted.as_ref().map(|set| &set.by),
            self.weight.as_ref().map(|set| &set.by),
            self.max_sessions.as_ref().map(|set| &set.by),
            self.max_requests.as_ref().map(|set| &set.by),
            accepted,
        ];
        sets.into_iter().flatten().max_by_key(|by| by.at)
    }

    /// The drain that is on.
    pub fn drain(&self) -> Option<&Drain> {
        self.wanted.as_ref()?.to.drain()
    }
}

impl WantedState {
    /// As the table has it.
    pub fn state(&self) -> AdminState {
        match self {
            Self::Enabled => AdminState::Enabled,
            Self::Draining(drain) if drain.moved() => AdminState::Drained,
            Self::Draining(_) => AdminState::Draining,
            Self::Maintenance => AdminState::Maintenance,
            Self::Removed => AdminState::Removed,
        }
    }

    /// The drain, if it is one.
    pub fn drain(&self) -> Option<&Drain> {
        match self {
            Self::Draining(drain) => Some(drain),
            _ => None,
        }
    }

    /// What a state in the conf file stands for.
    pub fn of(state: AdminState) -> Self {
        match state {
            AdminState::Draining | AdminState::Drained => Self::Draining(Drain::default()),
            AdminState::Maintenance => Self::Maintenance,
            AdminState::Removed => Self::Removed,
            AdminState::Enabled | AdminState::Pending => Self::Enabled,
        }
    }
}

impl JoinedNode {
    /// One that says where it is for the first time.
    pub fn new(arrival: &JoinRequest, now: u64) -> Self {
        let JoinRequest { url, from, admitted } = arrival.clone();
        Self {
            url,
            route: None,
            accepted: admitted.map(|who| Actor::named(who, now)),
            at: now,
            from: Some(from),
        }
    }

    fn table(&self) -> NodeTable {
        NodeTable {
            url: self.url.clone(),
            route: self.route.clone(),
            joined: true,
            from: self.from,
            ..NodeTable::default()
        }
    }
}

#[cfg(test)]
mod tests;
