//! A change at run time, as a value: what it is a change of, what is to be done, and who asks. Everything
//! that changes what runs, whoever asks, is an [`Op`]. It can be written down and read again, as JSON.

use super::asker::Asker;
use super::drain::DrainRequest;
use super::limits::NodeLimits;
use crate::table::session_names::ShownSession;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// What it is a change of, and what is to be done with it.
    pub change: Change,
    /// Who asks.
    pub by: Asker,
    /// Do it although it stops something from working.
    #[serde(default)]
    pub force: bool,
}

/// What can be changed, each with the changes that fit it. Not each of them can be made: whoever asks is
/// told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The process as a whole.
    Proxy(ProxyChange),
    /// A listener.
    Listener {
        /// Its name.
        listener: String,
        /// What is to be done.
        change: Switch,
    },
    /// A rule.
    Rule {
        /// Its place in the file, from 1.
        rule: u32,
        /// What is to be done.
        change: Switch,
    },
    /// A cluster as a whole.
    Cluster {
        /// Its name.
        cluster: String,
        /// What is to be done.
        change: Switch,
    },
    /// A node.
    Node {
        /// Its cluster.
        cluster: String,
        /// Its name.
        node: String,
        /// What is to be done.
        change: NodeChange,
    },
    /// One session.
    Session {
        /// Its cluster.
        cluster: String,
        /// Its id, as it is shown.
        session: ShownSession,
        /// What is to be done.
        change: SessionChange,
    },
    /// A certificate.
    Certificate {
        /// The file that it came from.
        file: String,
        /// What is to be done.
        change: CertificateChange,
    },
}

/// What is to be done with the process as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyChange {
    /// The conf file is read again.
    Reload,
}

/// Whether something is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It is.
    Enable,
    /// It is not.
    Disable,
}

/// What is to be done with a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeChange {
    /// It serves again; undoes a drain at any stage.
    Enable,
    /// Its sessions end there, new ones begin elsewhere.
    Drain(DrainRequest),
    /// It serves nobody.
    Disable,
    /// It stands alone: known, announced, reached by name only.
    Remove,
    /// One that joined, or waits, is no longer known: it begins anew when it speaks again.
    Forget,
    /// It was waiting and is let in, or the address that it was announced at since; one that was removed
    /// comes back.
    Accept,
    /// Limits; what is not given stays.
    Set(NodeLimits),
    /// It announced itself: it waits, or was let in by this word.
    Join(JoinRequest),
    /// One that joined is at another address now; everything else of it stays. Nothing but a word that lets
    /// it in moves one that was accepted.
    Relocate(JoinRequest),
    /// The deadline of its drain has passed.
    EndDrain {
        /// Sessions, requests and sockets that are there.
        left: u64,
    },
}

/// A node says where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JoinRequest {
    /// Where it is.
    pub url: String,
    /// Who says so.
    pub from: IpAddr,
    /// What let it in: "token", "network 10.0.0.0/8".
    pub admitted: Option<String>,
}

/// What is to be done with a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionChange {
    /// It is over: who shows its pin begins anew.
    End,
    /// It goes to another node.
    Move {
        /// To this one; else where a new one would go.
        to: Option<String>,
    },
}

/// What is to be done with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateChange {
    /// Its file is read again.
    Reload,
}

/// What a change is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The process as a whole.
    Proxy,
    /// A listener, by its name.
    Listener(String),
    /// A rule, by its place in the file from 1.
    Rule(u32),
    /// A cluster, by its name.
    Cluster(String),
    /// A node.
    Node {
        /// Its cluster.
        cluster: String,
        /// Its name.
        node: String,
    },
    /// A session.
    Session {
        /// Its cluster.
        cluster: String,
        /// Its id.
        session: ShownSession,
    },
    /// A certificate, by its file.
    Certificate(String),
}

impl Switch {
    /// The one of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "enable" => Some(Self::Enable),
            "disable" => Some(Self::Disable),
            _ => None,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
        }
    }
}

impl Op {
    /// A change of a node that harms nothing.
    pub fn of_node(cluster: &str, node: &str, change: NodeChange, by: impl Into<Asker>) -> Self {
        let change = Change::Node { cluster: cluster.to_owned(), node: node.to_owned(), change };
        Self { change, by: by.into(), force: false }
    }

    /// What it is a change of.
    pub fn target(&self) -> Target {
        match &self.change {
            Change::Proxy(_) => Target::Proxy,
            Change::Listener { listener, .. } => Target::Listener(listener.clone()),
            Change::Rule { rule, .. } => Target::Rule(*rule),
            Change::Cluster { cluster, .. } => Target::Cluster(cluster.clone()),
            Change::Node { cluster, node, .. } => Target::node(cluster, node),
            Change::Session { cluster, session, .. } => {
                Target::Session { cluster: cluster.clone(), session: *session }
            }
            Change::Certificate { file, .. } => Target::Certificate(file.clone()),
        }
    }

    /// A node that lets the proxy know where it is, with its cluster. Such changes do not depend on each
    /// other.
    pub fn arrival(&self) -> Option<(&str, &JoinRequest)> {
        match &self.change {
            Change::Node {
                cluster,
                change: NodeChange::Join(arrival) | NodeChange::Relocate(arrival),
                ..
            } => Some((cluster, arrival)),
            _ => None,
        }
    }
}

impl Target {
    /// A node.
    pub fn node(cluster: &str, node: &str) -> Self {
        Self::Node { cluster: cluster.to_owned(), node: node.to_owned() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy => out.write_str("the proxy"),
            Self::Listener(name) => write!(out, "listener {name}"),
            Self::Rule(at) => write!(out, "rule {at}"),
            Self::Cluster(name) => write!(out, "cluster {name}"),
            Self::Node { cluster, node } => write!(out, "{cluster}/{node}"),
            Self::Session { cluster, session } => write!(out, "session {session} of {cluster}"),
            Self::Certificate(file) => write!(out, "certificate {file}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::{Limit, Off};
    use super::*;
    use crate::base::units::Duration;
    use crate::config::model::Then;
    use serde_json::json;

    #[test]
    fn what_is_written_down_is_read_again_and_names_its_target() {
        let node = |change| Change::Node { cluster: "app".into(), node: "n1".into(), change };
        let arrival = JoinRequest {
            url: "http://a:1".into(),
            from: [127, 0, 0, 1].into(),
            admitted: Some("token".into()),
        };
        let drain = DrainRequest { deadline: Some(Duration::secs(14_400)), then: Some(Then::Move) };
        let off = DrainRequest { deadline: "off".parse().ok(), then: None };
        let limits = NodeLimits {
            weight: Some(7),
            max_sessions: Some(Limit::Word(Off::Off)),
            max_requests: Some(Limit::Most(2)),
        };
        let switch = Switch::Disable;
        for (change, target, written) in [
            (Change::Proxy(ProxyChange::Reload), "the proxy", json!({ "proxy": "reload" })),
            (
                Change::Listener { listener: "web".into(), change: switch },
                "listener web",
                json!({ "listener": { "listener": "web", "change": "disable" } }),
            ),
            (
                Change::Rule { rule: 3, change: switch },
                "rule 3",
                json!({ "rule": { "rule": 3, "change": "disable" } }),
            ),
            (
                Change::Cluster { cluster: "app".into(), change: Switch::Enable },
                "cluster app",
                json!({ "cluster": { "cluster": "app", "change": "enable" } }),
            ),
            (
                node(NodeChange::Enable),
                "app/n1",
                json!({ "node": { "cluster": "app", "node": "n1", "change": "enable" } }),
            ),
            (
                node(NodeChange::Drain(drain)),
                "app/n1",
                json!({ "node": { "cluster": "app", "node": "n1", "change": { "drain": { "deadline": "4h", "then": "move" } } } }),
            ),
            (
                node(NodeChange::Drain(off)),
                "app/n1",
                json!({ "node": { "cluster": "app", "node": "n1", "change": { "drain": { "deadline": "off" } } } }),
            ),
            (
                node(NodeChange::Set(limits)),
                "app/n1",
                json!({ "node": { "cluster": "app", "node": "n1", "change": { "set": { "weight": 7, "max-sessions": "off", "max-requests": 2 } } } }),
            ),
            (
                node(NodeChange::Join(arrival)),
                "app/n1",
                json!({ "node": { "cluster": "app", "node": "n1", "change": { "join": { "url": "http://a:1", "from": "127.0.0.1", "admitted": "token" } } } }),
            ),
            (
                node(NodeChange::EndDrain { left: 2 }),
                "app/n1",
                json!({ "node": { "cluster": "app", "node": "n1", "change": { "end-drain": { "left": 2 } } } }),
            ),
            (
                Change::Session {
                    cluster: "app".into(),
                    session: ShownSession(175),
                    change: SessionChange::Move { to: None },
                },
                "session 00000000000000af of app",
                json!({ "session": { "cluster": "app", "session": 175, "change": { "move": { "to": null } } } }),
            ),
            (
                Change::Certificate { file: "a.pem".into(), change: CertificateChange::Reload },
                "certificate a.pem",
                json!({ "certificate": { "file": "a.pem", "change": "reload" } }),
            ),
        ] {
            let op = Op { change, by: Asker::from("operator"), force: true };
            assert_eq!(op.target().to_string(), target);
            assert_eq!(
                serde_json::to_value(&op).unwrap(),
                json!({ "change": written, "by": { "who": "operator" }, "force": true })
            );
            assert_eq!(serde_json::from_str::<Op>(&serde_json::to_string(&op).unwrap()).unwrap(), op);
        }
    }

    #[test]
    fn no_target_takes_a_change_that_does_not_fit_it() {
        for wrong in [
            json!({ "change": { "listener": { "listener": "web", "change": "drain" } }, "by": { "who": "x" } }),
            json!({ "change": { "rule": { "rule": 1, "change": { "set": { "weight": 1 } } } }, "by": { "who": "x" } }),
            json!({ "change": { "proxy": "disable" }, "by": { "who": "x" } }),
        ] {
            assert!(serde_json::from_value::<Op>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
