//! Who is checked, and what becomes of what a check says: one task a node, its memory kept over reloads.

use super::names;
use super::probe::{self, Failure, Meaning, Seen};
use super::tasks::{Task, Tasks};
use super::watch::{Outcome, Watch};
use crate::base::clock::{self, Now, millis};
use crate::config::model::{self, AdminState, HealthKind, PinnedBy};
use crate::table::kept::{News, kept};
use crate::table::{Cluster, ClusterLive, Health, Link, Node, NodeLive, Rise, Table};
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tracing::{info, warn};

/// Checks at one time: the first round of a large table is spread out, and the descriptors it takes are bounded.
const AT_ONCE: usize = 256;
/// The shortest pause between two checks of a node, however long the first took.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

type Key = (Arc<str>, Arc<str>);

/// The checks that run, by cluster and node name.
pub struct Checks {
    tasks: Tasks<Key, Watched>,
    /// Clusters of the last table: a node that joins one of them is eased in, the nodes of a new one are not.
    clusters: HashSet<Arc<str>>,
    shared: Rc<Shared>,
}

struct Shared {
    places: Semaphore,
    /// Clusters none of whose nodes is up, as far as it was said.
    dark: RefCell<HashSet<Arc<str>>>,
}

/// A node, and what its checks have shown so far.
struct Watched {
    subject: Rc<Subject>,
    watch: Rc<RefCell<Watch>>,
}

/// The node that is checked, and how.
struct Subject {
    cluster: Arc<str>,
    node: Arc<str>,
    cluster_live: Arc<ClusterLive>,
    live: Arc<NodeLive>,
    link: Arc<Link>,
    conf: model::Health,
    /// How long nothing is to be heard of it before clients that wait in vain count.
    patience: Duration,
    /// How long it is set aside then.
    eject: Duration,
    /// It joined a cluster that was there before.
    joined: bool,
    /// Its check passes, and its clients wait in vain: it is to be asked.
    in_vain: Notify,
}

impl Subject {
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

    /// Whether its check only connects, passes, and its clients wait in vain, for something that others need not wait for.
    fn is_to_be_asked(&self) -> bool {
        self.conf.kind() == HealthKind::Tcp && self.live.evidence.check_passes() && self.cluster_live.alone_in_vain(&self.live)
    }

    /// Asks for an answer: a connection is none. One that has none for so long, as its clients have none, hangs.
    async fn ask(&self) {
        let (evidence, patience) = (&self.live.evidence, self.patience);
        let since = evidence.in_vain_since();
        let found = probe::ask_for_any(&self.link, &self.conf, patience).await;
        let now = Now::look();
        match found {
            // an answer that takes as long speaks for it until the next is there
            Ok(_) => evidence.vouched(2 * millis(patience), now),
            Err(Failure { meaning: Meaning::Silent, why }) if evidence.found_in_vain(since, millis(self.eject), now) => {
                let (cluster, node) = (&self.cluster, &self.node);
                warn!("cluster {cluster} node {node} is set aside: clients wait in vain, and a check that asks for \"/\" has {why}");
            }
            Err(_) => return,
        }
        self.cluster_live.rescore(self.live.slot, now);
    }
}

/// A page may take as long as clients wait for it, and a node that stalls for less than this is worth waiting for.
fn patience(conf: &model::Cluster) -> Duration {
    conf.timeouts.response.get().max(conf.passive.eject.get() * 3)
}

impl Checks {
    /// None yet.
    pub fn new() -> Self {
        let shared = Shared { places: Semaphore::new(AT_ONCE), dark: RefCell::default() };
        Self { tasks: Tasks::default(), clusters: HashSet::new(), shared: Rc::new(shared) }
    }

    /// Makes the running checks those the table asks for: a new node is checked at once, an unchanged one keeps its task, a
    /// changed one keeps its memory. To be called in a `LocalSet`, after each new table.
    pub fn reconcile(&mut self, table: &Table) {
        let nodes = table.clusters.iter().flat_map(|cluster| cluster.nodes().map(move |node| (cluster, &**node)));
        // one that waits to be accepted is not spoken to: whoever announced it would choose whom we connect to
        let known = nodes.filter(|(_, node)| node.spec.admin != AdminState::Pending);
        self.tasks.reconcile(
            known.map(|(cluster, node)| ((Arc::clone(&cluster.name), Arc::clone(&node.spec.name)), (cluster, node))),
            |watched, (cluster, node)| watched.subject.is_current(cluster, node),
            |(cluster, node), before| {
                let before = before.filter(|watched| watched.subject.is_same_node(cluster, node));
                begin(&self.shared, cluster, node, self.clusters.contains(&cluster.name), before)
            },
        );
        self.clusters = table.clusters.iter().map(|cluster| Arc::clone(&cluster.name)).collect();
        self.shared.dark.borrow_mut().retain(|name| self.clusters.contains(name));
    }
}

fn begin(shared: &Rc<Shared>, cluster: &Cluster, node: &Node, joined: bool, before: Option<&Watched>) -> (Watched, Option<Task>) {
    let conf = cluster.conf.health.clone();
    let interval_ms = millis(conf.interval.get());
    let subject = Rc::new(Subject {
        cluster: Arc::clone(&cluster.name),
        node: Arc::clone(&node.spec.name),
        cluster_live: Arc::clone(&cluster.live),
        live: Arc::clone(&node.live),
        link: Arc::clone(&node.link),
        conf,
        patience: patience(&cluster.conf),
        eject: cluster.conf.passive.eject.get(),
        joined: before.map_or(joined, |watched| watched.subject.joined),
        in_vain: Notify::new(),
    });
    if subject.conf.kind() == HealthKind::Off {
        settle_unchecked(&subject, shared, Now::look());
        let watch = Watch::new(Health::Up, subject.conf.rise, subject.conf.fall, interval_ms);
        return (Watched { subject, watch: Rc::new(RefCell::new(watch)) }, None);
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
    let task = Task::spawn("the check of a node", move || follow(Rc::clone(&of), Rc::clone(&seen), Rc::clone(&shared)));
    (Watched { subject, watch }, Some(task))
}

impl Default for Checks {
    fn default() -> Self {
        Self::new()
    }
}

async fn follow(subject: Rc<Subject>, watch: Rc<RefCell<Watch>>, shared: Rc<Shared>) {
    tokio::join!(check(&subject, &watch, &shared), ask(&subject));
}

/// Asks it beside its checks, which go on meanwhile.
async fn ask(subject: &Subject) {
    loop {
        subject.in_vain.notified().await;
        if subject.is_to_be_asked() {
            subject.ask().await;
        }
    }
}

async fn check(subject: &Subject, watch: &RefCell<Watch>, shared: &Shared) {
    wait_for_name(&subject.link, subject.conf.timeout.get()).await;
    loop {
        let interval = subject.conf.interval.get().mul_f64(rand::random_range(0.9..1.1));
        let (result, took) = {
            // held for the check only, so that waiting for a place never counts as the node's silence
            let _place = shared.places.acquire().await;
            let from = clock::monotonic_ms();
            (probe::probe(&subject.link, &subject.conf).await, clock::monotonic_ms().saturating_sub(from))
        };
        settle(subject, &mut watch.borrow_mut(), shared, result, Now::look());
        if subject.is_to_be_asked() {
            subject.in_vain.notify_one();
        }
        tokio::time::sleep(interval.saturating_sub(Duration::from_millis(took)).max(SHORTEST_PAUSE)).await;
    }
}

/// Gives the first look-up of a name the time of a check, so that a good name does not begin with a bad check.
async fn wait_for_name(link: &Link, limit: Duration) {
    if names::name_of(&link.url).is_none() {
        return;
    }
    let resolved = async {
        while link.addresses.load().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // without an answer in time the check itself says that the name does not resolve
    tokio::time::timeout(limit, resolved).await.ok();
}

fn settle(subject: &Subject, watch: &mut Watch, shared: &Shared, result: Result<Seen, Failure>, at: Now) {
    let now = at.ms();
    let outcome = match &result {
        Ok(_) => Outcome::Good,
        Err(Failure { meaning: Meaning::Definite | Meaning::Refused, .. }) => Outcome::Definite,
        Err(Failure { meaning: Meaning::Silent, .. }) => Outcome::Silent,
        Err(Failure { meaning: Meaning::Ours, why }) => {
            // our own lack takes no node down; it lasts, so it is said once
            let why = format!("could not be checked: {why}");
            if subject.live.why() != why {
                warn!("cluster {} node {} {why}", subject.cluster, subject.node);
                publish(subject, watch.health(), &why, at);
            }
            return;
        }
    };
    if outcome != Outcome::Good {
        subject.live.errors.checks.fetch_add(1, Relaxed);
    }
    let was_fresh = watch.is_fresh();
    let is_refused = matches!(&result, Err(failure) if failure.meaning == Meaning::Refused);
    if was_fresh && !is_refused && (!subject.joined || subject.live.all_sessions() > 0) {
        // it listens and may have sessions from before this process, which began in the middle of whatever it is
        watch.assume_served();
    }
    // where the check alone decides, an answer to a client does not outweigh a silent one
    let since_answer = subject.live.evidence.since_answer(at).filter(|_| subject.conf.pinned == PinnedBy::Traffic);
    if outcome == Outcome::Good && watch.held(now).is_some() && !subject.cluster_live.others_take_new(subject.live.slot, at) {
        watch.lift_hold();
    }
    let change = watch.observe(now, outcome, since_answer);
    let is_news = subject.live.evidence.set_check_passes(watch.failed_checks() == 0);
    note_row(subject, watch, now);
    if is_doubted(subject, at) {
        watch.excuse_fall();
    }
    let why = match &result {
        Ok(seen) => why_good(watch, now, &seen.words),
        Err(failure) => why_bad(watch, now, change.is_some(), &subject.conf, &failure.why),
    };
    if was_fresh && outcome == Outcome::Definite && is_nowhere(&subject.link) {
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
        say(subject, watch.health(), &why, at);
        say_of_cluster(subject, shared);
    }
}

/// Notes whether the checks of a node that served begin to fail, or call it up again, and what that means for all of them.
fn note_row(subject: &Subject, watch: &Watch, now: u64) {
    let (evidence, doubt) = (&subject.live.evidence, &subject.cluster_live.doubt);
    let is_news = watch.fails().is_some_and(|fails| evidence.check(fails, now));
    if !is_news && !doubt.is_any(now) {
        return;
    }
    let roster = subject.cluster_live.roster.load();
    let nodes: Vec<&Node> = roster.nodes.iter().flatten().map(|node| &**node).collect();
    let cluster = &subject.cluster;
    match doubt.look(&subject.conf, &nodes, now) {
        Some(News::Begun(fail, of)) if subject.conf.pinned == PinnedBy::Traffic => {
            warn!(
                "cluster {cluster}: the checks of {fail} of {of} nodes began to fail at the same time: pinned sessions stay where they are"
            );
        }
        Some(News::Passed) if subject.conf.pinned == PinnedBy::Traffic => info!("cluster {cluster}: most nodes pass their checks again"),
        _ => {}
    }
}

/// Whether it fails with most others.
fn is_doubted(subject: &Subject, now: Now) -> bool {
    let roster = subject.cluster_live.roster.load();
    roster.node(subject.live.slot).is_some_and(|node| subject.cluster_live.doubt.covers(node, now))
}

fn settle_unchecked(subject: &Subject, shared: &Shared, now: Now) {
    subject.live.set_check_drains(false);
    subject.live.evidence.set_check_passes(true);
    subject.live.evidence.check(false, now.ms());
    if publish(subject, Health::Up, "no checks", now) {
        say_of_cluster(subject, shared);
    }
}

/// Writes health and its reason into the live cells. Returns whether health changed.
fn publish(subject: &Subject, health: Health, why: &str, now: Now) -> bool {
    let live = &subject.live;
    // a whole cluster that starts or comes back is not eased in, only a node that joins or comes back to others
    let rise = match live.health() {
        before if before == health => Rise::Found,
        Health::Unknown if !subject.joined => Rise::Found,
        _ if subject.cluster_live.others_serve(live.slot, now) => Rise::Among,
        _ => Rise::Alone,
    };
    let changed = live.set_health(health, why, rise, now).is_some();
    if changed {
        subject.cluster_live.rescore(live.slot, now);
    }
    changed
}

fn is_nowhere(link: &Link) -> bool {
    link.url.unix.is_none() && link.addresses.load().is_empty()
}

fn why_good(watch: &Watch, now: u64, seen: &str) -> String {
    match (watch.health(), watch.held(now)) {
        (Health::Down, Some((flips, left))) => format!("held down after {flips} flips, for {} s more; {seen}", left.div_ceil(1000)),
        (Health::Down, None) => format!("answers again: {seen}"),
        _ => seen.to_owned(),
    }
}

fn why_bad(watch: &Watch, now: u64, fell: bool, conf: &model::Health, why: &str) -> String {
    let failed = watch.failed_checks();
    let checks = if failed == 1 { "check" } else { "checks" };
    match (watch.health(), watch.held(now)) {
        (Health::Down, Some((flips, left))) if fell => {
            format!("{why} ({failed} {checks} failed), held down for {} s after {flips} flips", left.div_ceil(1000))
        }
        (Health::Down, _) if fell => format!("{why} ({failed} {checks} failed)"),
        (Health::Up, _) if failed == 0 => format!("{why}, but clients are answered"),
        (Health::Up, _) => format!("{why} ({failed} of {} checks failed)", conf.fall),
        _ => why.to_owned(),
    }
}

fn say(subject: &Subject, health: Health, why: &str, now: Now) {
    let (cluster, node) = (&subject.cluster, &subject.node);
    match health {
        Health::Up => info!("cluster {cluster} node {node} is up: {why}"),
        _ => {
            let roster = subject.cluster_live.roster.load();
            let at = roster.node(subject.live.slot);
            let kept =
                at.and_then(|node| Some(format!(", but {}: {}", kept(&subject.conf, &subject.cluster_live, node, now)?, node.keeps())));
            warn!("cluster {cluster} node {node} is down: {why}{}", kept.unwrap_or_default());
        }
    }
}

/// Says once when the last node of a cluster falls, and once when one is back.
fn say_of_cluster(subject: &Subject, shared: &Shared) {
    let roster = subject.cluster_live.roster.load();
    let mut meant = roster.nodes.iter().flatten().filter(|node| node.spec.admin != AdminState::Maintenance).peekable();
    let (name, mut dark) = (&subject.cluster, shared.dark.borrow_mut());
    if subject.live.health() == Health::Up {
        if dark.remove(name) {
            info!("cluster {name} is served again: node {} passes its check", subject.node);
        }
    } else if meant.peek().is_some() && meant.all(|node| node.live.health() == Health::Down) && dark.insert(Arc::clone(name)) {
        warn!("every node of cluster {name} fails its check: all are tried");
    }
}

#[cfg(test)]
pub(super) mod tests;
