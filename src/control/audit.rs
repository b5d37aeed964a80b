//! What was changed at run time, by whom, from where and why: the latest of it, kept in the state folder.

use super::asker::Asker;
use super::op::{CertificateChange, Change, NodeChange, Op, ProxyChange, SessionChange};
use super::state::Stored;
use super::state::writer::StateWriter;
use crate::base::clock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// Changes that are kept.
const KEPT: usize = 1000;
/// Of one change, lines that are kept; and of a line, characters.
const LINES: usize = 20;
const LINE: usize = 300;
/// The document with them.
const DOCUMENT: &str = "history";

/// A change that was made, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// When.
    pub at: String,
    /// By whom: the name of a token, of a user of this machine, "operator" where nobody is asked for a name;
    /// "deadline", "HUP" or "file" where it was none of them.
    pub who: String,
    /// From where, if somebody asked from somewhere: an address, or "unix".
    #[serde(default)]
    pub from: Option<String>,
    /// Why, in his words.
    #[serde(default)]
    pub reason: Option<String>,
    /// What was done: "drain", "set", "reload".
    pub verb: String,
    /// To what: "app/n1", "cluster app", "rule 2", "the proxy".
    pub target: String,
    /// Even if something stopped working by it.
    #[serde(default)]
    pub forced: bool,
    /// False where it was refused.
    pub ok: bool,
    /// What it changed, in words, nothing if it was so already; or why it was refused.
    pub changes: Vec<String>,
}

impl AuditEntry {
    /// Of this moment.
    pub fn now(by: &Asker, verb: &str, target: String, outcome: Result<&[String], &[String]>) -> Self {
        let Asker { who, from, reason } = by.clone();
        let (Ok(lines) | Err(lines)) = outcome;
        let mut changes: Vec<String> =
            lines.iter().take(LINES).map(|line| line.chars().take(LINE).collect()).collect();
        if lines.len() > LINES {
            changes.push(format!("and {} more", lines.len() - LINES));
        }
        Self {
            at: clock::rfc3339(clock::unix_ms()),
            who,
            from,
            reason: reason.map(String::from),
            verb: verb.to_owned(),
            target,
            forced: false,
            ok: outcome.is_ok(),
            changes,
        }
    }

    /// A change that was made, and what it changed.
    pub fn of(op: &Op, changes: &[String]) -> Self {
        let made = Self::now(&op.by, op.change.verb(), op.target().to_string(), Ok(changes));
        Self { forced: op.force, ..made }
    }
}

/// All that is kept.
pub struct AuditTrail {
    /// The oldest first.
    entries: RefCell<VecDeque<Arc<AuditEntry>>>,
    state: Rc<StateWriter>,
}

/// As it is read again.
#[derive(Default, Deserialize)]
struct RecalledTrail {
    entries: Vec<AuditEntry>,
}

/// As it is written down.
#[derive(Serialize)]
struct KeptTrail {
    #[serde(serialize_with = "plain")]
    entries: Vec<Arc<AuditEntry>>,
}

impl Stored for KeptTrail {}

fn plain<S: Serializer>(entries: &[Arc<AuditEntry>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(entries.iter().map(|entry| &**entry))
}

impl AuditTrail {
    /// With what earlier runs left.
    pub fn recall(state: Rc<StateWriter>) -> Self {
        let cost = "who changed what in earlier runs is forgotten; what they changed is not";
        let RecalledTrail { entries } = state.dir().read(DOCUMENT, cost);
        let skipped = entries.len().saturating_sub(KEPT);
        let entries = entries.into_iter().skip(skipped).map(Arc::new).collect();
        Self { entries: RefCell::new(entries), state }
    }

    /// One more.
    pub fn note(&self, entry: AuditEntry) {
        let mut entries = self.entries.borrow_mut();
        if entries.len() >= KEPT {
            entries.pop_front();
        }
        entries.push_back(Arc::new(entry));
        self.state.write(DOCUMENT, Arc::new(KeptTrail { entries: entries.iter().cloned().collect() }));
    }

    /// The latest first.
    pub fn newest(&self) -> Vec<Arc<AuditEntry>> {
        self.entries.borrow().iter().rev().cloned().collect()
    }
}

impl Change {
    /// What is to be done, in a word.
    fn verb(&self) -> &'static str {
        match self {
            Self::Proxy(ProxyChange::Reload) => "reload",
            Self::Listener { change, .. } | Self::Rule { change, .. } | Self::Cluster { change, .. } => {
                change.word()
            }
            Self::Node { change, .. } => change.verb(),
            Self::Session { change: SessionChange::End, .. } => "end",
            Self::Session { change: SessionChange::Move { .. }, .. } => "move",
            Self::Certificate { change: CertificateChange::Reload, .. } => "reload",
        }
    }
}

impl NodeChange {
    /// The same.
    fn verb(&self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Drain(_) => "drain",
            Self::Disable => "disable",
            Self::Remove => "remove",
            Self::Forget => "forget",
            Self::Accept => "accept",
            Self::Set(_) => "set",
            Self::Join(_) => "join",
            Self::Relocate(_) => "relocate",
            Self::EndDrain { .. } => "end-drain",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::StateDir;
    use super::*;

    #[test]
    fn the_latest_are_kept_and_known_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let dir = Arc::new(StateDir::open(folder.path()).unwrap());
            AuditTrail::recall(Rc::new(StateWriter::start(dir).unwrap()))
        };
        let by = Asker { who: "ops".into(), from: Some("unix".into()), reason: "because".parse().ok() };
        let op = Op { force: true, ..Op::of_node("app", "n1", NodeChange::Disable, by) };
        let trail = open();
        (0..KEPT + 5).for_each(|n| trail.note(AuditEntry::of(&op, &[n.to_string()])));
        let newest = trail.newest();
        assert_eq!((newest.len(), &*newest[0].changes), (KEPT, &["1004".to_owned()][..]));
        trail.state.close();
        drop(trail);
        let again = open().newest();
        assert_eq!(again, newest);
        let AuditEntry { who, from, reason, verb, target, forced, ok, .. } = &*again[0];
        let reason = reason.as_deref();
        assert_eq!((&**who, from.as_deref(), reason), ("ops", Some("unix"), Some("because")));
        assert_eq!((&**verb, &**target, *forced, *ok), ("disable", "app/n1", true, true));
    }

    #[test]
    fn one_that_changes_very_much_is_cut() {
        let lines = vec!["x".repeat(1000); 30];
        let entry = AuditEntry::now(&"file".into(), "reload", "the proxy".into(), Err(&lines));
        assert!(!entry.ok && entry.changes.len() == LINES + 1 && entry.changes[0].len() == LINE);
        assert_eq!(entry.changes.last().unwrap(), "and 10 more");
    }
}
