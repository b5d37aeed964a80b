//! Clusters and nodes by the names in a path: who names another is told which there are.

use super::status::{Cluster as Shown, Node as ShownNode, Status};
use crate::serve::problem::Problem;
use crate::table::{Cluster, Node, Table};
use http::StatusCode;

/// The cluster of this name in what is shown.
pub fn find<'s>(status: &'s Status, cluster: &str) -> Result<&'s Shown, Problem> {
    status.cluster(cluster).ok_or_else(|| {
        let known: Vec<&str> = status.clusters.iter().map(|cluster| &*cluster.cluster).collect();
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("There is no cluster {cluster:?}; there are: {}.", known.join(", ")),
        )
    })
}

/// The node of this name in what is shown.
pub fn find_node<'s>(status: &'s Status, cluster: &str, node: &str) -> Result<&'s ShownNode, Problem> {
    let found = find(status, cluster)?;
    found.node(node).ok_or_else(|| {
        let known: Vec<&str> = found.nodes.iter().map(|node| &*node.node).collect();
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("There is no node {node:?} in cluster {cluster}; there are: {}.", known.join(", ")),
        )
    })
}

/// A node of the table, with its cluster.
pub fn of_table<'t>(table: &'t Table, cluster: &str, node: &str) -> Result<(&'t Cluster, &'t Node), Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("There is no node {cluster}/{node}."));
    let cluster = table.clusters.iter().find(|known| *known.name == *cluster).ok_or_else(unknown)?;
    cluster.named(node).map(|node| (&**cluster, &**node)).ok_or_else(unknown)
}
