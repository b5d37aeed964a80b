//! Why something was not done: a change that was refused, a table that could not be built, a file of the
//! state folder that is of no use.

use super::harm::Harm;
use super::limits::LimitsFlaw;
use super::op::Target;
use crate::affinity::KeyRingError;
use crate::base::words::{count, listed};
use crate::table::State;
use crate::table::session_names::ShownSession;
use crate::table::session_orders;
use crate::table::table_error::TableError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What may go wrong in this module. In words only where it is shown.
#[derive(Debug)]
pub enum Error {
    /// There is no such cluster.
    NoCluster {
        /// What was asked for.
        cluster: String,
        /// What there is.
        known: Vec<String>,
    },
    /// There is no such node.
    NoNode {
        /// What was asked for.
        node: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No node's name matches.
    NoMatch {
        /// The pattern.
        pattern: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Some match, and none of them can be changed so.
    NoneFits {
        /// The pattern.
        pattern: String,
        /// Those that match.
        matching: Vec<String>,
        /// What one would have to be.
        wants: &'static str,
    },
    /// It stands in the conf file, and can be forgotten there alone.
    Written {
        /// The node.
        node: String,
    },
    /// It was never let in, so that it cannot be taken out.
    NeverIn {
        /// The cluster.
        cluster: String,
        /// The node.
        node: String,
    },
    /// No session of this id is known.
    NoSession(ShownSession),
    /// Single sessions of a cluster cannot be changed.
    NotApart {
        /// The cluster.
        cluster: String,
        /// Why, in words.
        why: &'static str,
    },
    /// No other node takes sessions.
    NoTaker {
        /// The cluster.
        cluster: String,
    },
    /// A node takes no sessions.
    TakesNone {
        /// The node.
        node: String,
        /// What it is.
        state: State,
        /// Why, in words.
        why: String,
    },
    /// So many sessions were moved or ended by hand that no more are.
    TooManyOrders,
    /// There is no such rule.
    NoRule {
        /// Its place in the file that was asked for, from 1.
        rule: u32,
        /// How many there are.
        known: usize,
    },
    /// It cannot be changed at run time.
    Fixed(Target),
    /// Limits that make no sense.
    Limits(LimitsFlaw),
    /// So many nodes joined the cluster that no more are taken.
    Crowded {
        /// The cluster.
        cluster: String,
        /// How many.
        most: usize,
    },
    /// It waits for nobody to accept it.
    NotWaiting {
        /// The node.
        node: String,
        /// What it is instead.
        state: State,
    },
    /// Something would stop working.
    Harm(Harm),
    /// It is too late.
    Stopping,
    /// The conf file was refused: a finding each.
    Findings(Vec<String>),
    /// The table cannot be built.
    Table(TableError),
    /// Another instance holds the state folder.
    Held {
        /// The folder.
        folder: PathBuf,
        /// Its process.
        holder: Option<String>,
    },
    /// The keys of sealed pins cannot be read.
    Keys {
        /// Their file.
        file: PathBuf,
        /// Why.
        source: KeyRingError,
    },
    /// A file cannot be read.
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refuses.
    Io(io::Error),
    /// It ends too early.
    CutShort,
    /// A later version has written in the state folder.
    LaterVersion {
        /// What.
        file: PathBuf,
        /// In which format.
        formats: Formats,
    },
    /// Another version has written it.
    OtherVersion(Option<Formats>),
    /// It is nothing of ours.
    Foreign,
    /// A document that cannot be understood.
    Document(serde_json::Error),
    /// A frame that cannot be understood.
    Frame(postcard::Error),
    /// A frame is not what was written.
    Frames(&'static str),
}

/// The formats of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// That it has.
    pub found: u32,
    /// That is read.
    pub read: u32,
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Io(source) => Some(source),
            Self::Table(source) => Some(source),
            Self::Keys { source, .. } => Some(source),
            Self::Document(source) => Some(source),
            Self::Frame(source) => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCluster { cluster, known } => {
                write!(out, "no cluster \"{cluster}\"; there is {}", listed(known))
            }
            Self::NoNode { node, known } => write!(out, "no node \"{node}\"; there is {}", listed(known)),
            Self::NoMatch { pattern, known } => {
                write!(out, "no node matches \"{pattern}\"; there is {}", listed(known))
            }
            Self::NoneFits { pattern, matching, wants } => {
                write!(out, "of the nodes that match \"{pattern}\" ({}) none {wants}", listed(matching))
            }
            Self::Written { node } => write!(
                out,
                "node {node} is in the conf file, and known for as long as it is: take its line out there; `homing remove` takes it out \
                 of the balance until then"
            ),
            Self::NeverIn { cluster, node } => write!(
                out,
                "node {node} waits to be accepted, and was never in the balance: `homing forget {cluster}/{node}` turns it away"
            ),
            Self::NoSession(session) => write!(
                out,
                "No session {session} is known now: it ended, or the id is another's. `homing sessions CLUSTER/NODE` lists those of a node."
            ),
            Self::NotApart { cluster, why } => {
                write!(
                    out,
                    "no single session of {cluster} can be moved or ended: {why}; drain the node instead"
                )
            }
            Self::NoTaker { cluster } => write!(out, "no other node of {cluster} takes sessions"),
            Self::TakesNone { node, state, why } => {
                write!(out, "node {node} takes no sessions: it is {} ({why})", state.word())
            }
            Self::TooManyOrders => write!(
                out,
                "{} sessions were moved or ended by hand lately, and no more can be: drain the node instead",
                session_orders::MOST
            ),
            Self::NoRule { rule, known } => {
                write!(out, "no rule {rule}; the conf file has {}", count(*known as u64, "rule"))
            }
            Self::Fixed(target) => {
                write!(out, "{target} cannot be changed at run time, nodes can: edit the conf file")
            }
            Self::Limits(flaw) => write!(out, "{flaw}"),
            Self::Crowded { cluster, most } => {
                write!(out, "cluster {cluster} has {most} nodes that joined: no more are taken")
            }
            Self::NotWaiting { node, state } => {
                write!(out, "node {node} is not waiting: it is {}", state.word())
            }
            Self::Harm(harm) if harm.can_be_forced() => write!(out, "{harm}; --force does it all the same"),
            Self::Harm(harm) => write!(out, "{harm}"),
            Self::Stopping => out.write_str("the proxy is stopping"),
            Self::Findings(findings) => out.write_str(&findings.join("\n")),
            Self::Table(source) => source.fmt(out),
            of_the_disk => of_the_disk.fmt_of_disk(out),
        }
    }
}

impl Error {
    /// In words, of what concerns the state folder and its files; the others are told above.
    fn fmt_of_disk(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { folder, holder } => {
                let by = holder.as_ref().map_or_else(String::new, |pid| format!(" (process {pid})"));
                write!(
                    out,
                    "state-dir {} is in use by another instance{by}: stop that one first, or give this one a folder of its own with server.state-dir",
                    folder.display()
                )
            }
            Self::Keys { file, source } => {
                write!(out, "{}: {source}; mend it, or remove it to have a new one made", file.display())
            }
            Self::File { file, source } => write!(out, "{}: {source}", file.display()),
            Self::Io(source) => write!(out, "{source}"),
            Self::CutShort => out.write_str("it is cut short"),
            Self::LaterVersion { file, formats: Formats { found, read } } => write!(
                out,
                "{} was written by a later version of Homing (format {found}, this one reads up to {read}), and nothing in its folder is \
                 touched: start that version, or give this one a folder of its own with server.state-dir, in which it knows no sessions",
                file.display()
            ),
            Self::OtherVersion(None) => out.write_str("it was written by another version of Homing"),
            Self::OtherVersion(Some(Formats { found, read })) => {
                write!(
                    out,
                    "it was written by another version of Homing (format {found}, this one reads {read})"
                )
            }
            Self::Foreign => out.write_str("it is no file of ours"),
            Self::Document(source) => write!(out, "it is damaged ({source})"),
            Self::Frame(source) => write!(out, "it is damaged ({source})"),
            Self::Frames(why) => write!(out, "it is damaged ({why})"),
            _ => out.write_str("it could not be done"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn what_an_error_comes_from_is_kept() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let file = Error::File { file: "pin.keys".into(), source: denied() };
        assert_eq!(file.source().map(ToString::to_string), Some(denied().to_string()));
        assert!(Error::Document(serde_json::from_str::<u8>("?").unwrap_err()).source().is_some());
        assert!(Error::Stopping.source().is_none());
    }

    #[test]
    fn many_names_are_not_all_told() {
        let known: Vec<String> = (1..=14).map(|n| format!("n{n}")).collect();
        let error = Error::NoNode { node: "x".into(), known }.to_string();
        assert!(
            error.starts_with("no node \"x\"; there is n1, n2") && error.ends_with("n12, … (14 in all)"),
            "{error}"
        );
    }
}
