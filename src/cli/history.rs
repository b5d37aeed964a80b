//! `history`: who changed what at run time, from where and why.

use super::argument_error::ArgumentError;
use super::show::{age, print};
use super::window::{AdminClient, VerbFailure};
use crate::base::clock;
use crate::config::check::is_name;
use crate::control::audit::AuditEntry;
use crate::control::pattern::NodePattern;
use std::str::FromStr;

/// Of what changes are shown.
#[derive(Debug, Clone, PartialEq)]
pub enum HistoryTarget {
    /// `CLUSTER`: with its nodes and its sessions.
    Cluster(String),
    /// `CLUSTER/NODE`, or a pattern as somebody wrote it.
    Node(String, String),
    /// `rule:N`.
    Rule(u32),
}

impl FromStr for HistoryTarget {
    type Err = ArgumentError;
    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        match (text.split_once('/'), text.strip_prefix("rule:")) {
            (Some((cluster, node)), _) if is_name(cluster) && !node.is_empty() => {
                Ok(Self::Node(cluster.to_owned(), node.to_owned()))
            }
            (None, Some(number)) => number.parse().map(Self::Rule).map_err(|_| ArgumentError::SwitchTarget),
            (None, None) if is_name(text) => Ok(Self::Cluster(text.to_owned())),
            _ => Err(ArgumentError::SwitchTarget),
        }
    }
}

impl HistoryTarget {
    /// Whether a change is of it, by what the history says that it is of.
    fn has(&self, target: &str) -> bool {
        // no name has a blank in it
        let words: Vec<&str> = target.split(' ').collect();
        match (self, &words[..]) {
            (Self::Cluster(name), ["cluster", of] | ["session", _, "of", of]) => name == of,
            (Self::Cluster(name), [node]) => node.split_once('/').is_some_and(|(of, _)| name == of),
            (Self::Node(cluster, node), [changed]) => changed.split_once('/').is_some_and(|(of, changed)| {
                let by_pattern = || NodePattern::of(changed).is_some_and(|pattern| pattern.matches(node));
                cluster == of && (node == changed || by_pattern())
            }),
            (Self::Rule(number), ["rule", changed]) => *changed == number.to_string(),
            _ => false,
        }
    }
}

/// Shows it, the latest last, as a log does.
pub fn history(window: &AdminClient, of: Option<&HistoryTarget>, json: bool) -> Result<(), VerbFailure> {
    let (body, mut entries) = window.get::<Vec<AuditEntry>>("/api/history")?;
    let Some(of) = of else {
        return show(&entries, &body, json);
    };
    entries.retain(|entry| of.has(&entry.target));
    let body =
        serde_json::to_string_pretty(&entries).map_err(|error| VerbFailure::Failed(error.to_string()))?;
    show(&entries, &(body + "\n"), json)
}

fn show(entries: &[AuditEntry], body: &str, json: bool) -> Result<(), VerbFailure> {
    if json {
        print(body);
        return Ok(());
    }
    let now = clock::rfc3339(clock::unix_ms());
    let text: String = entries.iter().rev().map(|entry| line(entry, &now)).collect();
    print(if text.is_empty() { "nothing was changed at run time\n" } else { &text });
    Ok(())
}

/// One change: when, who, from where, what, why, and what that changed.
fn line(entry: &AuditEntry, now: &str) -> String {
    let AuditEntry { at, who, from, reason, verb, target, forced, ok, changes } = entry;
    let from = from.as_ref().map_or_else(String::new, |from| format!(" from {from}"));
    let force = if *forced { " by force" } else { "" };
    let why = reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let what = match (ok, &changes[..]) {
        (true, []) => "it was so already".to_owned(),
        (true, changes) => changes.join("; "),
        (false, findings) => {
            let first = findings.first().and_then(|finding| finding.lines().next()).unwrap_or_default();
            format!("refused: {first}")
        }
    };
    let line = format!("{at}  {} ago  {who}{from}: {verb} {target}{force}{why}: {what}", age(at, now));
    // what nodes and files say of themselves gives no orders to the terminal
    line.replace(char::is_control, "\u{fffd}") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_what_and_why() {
        let entry: AuditEntry = serde_json::from_value(serde_json::json!({
            "at": "2026-12-01T10:00:00.000Z", "who": "ops", "from": "10.0.0.9", "reason": "kernel update", "verb": "drain",
            "target": "app/n1", "forced": true, "ok": true, "changes": ["cluster app: n1.state enabled→draining"],
        }))
        .unwrap();
        let now = "2026-12-01T10:00:05.000Z";
        assert_eq!(
            line(&entry, now),
            "2026-12-01T10:00:00.000Z  5 s ago  ops from 10.0.0.9: drain app/n1 by force (kernel update): cluster app: n1.state enabled→draining\n"
        );
        let refused = AuditEntry {
            who: "file".into(),
            from: None,
            reason: None,
            verb: "reload".into(),
            target: "the proxy".into(),
            forced: false,
            ok: false,
            changes: vec!["error: a.toml:1:1 no\n  help: yes".into(), "x".into()],
            ..entry
        };
        let said =
            "2026-12-01T10:00:00.000Z  5 s ago  file: reload the proxy: refused: error: a.toml:1:1 no\n";
        assert_eq!(line(&refused, now), said);
    }

    #[test]
    fn what_is_asked_for_is_found() {
        for (of, target, has) in [
            ("app", "cluster app", true),
            ("app", "app/n1", true),
            ("app", "app2/n1", false),
            ("app/n1", "app/n1", true),
            ("app/n1", "app/n11", false),
            ("app/n1", "cluster app", false),
            ("app", "session 00000000000000ff of app", true),
            ("app", "session 00000000000000ff of app2", false),
            ("app/n1", "session 00000000000000ff of app", false),
            ("app", "app/*-old", true),
            ("app/n1-old", "app/*-old", true),
            ("app/n1-old", "app2/*-old", false),
            ("app/n1", "app/*-old", false),
            ("app/*-old", "app/*-old", true),
            ("app", "the proxy", false),
            ("rule:2", "rule 2", true),
            ("rule:2", "rule 22", false),
        ] {
            assert_eq!(of.parse::<HistoryTarget>().unwrap().has(target), has, "{of} {target}");
        }
        for bad in ["", "a b", "/n1", "app/", "rule:x"] {
            assert!(bad.parse::<HistoryTarget>().is_err(), "{bad}");
        }
    }
}
