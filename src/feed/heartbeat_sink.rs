//! Where every heartbeat ends, whatever it came by: it is heard, and a node that is new is let in first.

use super::place;
use crate::base::clock::{self, Now};
use crate::base::words::words;
use crate::control::ReportStore;
use crate::control::handle::RegistryHandle;
use crate::control::members::{BeatRefusal, HeartbeatResult, Members, SenderProof};
use crate::control::state::StateDir;
use crate::control::state::writer::{Saved, StateWriter};
use crate::heartbeat::{Heartbeat, HeartbeatMessage};
use crate::table::{Cluster, Current, Node, Table};
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Nodes that may join or move at one time, or be said to, which builds the table anew or looks a name up,
const JOINS: u64 = 500;
/// and so many more each second.
const JOINS_A_SECOND: u64 = 100;

/// How long a node that joined or moved waits for its answer because of the disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// The document with what nodes said.
const REMEMBERED: &str = "heartbeats";

words! {
    /// The languages in which a node speaks for itself.
    pub enum Dialect {
        /// `POST /heartbeat`.
        Native = "native",
        /// Apache's mod_heartbeat and Tomcat's HeartbeatListener.
        ModHeartbeat = "mod-heartbeat",
        /// HAProxy's agent-check.
        Agent = "agent-check",
    }
}

words! {
    /// What became of a beat.
    pub enum HeartbeatOutcome {
        /// It was taken.
        Taken = "taken",
        /// Its sender may not speak: a wrong token, a network that is not listed.
        Denied = "denied",
        /// It is not of its dialect.
        Malformed = "malformed",
        /// There is no such cluster or node.
        Unknown = "unknown",
        /// It was heard before.
        Replayed = "replayed",
        /// It cannot be as it says.
        Refused = "refused",
        /// Too many joined at one time.
        Busy = "busy",
        /// An agent was asked and did not answer.
        Unanswered = "unanswered",
    }
}

impl<T> From<&Result<T, BeatRefusal>> for HeartbeatOutcome {
    fn from(heard: &Result<T, BeatRefusal>) -> Self {
        match heard {
            Ok(_) => Self::Taken,
            Err(refusal) => refusal.into(),
        }
    }
}

impl From<&BeatRefusal> for HeartbeatOutcome {
    fn from(refusal: &BeatRefusal) -> Self {
        match refusal {
            BeatRefusal::Unknown(_) => Self::Unknown,
            BeatRefusal::Replayed => Self::Replayed,
            BeatRefusal::Denied(_) => Self::Denied,
            BeatRefusal::Wrong(_) | BeatRefusal::Misplaced(_) => Self::Refused,
            BeatRefusal::Busy => Self::Busy,
        }
    }
}

/// A node whose beat was taken.
pub struct HeartbeatReceipt {
    /// Its cluster.
    pub cluster: Arc<Cluster>,
    /// The node.
    pub node: Arc<Node>,
    /// It joined or moved with this beat: until that outlives the process.
    saved: Option<Saved>,
}

impl HeartbeatReceipt {
    /// Waits until what the beat changed outlives the process, so that the answer promises nothing that a
    /// kill takes back; not for long where the disk does not write.
    pub async fn once_saved(&mut self) {
        if let Some(saved) = &mut self.saved {
            // a node is told nothing of that: the log, the metric and the status are
            let _ = saved.within(PATIENCE).await;
        }
    }
}

/// Beats by dialect and by what became of them, since the start.
#[derive(Default)]
pub struct Counts([[Cell<u64>; HeartbeatOutcome::ALL.len()]; Dialect::ALL.len()]);

impl Counts {
    /// One more.
    pub fn note(&self, dialect: Dialect, outcome: impl Into<HeartbeatOutcome>) {
        let cell = &self.0[dialect as usize][outcome.into() as usize];
        cell.set(cell.get() + 1);
    }

    /// How many.
    pub fn get(&self, dialect: Dialect, outcome: HeartbeatOutcome) -> u64 {
        self.0[dialect as usize][outcome as usize].get()
    }
}

/// The ear of the control thread.
pub struct HeartbeatSink {
    /// For whoever hears them to note, in every dialect.
    pub counts: Rc<Counts>,
    members: RefCell<Members>,
    current: Arc<Current>,
    registry: RegistryHandle,
    joins: Allowance,
}

impl HeartbeatSink {
    /// Nothing was heard yet.
    pub fn new(current: Arc<Current>, registry: RegistryHandle) -> Rc<Self> {
        Rc::new(Self {
            counts: Rc::default(),
            members: RefCell::default(),
            current,
            registry,
            joins: Allowance::new(clock::monotonic_ms()),
        })
    }

    /// The table as it is now.
    pub fn table(&self) -> Arc<Table> {
        self.current.load_full()
    }

    /// Hears a beat whose sender has been admitted; a node that is new joins its cluster first.
    pub async fn apply(
        &self,
        heard: &HeartbeatMessage,
        from: IpAddr,
        proof: SenderProof<'_>,
    ) -> Result<HeartbeatReceipt, BeatRefusal> {
        let mut saved = None;
        // the second time it is known; a third is for one that was changed in between
        for _ in 0..3 {
            let hearing =
                self.members.borrow_mut().apply(heard, from, proof, &self.current.load(), Now::look());
            match hearing {
                HeartbeatResult::Taken { cluster, node } => {
                    return Ok(HeartbeatReceipt { cluster, node, saved });
                }
                HeartbeatResult::Refused(refusal) => return Err(refusal),
                HeartbeatResult::Joins(_) | HeartbeatResult::Claims { .. }
                    if !self.joins.take(clock::monotonic_ms()) =>
                {
                    return Err(BeatRefusal::Busy);
                }
                HeartbeatResult::Claims { cluster, node, claim } => {
                    Box::pin(place::admits(&cluster, &claim.url, claim.from)).await?;
                    self.members.borrow_mut().record_claim(&cluster, &node, claim);
                    return Ok(HeartbeatReceipt { cluster, node, saved });
                }
                HeartbeatResult::Joins(op) => {
                    Box::pin(place::admits_arrival(&op, &self.current.load_full())).await?;
                    // it is seldom: the others need not carry room for it
                    let done = Box::pin(self.registry.apply(op))
                        .await
                        .map_err(|refused| BeatRefusal::Wrong(refused.to_string()))?;
                    saved = Some(done.saved);
                }
            }
        }
        Err(BeatRefusal::Wrong("the node was changed while it joined: announce it again".into()))
    }

    /// Hears a beat of a node that is known, such as its agent's answer.
    pub fn apply_to(
        &self,
        cluster: &Arc<Cluster>,
        node: &Arc<Node>,
        beat: &Heartbeat,
    ) -> Result<(), BeatRefusal> {
        match self.members.borrow_mut().take(cluster, node, beat, Now::look()) {
            HeartbeatResult::Refused(refusal) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Nobody speaks for the node any more: what was said of it no longer holds.
    pub fn forget(&self, cluster: &Cluster, node: &Node) {
        node.live.report.forget();
        node.live.fill.forget();
        node.live.limit.set(node.max_requests());
        cluster.live.rescore(node.live.slot, Now::look());
    }

    /// Knows again what nodes said before a restart of ours.
    pub fn recall(&self, state: &StateDir) {
        let cost = "what nodes said of themselves is known again with their next heartbeat";
        state.read::<ReportStore>(REMEMBERED, cost).recall(&self.current.load(), Now::look());
    }

    /// Has written down, with the next look, what is known of nodes by now.
    pub fn remember(&self) {
        self.members.borrow_mut().remember();
    }

    /// Has written down what is new and is to outlive us.
    pub fn save(&self, state: &StateWriter) {
        if let Some(news) = self.members.borrow_mut().news(&self.current.load(), Now::look()) {
            state.write(REMEMBERED, Arc::new(news));
        }
    }

    /// Looks each second, for ever, at what the passing of time changes.
    pub async fn watch(self: Rc<Self>, state: Rc<StateWriter>) {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            self.members.borrow_mut().tick(&self.current.load(), Now::look());
            self.save(&state);
        }
    }
}

/// So many at one time, and so many more as time passes.
struct Allowance {
    /// In thousandths.
    left: Cell<u64>,
    at: Cell<u64>,
}

impl Allowance {
    fn new(now_ms: u64) -> Self {
        Self { left: Cell::new(JOINS * 1000), at: Cell::new(now_ms) }
    }

    fn take(&self, now_ms: u64) -> bool {
        let since = now_ms - self.at.replace(now_ms);
        let left = (self.left.get() + since.saturating_mul(JOINS_A_SECOND)).min(JOINS * 1000);
        self.left.set(left.checked_sub(1000).unwrap_or(left));
        left >= 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_join_at_one_time_and_more_as_time_passes() {
        let joins = Allowance::new(7);
        assert_eq!((0..2 * JOINS).filter(|_| joins.take(7)).count() as u64, JOINS);
        assert!(!joins.take(16) && joins.take(17) && !joins.take(26), "one in ten milliseconds");
        assert_eq!(
            (0..2 * JOINS).filter(|_| joins.take(1_000_000)).count() as u64,
            JOINS,
            "and no more at one time"
        );
    }
}
