//! What becomes of what a check says: no task, no socket, and the time is an argument.

use crate::base::clock::Now;
use crate::base::words::count;
use crate::config::model::{self, AdminState, PinnedBy};
use crate::feed::probe::{CheckAnswer, CheckFailure, Meaning};
use crate::feed::watch::{CheckOutcome, Watch};
use crate::heartbeat::Announced;
use crate::table::doubt::DoubtOutcome;
use crate::table::kept::kept;
use crate::table::{Cluster, ClusterLive, Health, Link, Node, NodeLive, Rise};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::Notify;
use tracing::{info, warn};

/// The node that is checked, and how.
pub struct CheckedNode {
    pub(super) cluster: Arc<str>,
    pub(super) node: Arc<str>,
    pub(super) cluster_live: Arc<ClusterLive>,
    pub(super) live: Arc<NodeLive>,
    pub(super) link: Arc<Link>,
    pub(super) conf: model::Health,
    /// How long nothing is to be heard of it before clients that wait in vain count.
    pub(super) patience: Duration,
    /// How long it is set aside then.
    pub(super) eject: Duration,
    /// It joined a cluster that was there before.
    pub(super) joined: bool,
    /// Its check passes, and its clients wait in vain: it is to be asked.
    pub(super) in_vain: Notify,
}

impl CheckedNode {
    /// This node; `joined` if its cluster was there before it.
    pub fn of(cluster: &Cluster, node: &Node, joined: bool) -> Self {
        Self {
            cluster: Arc::clone(&cluster.name),
            node: Arc::clone(&node.spec.name),
            cluster_live: Arc::clone(&cluster.live),
            live: Arc::clone(&node.live),
            link: Arc::clone(&node.link),
            conf: cluster.conf.health.clone(),
            patience: patience(&cluster.conf),
            eject: cluster.conf.passive.eject.get(),
            joined,
            in_vain: Notify::new(),
        }
    }
}

/// Clusters none of whose nodes is up, as far as it was said.
#[derive(Debug, Default)]
pub struct Outages(pub(super) RefCell<HashSet<Arc<str>>>);

impl Outages {
    /// Other clusters than these are no more.
    pub(super) fn forget_others(&self, clusters: &HashSet<Arc<str>>) {
        self.0.borrow_mut().retain(|name| clusters.contains(name));
    }
}

/// A page may take as long as clients wait for it, and a node that stalls for less than this is worth waiting
/// for.
pub(super) fn patience(conf: &model::Cluster) -> Duration {
    conf.timeouts.response.get().max(conf.passive.eject.get() * 3)
}

/// Takes what a check found.
pub fn record(
    subject: &CheckedNode,
    watch: &mut Watch,
    outages: &Outages,
    result: Result<CheckAnswer, CheckFailure>,
    at: Now,
) {
    let now = at.ms();
    let outcome = match &result {
        Ok(_) => CheckOutcome::Good,
        Err(CheckFailure { meaning: Meaning::Definite | Meaning::Refused, .. }) => CheckOutcome::Definite,
        Err(CheckFailure { meaning: Meaning::Silent, .. }) => CheckOutcome::Silent,
        Err(CheckFailure { meaning: Meaning::Ours, why }) => {
            // our own lack takes no node down; it lasts, so it is said once
            let why = format!("could not be checked: {why}");
            if subject.live.why() != why {
                warn!("cluster {} node {} {why}", subject.cluster, subject.node);
                publish(subject, watch.health(), &why, at);
            }
            return;
        }
    };
    if outcome != CheckOutcome::Good {
        subject.live.errors.checks.fetch_add(1, Relaxed);
    }
    let was_fresh = watch.is_fresh();
    let is_refused = matches!(&result, Err(failure) if failure.meaning == Meaning::Refused);
    if was_fresh && !is_refused && (!subject.joined || subject.live.all_sessions() > 0) {
        // it listens and may have sessions from before this process, which began in the middle of whatever it
        // is
        watch.assume_served();
    }
    // where the check alone decides, an answer to a client does not outweigh a silent one
    let since_answer =
        subject.live.evidence.since_answer(at).filter(|_| subject.conf.pinned == PinnedBy::Traffic);
    if outcome == CheckOutcome::Good
        && watch.held(now).is_some()
        && !subject.cluster_live.others_take_new(subject.live.slot, at)
    {
        watch.lift_hold();
    }
    if subject.live.take_pardon() {
        watch.forgive();
    }
    let change = watch.observe(now, outcome, since_answer);
    let is_news = subject.live.evidence.set_check_passes(watch.failed_checks() == 0);
    note_row(subject, watch, now);
    if is_excused(subject, at) {
        watch.excuse_fall();
    }
    let why = match &result {
        Ok(seen) => why_good(watch, now, &seen.words),
        Err(failure) => why_bad(watch, now, change.is_some(), &subject.conf, &failure.why),
    };
    if was_fresh && outcome == CheckOutcome::Definite && is_nowhere(&subject.link) {
        // the node itself is still to be checked for the first time
        watch.start_anew();
    }
    match &result {
        Ok(_) => subject.live.evidence.listens(true),
        Err(failure) if failure.meaning == Meaning::Refused => subject.live.evidence.listens(false),
        Err(_) => {}
    }
    // what it asks for is obeyed at once
    if result.is_ok_and(|seen| subject.live.set_check_drains(seen.drains)) || is_news {
        subject.cluster_live.rescore(subject.live.slot, at);
    }
    if publish(subject, watch.health(), &why, at) {
        announce(subject, watch.health(), &why, at);
        say_of_cluster(subject, outages);
    }
}

/// Notes whether the checks of a node that served begin to fail, or call it up again, and what that means for
/// all of them.
fn note_row(subject: &CheckedNode, watch: &Watch, now: u64) {
    let (evidence, doubt) = (&subject.live.evidence, &subject.cluster_live.doubt);
    let is_news = watch.fails().is_some_and(|fails| evidence.check(fails, now));
    if !is_news && !doubt.is_any(now) {
        return;
    }
    let roster = subject.cluster_live.roster.load();
    let nodes: Vec<&Node> = roster.nodes.iter().flatten().map(|node| &**node).collect();
    let cluster = &subject.cluster;
    match doubt.look(&subject.conf, &nodes, now) {
        Some(DoubtOutcome::Begun(fail, of)) if subject.conf.pinned == PinnedBy::Traffic => {
            warn!(
                "cluster {cluster}: the checks of {fail} of {of} nodes began to fail at the same time: pinned sessions stay where they are"
            );
        }
        Some(DoubtOutcome::Passed) if subject.conf.pinned == PinnedBy::Traffic => {
            info!("cluster {cluster}: most nodes pass their checks again")
        }
        _ => {}
    }
}

/// Whether it fails with most others, or was taken out, by an operator or by itself: who restarts it then has
/// meant to.
fn is_excused(subject: &CheckedNode, now: Now) -> bool {
    let roster = subject.cluster_live.roster.load();
    roster.node(subject.live.slot).is_some_and(|node| {
        subject.cluster_live.doubt.covers(node, now)
            || node.spec.admin != AdminState::Enabled
            || subject.live.check_drains()
            || !matches!(subject.live.report.announced(), Announced::Ready | Announced::Syncing)
    })
}

pub(super) fn record_unchecked(subject: &CheckedNode, outages: &Outages, now: Now) {
    subject.live.set_check_drains(false);
    subject.live.evidence.set_check_passes(true);
    subject.live.evidence.check(false, now.ms());
    if publish(subject, Health::Up, "no checks", now) {
        say_of_cluster(subject, outages);
    }
}

/// Writes health and its reason into the live cells. Returns whether health changed.
pub(super) fn publish(subject: &CheckedNode, health: Health, why: &str, now: Now) -> bool {
    let live = &subject.live;
    // a whole cluster that starts or comes back is not eased in, only a node that joins or comes back to
    // others
    let rise = match live.health() {
        before if before == health => Rise::Found,
        Health::Unknown if !subject.joined => Rise::Found,
        _ if subject.cluster_live.others_serve(live.slot, now) => Rise::Among,
        _ => Rise::Alone,
    };
    let changed = live.set_health(health, why, rise, now).is_some();
    if changed {
        subject.cluster_live.learn(live.slot, now);
    }
    changed
}

fn is_nowhere(link: &Link) -> bool {
    link.url.unix.is_none() && link.addresses.load().is_empty()
}

fn why_good(watch: &Watch, now: u64, seen: &str) -> String {
    match (watch.health(), watch.held(now)) {
        (Health::Down, Some((flips, left))) => {
            format!("held down after {flips} flips, for {} s more; {seen}", left.div_ceil(1000))
        }
        (Health::Down, None) => format!("answers again: {seen}"),
        _ => seen.to_owned(),
    }
}

fn why_bad(watch: &Watch, now: u64, fell: bool, conf: &model::Health, why: &str) -> String {
    let failed = watch.failed_checks();
    let checks = || count(failed.into(), "check");
    match (watch.health(), watch.held(now)) {
        (Health::Down, Some((flips, left))) if fell => {
            format!(
                "{why} ({} failed), held down for {} s after {flips} flips",
                checks(),
                left.div_ceil(1000)
            )
        }
        (Health::Down, _) if fell => format!("{why} ({} failed)", checks()),
        (Health::Up, _) if failed == 0 => format!("{why}, but clients are answered"),
        (Health::Up, _) => format!("{why} ({failed} of {} checks failed)", conf.fall),
        _ => why.to_owned(),
    }
}

fn announce(subject: &CheckedNode, health: Health, why: &str, now: Now) {
    let (cluster, node) = (&subject.cluster, &subject.node);
    match health {
        Health::Up => info!("cluster {cluster} node {node} is up: {why}"),
        _ => {
            let roster = subject.cluster_live.roster.load();
            let at = roster.node(subject.live.slot);
            let kept = at.and_then(|node| {
                Some(format!(
                    ", but {}: {}",
                    kept(&subject.conf, &subject.cluster_live, node, now)?,
                    node.keeps()
                ))
            });
            warn!("cluster {cluster} node {node} is down: {why}{}", kept.unwrap_or_default());
        }
    }
}

/// Says once when the last node of a cluster falls, and once when one is back.
fn say_of_cluster(subject: &CheckedNode, outages: &Outages) {
    let roster = subject.cluster_live.roster.load();
    let mut meant =
        roster.nodes.iter().flatten().filter(|node| node.spec.admin != AdminState::Maintenance).peekable();
    let (name, mut dark) = (&subject.cluster, outages.0.borrow_mut());
    if subject.live.health() == Health::Up {
        if dark.remove(name) {
            info!("cluster {name} is served again: node {} passes its check", subject.node);
        }
    } else if meant.peek().is_some()
        && meant.all(|node| node.live.health() == Health::Down)
        && dark.insert(Arc::clone(name))
    {
        warn!("every node of cluster {name} fails its check: all are tried");
    }
}
