//! `homing explain` and `homing moves`: why a request went where it went, and which sessions were moved.

use super::show::{ColumnSide, TextTable, age, count, print};
use super::window::{AdminClient, VerbFailure};
use crate::admin::status::{Candidate, Explanation, Moved, Moves};
use clap::Args;
use std::fmt::Write;

/// What is to be explained.
#[derive(Args)]
pub struct What {
    /// A request that was: its id, as in the access log; or the latest one of a session, by the session's id.
    #[arg(conflicts_with_all = ["last", "url"], value_name = "REQUEST-ID|SESSION-ID")]
    id: Option<String>,
    /// The latest request (the default).
    #[arg(long, conflicts_with = "url")]
    last: bool,
    /// A request that might come: http://host/path, or /path.
    #[arg(long)]
    url: Option<String>,
    /// A cookie it shows, NAME=VALUE; may be given again.
    #[arg(long, requires = "url", value_name = "NAME=VALUE")]
    cookie: Vec<String>,
    /// A header it has, "NAME: VALUE"; may be given again.
    #[arg(long, requires = "url", value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Its method.
    #[arg(long, requires = "url")]
    method: Option<String>,
    /// Who is at the other end: the client, or a trusted proxy that names it in a header; this machine if not
    /// said.
    #[arg(long, requires = "url", value_name = "IP")]
    source: Option<String>,
    /// The listener it comes through, if the URL does not tell.
    #[arg(long, requires = "url", value_name = "NAME")]
    listener: Option<String>,
}

impl What {
    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        match (&self.url, &self.id) {
            (Some(url), _) => query.append_pair("url", url),
            (None, Some(id)) => query.append_pair("id", id),
            (None, None) => query.append_key_only("last"),
        };
        query.extend_pairs(self.cookie.iter().map(|cookie| ("cookie", cookie)));
        query.extend_pairs(self.header.iter().map(|header| ("header", header)));
        query.extend_pairs(self.method.iter().map(|method| ("method", method)));
        query.extend_pairs(self.source.iter().map(|source| ("source", source)));
        query.extend_pairs(self.listener.iter().map(|listener| ("listener", listener)));
        query.finish()
    }
}

/// Explains a request.
pub fn explain(window: &AdminClient, what: &What, json: bool) -> Result<(), VerbFailure> {
    let (body, explanation) = window.get::<Explanation>(&format!("/api/explain?{}", what.query()))?;
    print(&if json { body } else { text(&explanation) });
    Ok(())
}

// Writing to a String cannot fail.
fn text(told: &Explanation) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}  {}: because {}",
        told.node.as_deref().unwrap_or("no node"),
        told.why,
        told.because
    );
    if let Some(request) = &told.request {
        let tries = if request.retries > 0 {
            format!(" after {}", count(request.retries + 1, "try").replace("trys", "tries"))
        } else {
            String::new()
        };
        let when = age(&request.at, &told.time);
        let session =
            told.session.as_ref().map_or_else(String::new, |session| format!(", session {session}"));
        let _ = writeln!(
            text,
            "  request {} of {}, {when} ago, answered {}{tries}{session}",
            request.id, request.client, request.status
        );
    }
    let mut way = Vec::new();
    way.extend(told.listener.as_ref().map(|listener| format!("listener {listener}")));
    way.push(match (told.rule, told.reloaded) {
        (Some(rule), false) => format!("rule {rule}"),
        (Some(rule), true) => format!("rule {rule} of the conf of then"),
        (None, _) => "no rule".into(),
    });
    way.extend(told.cluster.as_ref().map(|cluster| format!("cluster {cluster}")));
    way.extend(told.source.as_ref().map(|source| format!("{source}: {}", told.said)));
    let _ = writeln!(text, "  {}", way.join(", "));
    if told.cluster.is_none() {
        return text;
    }
    match &told.fresh {
        Some(node) => _ = writeln!(text, "  a new session would now go to {node}"),
        None => text += "  a new session would now find no node\n",
    }
    text.push('\n');
    text + &nodes(&told.nodes).text()
}

fn nodes(candidates: &[Candidate]) -> TextTable {
    let mut table = TextTable::new(&[
        ("RANK", ColumnSide::Right),
        ("NODE", ColumnSide::Left),
        ("STATE", ColumnSide::Left),
        ("SCORE", ColumnSide::Right),
        ("SESSIONS", ColumnSide::Right),
        ("IN FLIGHT", ColumnSide::Right),
        ("WEIGHT", ColumnSide::Right),
        ("WHY", ColumnSide::Left),
    ]);
    for Candidate { node, score } in candidates {
        table.row(vec![
            node.rank.map_or_else(|| "-".into(), |rank| rank.to_string()),
            node.node.clone(),
            node.state.to_string(),
            score.map_or_else(|| "-".into(), |score| format!("{score:.4}")),
            node.sessions.to_string(),
            node.in_flight.to_string(),
            node.weight.to_string(),
            node.why.clone(),
        ]);
    }
    table
}

/// Prints which sessions were moved, and why.
pub fn moves(window: &AdminClient, cluster: Option<&str>, json: bool) -> Result<(), VerbFailure> {
    let (_, mut moves) = window.get::<Moves>("/api/moves")?;
    if let Some(name) = cluster {
        let known: Vec<String> = moves.clusters.iter().map(|moved| moved.cluster.clone()).collect();
        moves.clusters.retain(|moved| moved.cluster == name);
        if moves.clusters.is_empty() {
            return Err(VerbFailure::Failed(format!(
                "there is no cluster {name:?}; there are: {}",
                known.join(", ")
            )));
        }
    }
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&moves).unwrap_or_default()));
        return Ok(());
    }
    let parts: Vec<String> = moves.clusters.iter().map(|moved| moved_text(moved, &moves.time)).collect();
    print(&parts.join("\n"));
    Ok(())
}

fn moved_text(moved: &Moved, now: &str) -> String {
    let sum: u64 = moved.causes.values().sum();
    let mut text = format!(
        "CLUSTER {}  {sum} of {} found their pin broken",
        moved.cluster,
        count(moved.requests, "request")
    );
    let causes: Vec<String> = moved.causes.iter().map(|(cause, n)| format!("{n} {cause}")).collect();
    text += &if causes.is_empty() { "\n".to_owned() } else { format!(": {}\n", causes.join(", ")) };
    if moved.latest.is_empty() {
        return text;
    }
    let mut table = TextTable::new(&[
        ("AGO", ColumnSide::Right),
        ("CAUSE", ColumnSide::Left),
        ("FROM", ColumnSide::Left),
        ("TO", ColumnSide::Left),
        ("CLIENT", ColumnSide::Left),
        ("REQUEST", ColumnSide::Left),
        ("BECAUSE", ColumnSide::Left),
    ]);
    let or_dash = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".into());
    for one in &moved.latest {
        table.row(vec![
            age(&one.at, now),
            one.cause.clone(),
            or_dash(&one.was),
            or_dash(&one.node),
            one.client.clone(),
            one.id.clone(),
            one.because.clone(),
        ]);
    }
    text + &table.text()
}
