//! The ranked list: where a client that chooses its node itself is to go, the node with the smallest workload
//! first.

use super::guard::AnnounceGuard;
use crate::base::clock::Now;
use crate::heartbeat::ranked::{self, Ranked};
use crate::serve::problem::Problem;
use crate::serve::{Body, Caller, json_line, text};
use crate::table::{Cluster, Node, State, Table};
use http::{HeaderMap, Response, StatusCode, header};
use std::sync::Arc;

/// The nodes that take new sessions, smallest workload first; backups when there is no other.
pub fn ranked(cluster: &Cluster, now: Now) -> Vec<Ranked<'_>> {
    let takes =
        |node: &&Arc<Node>| node.state(now) == State::Ready && node.live.report.weight(node.spec.weight) > 0;
    let backups = cluster.nodes().filter(takes).all(|node| node.spec.backup);
    let nodes = cluster.nodes().filter(takes).filter(|node| node.spec.backup == backups);
    let entry = |node| {
        let Node { spec, live, .. }: &Node = node;
        let url = spec.public_url.as_deref().map_or_else(|| spec.url.to_string(), str::to_owned);
        Ranked::new(&*spec.name, url, live.firm(live.reported_sessions()), node.capacity())
    };
    let mut list: Vec<Ranked<'_>> = nodes.map(|node| entry(node)).collect();
    ranked::rank(&mut list);
    list
}

/// Answers with the list: plain text where `Accept` names that and not JSON.
pub fn respond(
    table: &Table,
    guard: &AnnounceGuard,
    name: &str,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Response<Body>, Problem> {
    guard.admit_reader(name, caller, headers)?;
    let Some(cluster) = table.clusters.iter().find(|cluster| *cluster.name == *name) else {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("There is no cluster {name:?}.")));
    };
    let list = ranked(cluster, Now::look());
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match accept.contains("text/plain") && !accept.contains("application/json") {
        true => Ok(text(StatusCode::OK, ranked::plain(&list))),
        false => Ok(json_line(&list)),
    }
}
