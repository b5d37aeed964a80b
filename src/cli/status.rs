//! `homing status` and `homing nodes`: the table as a person reads it.

use super::show::{ColumnSide, TextTable, age, count, print, span, word};
use super::window::{AdminClient, VerbFailure};
use crate::admin::status::{Cluster, Node, Status};
use crate::table::State;
use std::fmt::Write;

/// Prints everything, or one cluster.
pub fn status(window: &AdminClient, cluster: Option<&str>, json: bool) -> Result<(), VerbFailure> {
    let (body, mut status) = window.get::<Status>("/api/status")?;
    if let (true, Some(name)) = (json, cluster) {
        // the same document, of one cluster
        status.clusters = vec![find(&status, name)?.clone()];
        print(&format!("{}\n", serde_json::to_string_pretty(&status).unwrap_or_default()));
        return Ok(());
    }
    if json {
        print(&body);
        return Ok(());
    }
    let mut text = String::new();
    match cluster {
        Some(name) => write_cluster(&mut text, find(&status, name)?, &status.time),
        None => {
            write_process(&mut text, &status);
            for cluster in &status.clusters {
                text.push('\n');
                write_cluster(&mut text, cluster, &status.time);
            }
        }
    }
    print(&text);
    Ok(())
}

fn find<'s>(status: &'s Status, name: &str) -> Result<&'s Cluster, VerbFailure> {
    status.cluster(name).ok_or_else(|| {
        let known: Vec<&str> = status.clusters.iter().map(|cluster| &*cluster.cluster).collect();
        VerbFailure::Failed(format!("there is no cluster {name:?}; there are: {}", known.join(", ")))
    })
}

// Writing to a String cannot fail.
fn write_process(text: &mut String, status: &Status) {
    let Status { version, uptime, revision, reload, connections, .. } = status;
    let ends = if status.stopping { ", stopping" } else { "" };
    let _ = writeln!(text, "homing {version}, up {}, revision {revision}{ends}", span(*uptime));
    if reload.applied + reload.refused > 0 {
        let outcome = if reload.ok { "applied" } else { "refused" };
        let when = age(&reload.at, &status.time);
        let _ = writeln!(text, "last reload {} {when} ago ({})", word(outcome), reload.cause);
        let said = if reload.ok { &reload.changes } else { &reload.findings };
        for line in said.iter().flat_map(|said| said.lines()) {
            let _ = writeln!(text, "  {line}");
        }
    }
    if !status.unsaved.is_empty() {
        let files = status.unsaved.join(", ");
        let _ = writeln!(
            text,
            "{}: {files} cannot be written; a restart now would lose what is new",
            word("state-dir")
        );
    }
    let _ = writeln!(text, "{} of {}", count(connections.open, "client connection"), connections.limit);
    for listener in &status.listeners {
        let tls = if listener.tls { " (TLS)" } else { "" };
        let _ = writeln!(text, "listener {}  {}{tls}", listener.listener, listener.bind.join(", "));
    }
    for certificate in &status.certificates {
        let span = span(certificate.left.unsigned_abs());
        let expiry = match certificate.left {
            ..0 => format!("{} {span} ago", word("expired")),
            _ => format!("expires in {span}"),
        };
        let names = if certificate.names.is_empty() {
            certificate.subject.clone()
        } else {
            certificate.names.join(", ")
        };
        let _ = writeln!(
            text,
            "certificate {names}  {expiry} (listener {}, {})",
            certificate.listener, certificate.file
        );
    }
}

fn write_cluster(text: &mut String, cluster: &Cluster, now: &str) {
    let traffic = &cluster.traffic;
    let _ = write!(text, "CLUSTER {}  {}, ", cluster.cluster, word(cluster.state.as_str()));
    let _ = write!(text, "{} of {} serve, ", cluster.serving, count(cluster.nodes.len() as u64, "node"));
    let _ = write!(text, "{}, {}", count(cluster.sessions, "session"), count(traffic.tunnels, "socket"));
    let _ = write!(text, ", {}", count(traffic.requests, "request"));
    if let (Some(half), Some(most)) = (traffic.duration.p50_ms, traffic.duration.p99_ms) {
        let _ = write!(text, " (half within {half} ms, 99 % within {most} ms)");
    }
    text.push('\n');
    if !traffic.moved.is_empty() {
        let causes: Vec<String> = traffic.moved.iter().map(|(cause, n)| format!("{n} {cause}")).collect();
        let _ = writeln!(text, "sessions moved: {}", causes.join(", "));
    }
    let mut table = TextTable::new(&[
        ("NODE", ColumnSide::Left),
        ("ADDRESS", ColumnSide::Left),
        ("STATE", ColumnSide::Left),
        ("SINCE", ColumnSide::Right),
        ("SESSIONS", ColumnSide::Right),
        ("IN FLIGHT", ColumnSide::Right),
        ("SHARE", ColumnSide::Right),
        ("WHY", ColumnSide::Left),
    ]);
    for node in &cluster.nodes {
        table.row(vec![
            node.node.clone(),
            address(node),
            node.state.to_string(),
            age(&node.since, now),
            sessions(node),
            node.in_flight.to_string(),
            percent(node.share),
            because(node, now),
        ]);
    }
    *text += &table.text();
}

/// Prints a cluster's nodes in the order that new sessions are given to.
pub fn nodes(window: &AdminClient, cluster: &str, json: bool) -> Result<(), VerbFailure> {
    if json {
        let (_, mut nodes) = window.get::<Vec<Node>>(&format!("/api/clusters/{cluster}/nodes"))?;
        by_rank(&mut nodes);
        print(&format!("{}\n", serde_json::to_string_pretty(&nodes).unwrap_or_default()));
        return Ok(());
    }
    let (_, status) = window.get::<Status>("/api/status")?;
    let mut nodes = find(&status, cluster)?.nodes.clone();
    by_rank(&mut nodes);
    let mut table = TextTable::new(&[
        ("RANK", ColumnSide::Right),
        ("NODE", ColumnSide::Left),
        ("ADDRESS", ColumnSide::Left),
        ("STATE", ColumnSide::Left),
        ("SESSIONS", ColumnSide::Right),
        ("LOAD", ColumnSide::Right),
        ("WEIGHT", ColumnSide::Right),
        ("SHARE", ColumnSide::Right),
        ("WHY", ColumnSide::Left),
    ]);
    let or_dash = |value: Option<u64>| value.map_or_else(|| "-".into(), |value| value.to_string());
    for node in &nodes {
        table.row(vec![
            or_dash(node.rank),
            node.node.clone(),
            address(node),
            node.state.to_string(),
            sessions(node),
            or_dash(node.load),
            node.weight.to_string(),
            percent(node.share),
            because(node, &status.time),
        ]);
    }
    print(&table.text());
    Ok(())
}

fn address(node: &Node) -> String {
    node.url.strip_prefix("http://").unwrap_or(&node.url).to_owned()
}

fn sessions(node: &Node) -> String {
    node.capacity.map_or_else(|| node.sessions.to_string(), |most| format!("{}/{most}", node.sessions))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn by_rank(nodes: &mut [Node]) {
    nodes.sort_by_key(|node| node.rank.unwrap_or(u64::MAX));
}

/// Why, and by whom and when if not by the file.
fn because(node: &Node, now: &str) -> String {
    let from = node.set_from.as_ref().map_or_else(String::new, |from| format!(" from {from}"));
    let reason = node.set_reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let by = match node.set_by.rsplit_once(" at ") {
        Some((who, at)) => format!("; set by {who}{from} {} ago{reason}", age(at, now)),
        None if node.set_by == "file" => String::new(),
        None => format!("; set by {}", node.set_by),
    };
    // who serves says with its state whether it still speaks
    let tells = matches!(node.state.known(), Some(State::Pending | State::Removed | State::Down));
    let heard = node.heartbeat_ms.filter(|_| tells);
    let heard = heard.map_or_else(String::new, |ms| format!("; last heard {} ago", span(ms / 1000)));
    format!("{}{by}{heard}", node.why)
}
