//! The verbs about one node: enable, disable, accept, remove, set, sessions, bypass.

use super::argument_error::ArgumentError;
use super::show::{ColumnSide, TextTable, age, count, print};
use super::window::{AdminClient, VerbFailure};
use crate::admin::operate::{Bypass, Force, NodeAction, SetLimits};
use crate::admin::status::Sessions;
use crate::base::clock;
use crate::base::units::Duration as Span;
use crate::config::check::is_name;
use crate::control::limits::{Limit, Off};
use crate::control::op::Switch;
use serde::Serialize;
use serde_json::Value;
use std::str::FromStr;

/// A node as the command line names it: `CLUSTER/NODE`.
#[derive(Debug, Clone, PartialEq)]
pub struct NodePath {
    cluster: String,
    node: String,
}

impl FromStr for NodePath {
    type Err = ArgumentError;
    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        match text.split_once('/') {
            Some((cluster, node)) if is_plain(cluster) && is_plain(node) => {
                Ok(Self { cluster: cluster.into(), node: node.into() })
            }
            _ => Err(ArgumentError::NodePath),
        }
    }
}

fn is_plain(name: &str) -> bool {
    name.bytes().any(|b| b.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// One node, or all of a cluster that match: `CLUSTER/NODE`, `'CLUSTER/*-old'`.
#[derive(Debug, Clone, PartialEq)]
pub struct NodesPath(NodePath);

impl FromStr for NodesPath {
    type Err = ArgumentError;
    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let Some((cluster, node)) = text.split_once('/').filter(|(_, node)| node.contains('*')) else {
            return text.parse().map(Self);
        };
        // without its stars it need be no name by itself
        match is_plain(cluster) && is_plain(&format!("x{}", node.replace('*', ""))) {
            true => Ok(Self(NodePath { cluster: cluster.into(), node: node.into() })),
            false => Err(ArgumentError::NodePath),
        }
    }
}

impl NodesPath {
    /// Where the API has it.
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// The one that it names.
    pub fn only(&self) -> NodePath {
        self.0.clone()
    }

    /// One of them.
    pub fn one(&self, node: &str) -> NodePath {
        NodePath { cluster: self.0.cluster.clone(), node: node.to_owned() }
    }
}

impl NodePath {
    /// Where the API has it.
    pub fn path(&self) -> String {
        format!("/api/clusters/{}/nodes/{}", self.cluster, self.node)
    }
}

/// What the command line switches off and on: `CLUSTER/NODE`, `CLUSTER`, or `rule:N`.
#[derive(Debug, Clone, PartialEq)]
pub enum SwitchTarget {
    /// A node, or all that match.
    Node(NodesPath),
    /// A cluster.
    Cluster(String),
    /// A rule, by its place in the conf file from 1.
    Rule(u32),
}

impl FromStr for SwitchTarget {
    type Err = ArgumentError;
    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        if let Some(number) = text.strip_prefix("rule:") {
            return number.parse().map(Self::Rule).map_err(|_| ArgumentError::SwitchTarget);
        }
        match text.parse() {
            Ok(node) => Ok(Self::Node(node)),
            Err(_) if is_name(text) => Ok(Self::Cluster(text.to_owned())),
            Err(_) => Err(ArgumentError::SwitchTarget),
        }
    }
}

impl SwitchTarget {
    /// Where the API has it.
    fn path(&self) -> String {
        match self {
            Self::Node(node) => node.path(),
            Self::Cluster(cluster) => format!("/api/clusters/{cluster}"),
            Self::Rule(number) => format!("/api/rules/{number}"),
        }
    }
}

/// Switches a node, a cluster or a rule off, or on again.
pub fn switch(
    window: &AdminClient,
    target: &SwitchTarget,
    to: Switch,
    force: bool,
    json: bool,
) -> Result<(), VerbFailure> {
    let how = (to == Switch::Disable).then(|| serde_json::json!({ "force": force }));
    let (body, done) = window.post(&format!("{}/{}", target.path(), to.word()), how.as_ref())?;
    print_changes(&body, &done, json)
}

/// One setting: `weight=50`, `max-sessions=off`.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// Share of new sessions.
    Weight(u16),
    /// The most live sessions.
    MaxSessions(Limit),
    /// The most requests at one time.
    MaxRequests(Limit),
}

impl FromStr for Setting {
    type Err = ArgumentError;
    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let (key, value) = text.split_once('=').ok_or(ArgumentError::NoValue)?;
        let limit = || match value {
            "off" => Ok(Limit::Word(Off::Off)),
            _ => value.parse().map(Limit::Most).map_err(|_| ArgumentError::Limit(value.to_owned())),
        };
        match key {
            "weight" => value.parse().map(Self::Weight).map_err(|_| ArgumentError::Weight(value.to_owned())),
            "max-sessions" => limit().map(Self::MaxSessions),
            "max-requests" => limit().map(Self::MaxRequests),
            _ => Err(ArgumentError::Key(key.to_owned())),
        }
    }
}

/// Changes a node's limits.
pub fn set(
    window: &AdminClient,
    target: &NodesPath,
    settings: &[Setting],
    force: bool,
    json: bool,
) -> Result<(), VerbFailure> {
    let mut set = SetLimits { force, ..SetLimits::default() };
    for setting in settings {
        let twice = match setting {
            Setting::Weight(weight) => set.weight.replace(*weight).map(|_| "weight"),
            Setting::MaxSessions(limit) => set.max_sessions.replace(*limit).map(|_| "max-sessions"),
            Setting::MaxRequests(limit) => set.max_requests.replace(*limit).map(|_| "max-requests"),
        };
        if let Some(key) = twice {
            return Err(ArgumentError::Twice(key).into());
        }
    }
    change(window, target, NodeAction::Set, &set, json)
}

/// Takes a node out of its cluster, or forgets one that joined.
pub fn take_out(
    window: &AdminClient,
    target: &NodesPath,
    verb: NodeAction,
    force: bool,
    json: bool,
) -> Result<(), VerbFailure> {
    change(window, target, verb, &Force { force }, json)
}

/// Lets a node in, or back.
pub fn accept(window: &AdminClient, target: &NodesPath, json: bool) -> Result<(), VerbFailure> {
    let (body, done) = window.post(&format!("{}/{}", target.path(), NodeAction::Accept.word()), None)?;
    print_changes(&body, &done, json)
}

/// Who is on a node.
pub fn sessions(window: &AdminClient, target: &NodePath, json: bool) -> Result<(), VerbFailure> {
    let (body, on) = window.get::<Sessions>(&format!("{}/sessions", target.path()))?;
    if json {
        print(&body);
        return Ok(());
    }
    let now = clock::rfc3339(clock::unix_ms());
    let mut table = TextTable::new(&[
        ("SESSION", ColumnSide::Left),
        ("BEGUN", ColumnSide::Right),
        ("LAST SEEN", ColumnSide::Right),
        ("CLIENT", ColumnSide::Left),
        ("AGENT", ColumnSide::Left),
    ]);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    for session in &on.sessions {
        let begun = if session.confirmed {
            age(&session.begun, &now)
        } else {
            format!("{}, never came back", age(&session.begun, &now))
        };
        let (client, agent) = (or_dash(&session.client), or_dash(&session.agent));
        table.row(vec![session.session.clone(), begun, age(&session.seen, &now), client, agent]);
    }
    let more = on.total.saturating_sub(on.sessions.len() as u64);
    print(&format!("{} has {}\n", on.node, count(on.total, "session")));
    if !on.sessions.is_empty() {
        print(&table.text());
    }
    if more > 0 {
        print(&format!("… and {more} that were seen before those\n"));
    }
    Ok(())
}

/// What leads to a node whatever its state.
pub fn bypass(
    window: &AdminClient,
    target: &NodePath,
    lasts: Option<Span>,
    json: bool,
) -> Result<(), VerbFailure> {
    let ask =
        serde_json::to_value(Bypass { lasts }).map_err(|error| VerbFailure::Failed(error.to_string()))?;
    let (body, given) = window.post(&format!("{}/bypass", target.path()), Some(&ask))?;
    let (value, until) =
        (given["value"].as_str().unwrap_or_default(), given["until"].as_str().unwrap_or_default());
    let (cluster, node) = (&target.cluster, &target.node);
    print(&if json {
        body
    } else {
        format!(
            "{value}\n\nUntil {until} it leads to {cluster}/{node}, whatever its state, as a header or as a cookie:\n  \
             curl -H 'Homing-Bypass: {value}' URL\n  document.cookie = 'homing-bypass={value}; path=/'\n"
        )
    });
    Ok(())
}

/// Changes a node, and says what that changed.
pub fn change(
    window: &AdminClient,
    target: &NodesPath,
    verb: NodeAction,
    how: &impl Serialize,
    json: bool,
) -> Result<(), VerbFailure> {
    let (body, done) = ask(window, target, verb, how)?;
    print_changes(&body, &done, json)
}

/// The same without a word.
pub fn ask(
    window: &AdminClient,
    target: &NodesPath,
    verb: NodeAction,
    how: &impl Serialize,
) -> Result<(String, Value), VerbFailure> {
    let how = serde_json::to_value(how).map_err(|error| VerbFailure::Failed(error.to_string()))?;
    window.post(&format!("{}/{}", target.path(), verb.word()), Some(&how))
}

/// Prints what was changed. What a restart would undo is not done.
pub fn print_changes(body: &str, done: &Value, json: bool) -> Result<(), VerbFailure> {
    let changes: Vec<&str> =
        done["changes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match changes.as_slice() {
        _ if json => print(body),
        [] => print("nothing changed: it was so already\n"),
        changes => print(&format!("{}\n", changes.join("\n"))),
    }
    match done["unsaved"] == true {
        true => Err(VerbFailure::Failed("what was changed is not saved".into())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_settings_are_read() {
        assert_eq!("app/n1".parse(), Ok(NodePath { cluster: "app".into(), node: "n1".into() }));
        for bad in ["app", "app/", "/n1", "app/n1/x", "app/n 1", "", "app/n*"] {
            assert!(bad.parse::<NodePath>().is_err(), "{bad}");
        }
        for (text, path) in [
            ("app/n1", Some("/api/clusters/app/nodes/n1")),
            ("app/*-old", Some("/api/clusters/app/nodes/*-old")),
            ("app/*", Some("/api/clusters/app/nodes/*")),
            ("*/n1", None),
            ("app/*/x", None),
            ("app/*?", None),
        ] {
            assert_eq!(text.parse().ok().map(|nodes: NodesPath| nodes.path()).as_deref(), path, "{text}");
        }
        for (text, setting) in [
            ("weight=50", Setting::Weight(50)),
            ("max-sessions=1", Setting::MaxSessions(Limit::Most(1))),
            ("max-requests=off", Setting::MaxRequests(Limit::Word(Off::Off))),
        ] {
            assert_eq!(text.parse(), Ok(setting));
        }
        for bad in ["weight", "weight=", "weight=-1", "wight=1", "max-sessions=many", "=1"] {
            assert!(bad.parse::<Setting>().is_err(), "{bad}");
        }
    }
}
