//! Who is checked: one task a node, its memory kept over reloads.

pub mod judge;

use self::judge::{CheckedNode, Outages, patience, record, record_unchecked};
use super::names;
use super::probe::{self, CheckFailure, Meaning};
use super::tasks::{Task, Tasks};
use super::watch::Watch;
use crate::base::clock::{self, Now, millis};
use crate::config::model::{AdminState, HealthKind};
use crate::table::{Cluster, Health, Link, Node, Table};
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing::warn;

/// Checks at one time: the first round of a large table is spread out, and the descriptors it takes are
/// bounded.
const AT_ONCE: usize = 256;
/// The shortest pause between two checks of a node, however long the first took.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

type CheckKey = (Arc<str>, Arc<str>);

/// The checks that run, by cluster and node name.
pub struct Checks {
    tasks: Tasks<CheckKey, WatchedNode>,
    /// Clusters of the last table: a node that joins one of them is eased in, the nodes of a new one are not.
    clusters: HashSet<Arc<str>>,
    shared: Rc<ChecksShared>,
}

struct ChecksShared {
    places: Semaphore,
    outages: Outages,
}

/// A node, and what its checks have shown so far.
struct WatchedNode {
    subject: Rc<CheckedNode>,
    watch: Rc<RefCell<Watch>>,
}

impl CheckedNode {
    fn is_same_node(&self, cluster: &Cluster, node: &Node) -> bool {
        Arc::ptr_eq(&self.live, &node.live) && Arc::ptr_eq(&self.cluster_live, &cluster.live)
    }

    fn is_current(&self, cluster: &Cluster, node: &Node) -> bool {
        self.is_same_node(cluster, node)
            && self.link.id == node.link.id
            && self.conf == cluster.conf.health
            && self.patience == patience(&cluster.conf)
            && self.eject == cluster.conf.passive.eject.get()
    }

    /// Whether its check only connects, passes, and its clients wait in vain, for something that others need
    /// not wait for.
    fn is_to_be_asked(&self) -> bool {
        self.conf.kind() == HealthKind::Tcp
            && self.live.evidence.check_passes()
            && self.cluster_live.alone_in_vain(&self.live)
    }

    /// Asks for an answer: a connection is none. One that has none for so long, as its clients have none,
    /// hangs.
    async fn ask(&self) {
        let (evidence, patience) = (&self.live.evidence, self.patience);
        let Some(since) = evidence.in_vain_since() else { return };
        let found = probe::ask_for_any(&self.link, &self.conf, patience).await;
        let now = Now::look();
        match found {
            // an answer that takes as long speaks for it until the next is there
            Ok(_) => evidence.record_check_answer(2 * millis(patience), now),
            Err(CheckFailure { meaning: Meaning::Silent, why })
                if evidence.found_in_vain(since, millis(self.eject), now) =>
            {
                let (cluster, node) = (&self.cluster, &self.node);
                warn!(
                    "cluster {cluster} node {node} is set aside: clients wait in vain, and a check that asks for \"/\" has {why}"
                );
            }
            Err(_) => return,
        }
        self.cluster_live.rescore(self.live.slot, now);
    }
}

impl Checks {
    /// None yet.
    pub fn new() -> Self {
        let shared = ChecksShared { places: Semaphore::new(AT_ONCE), outages: Outages::default() };
        Self { tasks: Tasks::default(), clusters: HashSet::new(), shared: Rc::new(shared) }
    }

    /// Makes the running checks those the table asks for: a new node is checked at once, an unchanged one
    /// keeps its task, a changed one keeps its memory. To be called in a `LocalSet`, after each new table.
    pub fn reconcile(&mut self, table: &Table) {
        let nodes =
            table.clusters.iter().flat_map(|cluster| cluster.nodes().map(move |node| (cluster, &**node)));
        // one that waits to be accepted is not spoken to: whoever announced it would choose whom we connect
        // to
        let known = nodes.filter(|(_, node)| node.spec.admin != AdminState::Pending);
        self.tasks.reconcile(
            known.map(|(cluster, node)| {
                ((Arc::clone(&cluster.name), Arc::clone(&node.spec.name)), (cluster, node))
            }),
            |watched, (cluster, node)| watched.subject.is_current(cluster, node),
            |(cluster, node), before| {
                let before = before.filter(|watched| watched.subject.is_same_node(cluster, node));
                begin(&self.shared, cluster, node, self.clusters.contains(&cluster.name), before)
            },
        );
        self.clusters = table.clusters.iter().map(|cluster| Arc::clone(&cluster.name)).collect();
        self.shared.outages.forget_others(&self.clusters);
    }
}

fn begin(
    shared: &Rc<ChecksShared>,
    cluster: &Cluster,
    node: &Node,
    joined: bool,
    before: Option<&WatchedNode>,
) -> (WatchedNode, Option<Task>) {
    let joined = before.map_or(joined, |watched| watched.subject.joined);
    let subject = Rc::new(CheckedNode::of(cluster, node, joined));
    let interval_ms = millis(subject.conf.interval.get());
    if subject.conf.kind() == HealthKind::Off {
        record_unchecked(&subject, &shared.outages, Now::look());
        let watch = Watch::new(Health::Up, subject.conf.rise, subject.conf.fall, interval_ms);
        return (WatchedNode { subject, watch: Rc::new(RefCell::new(watch)) }, None);
    }
    let fresh = || Watch::new(node.live.health(), subject.conf.rise, subject.conf.fall, interval_ms);
    let mut watch = before.map_or_else(fresh, |watched| watched.watch.borrow().clone());
    watch.set_limits(subject.conf.rise, subject.conf.fall, interval_ms);
    let is_back = before.is_none() && node.live.health() != Health::Unknown;
    if is_back || before.is_some_and(|watched| watched.subject.link.id != node.link.id) {
        watch.start_anew();
    }
    let watch = Rc::new(RefCell::new(watch));
    let (of, seen, shared) = (Rc::clone(&subject), Rc::clone(&watch), Rc::clone(shared));
    let task = Task::spawn("the check of a node", move || {
        follow(Rc::clone(&of), Rc::clone(&seen), Rc::clone(&shared))
    });
    (WatchedNode { subject, watch }, Some(task))
}

impl Default for Checks {
    fn default() -> Self {
        Self::new()
    }
}

async fn follow(subject: Rc<CheckedNode>, watch: Rc<RefCell<Watch>>, shared: Rc<ChecksShared>) {
    tokio::join!(check(&subject, &watch, &shared), ask(&subject));
}

/// Asks it beside its checks, which go on meanwhile.
async fn ask(subject: &CheckedNode) {
    loop {
        subject.in_vain.notified().await;
        if subject.is_to_be_asked() {
            subject.ask().await;
        }
    }
}

async fn check(subject: &CheckedNode, watch: &RefCell<Watch>, shared: &ChecksShared) {
    wait_for_name(&subject.link, subject.conf.timeout.get()).await;
    loop {
        let interval = subject.conf.interval.get().mul_f64(rand::random_range(0.9..1.1));
        let (result, took) = {
            // held for the check only, so that waiting for a place never counts as the node's silence
            let _place = shared.places.acquire().await;
            let from = clock::monotonic_ms();
            (probe::probe(&subject.link, &subject.conf).await, clock::monotonic_ms().saturating_sub(from))
        };
        if result.is_err() {
            // somebody else may be where it was
            subject.link.doubt_addresses();
        }
        record(subject, &mut watch.borrow_mut(), &shared.outages, result, Now::look());
        if subject.is_to_be_asked() {
            subject.in_vain.notify_one();
        }
        let rest = interval.saturating_sub(Duration::from_millis(took)).max(SHORTEST_PAUSE);
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            // at once where it is now
            () = subject.link.looked_up.notified() => {}
        }
    }
}

/// Gives the first look-up of a name the time of a check, so that a good name does not begin with a bad
/// check.
async fn wait_for_name(link: &Link, limit: Duration) {
    if names::name_of(&link.url).is_none() {
        return;
    }
    // without an answer in time the check itself says that the name does not resolve
    tokio::time::timeout(limit, link.is_found()).await.ok();
}

#[cfg(test)]
pub(super) mod tests;
