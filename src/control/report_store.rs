//! What nodes said of themselves that outlives the process: a node that restarted while nobody listened has
//! still lost its sessions, and one that tells clients where to go is given none. Written only when it
//! changes: what changes with every beat is told again by the next.

use super::state::Stored;
use crate::base::clock::Now;
use crate::config::model::AdminState;
use crate::table::report::PersistedReport;
use crate::table::{Cluster, Node, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// By cluster, then by node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportStore {
    /// What each said.
    pub clusters: BTreeMap<String, BTreeMap<String, PersistedReport>>,
}

impl Stored for ReportStore {}

/// One that is forgotten for its silence: when it last spoke is to be known.
pub fn may_be_forgotten(node: &Node) -> bool {
    node.spec.joined && matches!(node.spec.admin, AdminState::Pending | AdminState::Removed)
}

fn lasting(node: &Node, now: Now) -> PersistedReport {
    node.live.report.lasting(may_be_forgotten(node), now)
}

impl ReportStore {
    /// What the nodes of a table said.
    pub fn of(table: &Table, now: Now) -> Self {
        let of = |cluster: &Cluster| {
            let all = cluster.nodes().map(|node| (node.spec.name.to_string(), lasting(node, now)));
            (cluster.name.to_string(), all.filter(|(_, said)| *said != PersistedReport::default()).collect())
        };
        Self { clusters: table.known().map(|cluster| of(cluster)).collect() }
    }

    /// Gives the nodes of a table what they said before. An agent is asked again instead.
    pub fn recall(&self, table: &Table, now: Now) {
        for cluster in &table.clusters {
            let Some(nodes) = self.clusters.get(&*cluster.name) else { continue };
            for node in cluster.nodes() {
                if let Some(said) = nodes.get(&*node.spec.name)
                    && cluster.conf.agent_of(&node.spec.name).is_none()
                {
                    node.live.report.recall(said, now);
                    cluster.live.rescore(node.live.slot, now);
                }
            }
        }
    }
}
