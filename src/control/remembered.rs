//! What nodes said of themselves that outlives the process: a node that restarted while nobody listened has still lost its
//! sessions, and one that tells clients where to go is given none. Written only when it changes: what changes with every beat
//! is told again by the next.

use crate::heartbeat::replay::History;
use crate::table::Table;
use crate::table::told::Lasting;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// By cluster, then by node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// What each said.
    pub clusters: BTreeMap<String, BTreeMap<String, Words>>,
}

/// The words of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Words {
    /// Its runs.
    pub runs: History,
    /// What it said last.
    #[serde(flatten)]
    pub lasting: Lasting,
}

impl Remembered {
    /// Gives the nodes of a table what they said before. An agent is asked again instead.
    pub fn recall(&self, table: &Table) {
        for cluster in &table.clusters {
            let Some(nodes) = self.clusters.get(&*cluster.name) else { continue };
            for node in cluster.nodes() {
                if let Some(words) = nodes.get(&*node.spec.name)
                    && cluster.conf.agent_of(&node.spec.name).is_none()
                {
                    node.live.told.recall(&words.lasting);
                    cluster.live.rescore(node.live.slot);
                }
            }
        }
    }
}
