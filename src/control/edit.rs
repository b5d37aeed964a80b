//! One change at run time: who may make it, and what it does to the decisions. Everything that changes a node, whoever asks,
//! is an `Edit`.

use super::drain::Asked;
use super::runtime::{By, Joined, MOST_MEMBERS, Member, Runtime, Said, Set, Wanted};
use crate::base::clock::Now;
use crate::config::model::{Config, Node as NodeConf, NodeTable};
use crate::heartbeat::Role;
use crate::table::{Cluster, Node, State, Table};
use std::net::IpAddr;
use std::sync::Arc;

/// A change of one node.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub node: String,
    /// What is to be done.
    pub action: Action,
    /// Who asks, in a word or two.
    pub by: String,
    /// Do it although it stops something from working.
    pub force: bool,
}

impl Edit {
    /// A node lets the proxy know where it is. Such edits do not depend on each other.
    pub fn is_arrival(&self) -> bool {
        matches!(self.action, Action::Join { .. } | Action::Relocate { .. })
    }
}

/// What is to be done with a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It serves again; undoes a drain at any stage.
    Enable,
    /// Its sessions end there, new ones begin elsewhere.
    Drain(Asked),
    /// It serves nobody.
    Disable,
    /// It stands alone: known, announced, reached by name only.
    Remove,
    /// It was waiting and is let in, or the address that it was announced at since; one that was removed comes back.
    Accept,
    /// Limits; what is not given stays.
    Set(Limits),
    /// It announced itself: it waits, or was let in by this word.
    Join {
        /// Where it is.
        url: String,
        /// Who says so.
        from: IpAddr,
        /// What let it in: "token", "network 10.0.0.0/8".
        admitted: Option<String>,
    },
    /// One that joined is at another address now; everything else of it stays. Nothing but a word that lets it in moves one that
    /// was accepted.
    Relocate {
        /// Where it is.
        url: String,
        /// Who says so.
        from: IpAddr,
        /// What let it in.
        admitted: Option<String>,
    },
    /// The deadline of its drain has passed.
    EndDrain {
        /// Sessions, requests and sockets that are there.
        left: u64,
    },
}

/// Limits that can be changed at run time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Share of new sessions, 0 to 1000.
    pub weight: Option<u16>,
    /// The most live sessions; `Some(None)` lifts the limit.
    pub max_sessions: Option<Option<u32>>,
    /// The most requests at one time; `Some(None)` lifts the limit.
    pub max_requests: Option<Option<u32>>,
}

/// Why an edit was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no such cluster or node.
    Unknown(String),
    /// It makes no sense as it stands.
    Invalid(String),
    /// Something would stop working.
    Harm {
        /// What.
        why: String,
        /// It can be forced.
        force: bool,
    },
}

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(why) | Self::Invalid(why) => out.write_str(why),
            Self::Harm { why, force: true } => write!(out, "{why}; --force does it all the same"),
            Self::Harm { why, force: false } => out.write_str(why),
        }
    }
}

/// Enters an edit into the decisions, or says why not. `table` is what runs now, `file` what the conf file says. Returns what it
/// changes that no conf file could say, in words.
pub fn enter(edit: &Edit, runtime: &mut Runtime, file: &Config, table: &Table, at: Now) -> Result<Option<String>, Refused> {
    let now = at.unix_secs();
    let unknown = |what: &str, name: &str, known: Vec<&str>| Refused::Unknown(format!("no {what} \"{name}\"; there is {}", list(&known)));
    let cluster = table.clusters.iter().find(|cluster| *cluster.name == *edit.cluster);
    let names = || table.clusters.iter().map(|cluster| &*cluster.name).collect();
    let cluster = cluster.ok_or_else(|| unknown("cluster", &edit.cluster, names()))?;
    let by = By { who: edit.by.clone(), at: now };
    let let_in = |by: &Option<String>| by.as_ref().map(|who| By { who: who.clone(), at: now });
    if let Action::Join { url, from, admitted } = &edit.action {
        let members = runtime.clusters.get(&edit.cluster).map_or(0, |members| members.len());
        if members >= MOST_MEMBERS {
            return Err(Refused::Invalid(format!("cluster {} has {MOST_MEMBERS} nodes that joined: no more are taken", edit.cluster)));
        }
        let accepted = let_in(admitted);
        // two beats of one node may ask at the same time
        let member = runtime.member_mut(&edit.cluster, &edit.node);
        member.joined.get_or_insert_with(|| Joined { url: url.clone(), route: None, accepted, at: now, from: Some(*from) });
        return Ok(None);
    }
    let node = cluster.nodes().find(|node| *node.spec.name == *edit.node);
    let names = || cluster.nodes().map(|node| &*node.spec.name).collect();
    let node = node.ok_or_else(|| unknown("node", &edit.node, names()))?;
    if !edit.force || edit.action == Action::Remove {
        preflight(cluster, node, edit, at)?;
    }
    let written = file.cluster.get(&edit.cluster).and_then(|conf| conf.nodes.get(&edit.node)).map(NodeConf::table);
    let written = written.as_ref();
    let member = runtime.member_mut(&edit.cluster, &edit.node);
    let mut told = None;
    match &edit.action {
        Action::Enable => member.want(Wanted::Enabled, written, by),
        Action::Drain(asked) => {
            let of_file = written.map(|table| Wanted::of(table.state));
            let on = member.wanted.as_ref().map(|set| &set.to).or(of_file.as_ref()).and_then(Wanted::drain);
            let drain = asked.over(on, now);
            told = on.and_then(|on| on.change(&drain, &edit.node, now)).map(|change| format!("cluster {}: {change}", edit.cluster));
            member.want(Wanted::Draining(drain), written, by);
        }
        Action::Disable => member.want(Wanted::Maintenance, written, by),
        Action::Remove => member.want(Wanted::Removed, written, by),
        Action::Accept => match (&mut member.joined, node.claim()) {
            (Some(joined), _) if joined.accepted.is_none() => joined.accepted = Some(by),
            (Some(joined), Some(claim)) => (joined.url, joined.from, joined.accepted) = (claim.url, Some(claim.from), Some(by)),
            _ if node.state(at) == State::Removed => member.want(Wanted::Enabled, written, by),
            _ => return Err(Refused::Invalid(format!("node {} is not waiting: it is {}", edit.node, node.state(at).word()))),
        },
        Action::Set(limits) => member.limit(limits, written, &by)?,
        Action::EndDrain { left } => {
            if let Some(Set { to: Wanted::Draining(drain), .. }) = &mut member.wanted {
                (drain.over, drain.left) = (true, Some(*left));
            }
        }
        Action::Relocate { url, from, admitted } => {
            // it may have been accepted meanwhile
            if let Some(joined) = member.joined.as_mut().filter(|joined| admitted.is_some() || joined.accepted.is_none()) {
                (joined.url, joined.from, joined.accepted) = (url.clone(), Some(*from), let_in(admitted));
            }
        }
        Action::Join { .. } => {}
    }
    member.tidy(written);
    Ok(told)
}

fn said<T: Clone>(written: Option<&NodeTable>, of: impl Fn(&NodeTable) -> T) -> Said<T> {
    written.map_or(Said::Nothing, |table| Said::Value(of(table)))
}

impl Member {
    fn want(&mut self, to: Wanted, written: Option<&NodeTable>, by: By) {
        self.wanted = Some(Set { to, over: said(written, |table| Wanted::of(table.state)), by });
    }

    fn limit(&mut self, limits: &Limits, written: Option<&NodeTable>, by: &By) -> Result<(), Refused> {
        if limits.weight.is_some_and(|weight| weight > 1000) {
            return Err(Refused::Invalid("a weight is 0 to 1000".into()));
        }
        if let Some(to) = limits.weight {
            self.weight = Some(Set { to, over: said(written, |table| table.weight), by: by.clone() });
        }
        if let Some(to) = limits.max_sessions {
            self.max_sessions = Some(Set { to, over: said(written, |table| table.max_sessions), by: by.clone() });
        }
        if let Some(to) = limits.max_requests {
            self.max_requests = Some(Set { to, over: said(written, |table| table.max_requests), by: by.clone() });
        }
        Ok(())
    }

    /// Forgets what only repeats the file.
    fn tidy(&mut self, written: Option<&NodeTable>) {
        if written.is_some_and(|table| self.wanted.as_ref().is_some_and(|set| set.to == Wanted::of(table.state))) {
            self.wanted = None;
        }
        self.weight.take_if(|set| written.is_some_and(|table| table.weight == set.to));
        self.max_sessions.take_if(|set| written.is_some_and(|table| table.max_sessions == set.to));
        self.max_requests.take_if(|set| written.is_some_and(|table| table.max_requests == set.to));
    }
}

/// What would stop working: the last node that takes sessions, the last with a role, sessions that are still there.
fn preflight(cluster: &Cluster, node: &Arc<Node>, edit: &Edit, now: Now) -> Result<(), Refused> {
    let leaves = matches!(edit.action, Action::Drain(_) | Action::Disable | Action::Remove)
        || matches!(edit.action, Action::Set(Limits { weight: Some(0), .. }));
    if !leaves {
        return Ok(());
    }
    let name = &edit.node;
    if edit.action == Action::Remove && node.has_role(Role::Lb) {
        let why = format!("{name} has the role lb: clients ask it for the list of nodes; take the role from it first");
        return Err(Refused::Harm { why, force: false });
    }
    if edit.force {
        return Ok(());
    }
    let harm = |why: String| Err(Refused::Harm { why, force: true });
    let others = || cluster.nodes().filter(|other| other.live.slot != node.live.slot);
    for (role, stops) in [(Role::Lb, "clients that ask for the list of nodes find nobody"), (Role::Batch, "no batch job runs")] {
        // one that is draining is on its way out itself
        let is_there = |state| matches!(state, State::Ready | State::Full | State::Syncing | State::Aside);
        let serves = |other: &&Arc<Node>| other.has_role(role) && is_there(other.state(now));
        if node.has_role(role) && !others().any(|other| serves(&other)) {
            return harm(format!("{name} is the last {} node of {}: {stops}", role.word(), edit.cluster));
        }
    }
    if node.state(now) == State::Ready && !others().any(|other| matches!(other.state(now), State::Ready | State::Full)) {
        return harm(format!("{name} is the last node of {} that takes sessions: new clients would be refused", edit.cluster));
    }
    let sessions = node.live.all_sessions();
    if edit.action == Action::Remove && sessions > 0 {
        let many = if sessions == 1 { "1 session".to_owned() } else { format!("{sessions} sessions") };
        let who = who(cluster, node, sessions, now.secs());
        return harm(format!("{name} has {many}{who}: drain it first, or they are lost"));
    }
    Ok(())
}

/// The sessions of a node that were seen last, in brackets.
fn who(cluster: &Cluster, node: &Node, all: u32, now: u32) -> String {
    const MOST: usize = 5;
    let newest = cluster.live.ledger.newest_on(node.live.slot, MOST).into_iter();
    let mut said: Vec<String> = newest.map(|(id, seen)| format!("{id:016x} seen {} s ago", now.saturating_sub(seen.last))).collect();
    if said.is_empty() {
        return String::new();
    }
    if all as usize > said.len() {
        said.push("…".into());
    }
    format!(" ({}; `homing sessions {}/{}` lists them)", said.join(", "), cluster.name, node.spec.name)
}

fn list(names: &[&str]) -> String {
    const MOST: usize = 12;
    match names {
        [] => "none".to_owned(),
        names if names.len() > MOST => format!("{}, … ({} in all)", names[..MOST].join(", "), names.len()),
        names => names.join(", "),
    }
}
