//! A cluster: intent that is swapped (`Cluster`), and observation that outlives every table (`ClusterLive`).

use super::crowd::Crowd;
use super::doubt::Doubt;
use super::fill::{LATELY, Norm};
use super::forwarding::Forwarding;
use super::node::{Node, NodeLive};
use super::roster::Roster;
use super::session_names::SessionNames;
use super::session_orders::SessionOrders;
use super::state::State;
use super::traffic::Traffic;
use super::warned_texts::WarnedTexts;
use crate::affinity::{Affinity, BypassIssuer};
use crate::base::clock::Now;
use crate::base::hash::hash64;
use crate::config::model;
use crate::heartbeat::native::Settings;
use crate::ledger::{KnownSession, Ledger, SessionCounter, Standing};
use crate::upstream::usage::Usage;
use arc_swap::ArcSwap;
use dashmap::DashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A cluster of a table: immutable.
pub struct Cluster {
    /// Its name.
    pub name: Arc<str>,
    /// Its conf, defaults filled in.
    pub conf: model::Cluster,
    /// Who is in it.
    pub roster: Arc<Roster>,
    /// How sessions are recognised and marked.
    pub affinity: Affinity,
    /// How its nodes learn who asked.
    pub forwarding: Forwarding,
    /// What its nodes adopt.
    pub settings: Settings<'static>,
    /// What leads past it to one node.
    pub bypass: BypassIssuer,
    /// What outlives this table.
    pub live: Arc<ClusterLive>,
    /// What its TLS files held.
    pub tls_files: u64,
    /// The page for 503.
    pub error_page: Option<bytes::Bytes>,
}

impl Cluster {
    /// The node of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Node>> {
        self.node(*self.roster.slots.get(name)?)
    }
    /// The node that a bypass value leads to, whatever the node's state.
    pub fn forced_by(&self, value: &[u8], now: u64) -> Option<&Arc<Node>> {
        let wanted = self.bypass.open(value, now)?;
        self.nodes().find(|node| hash64(node.spec.name.as_bytes()) == wanted)
    }
    /// Seconds after which a session that nobody has seen is over.
    pub fn idle_secs(&self) -> u32 {
        u32::try_from(self.conf.session_idle.get().as_secs()).unwrap_or(u32::MAX)
    }
    /// The node in a slot, if it is in this table.
    pub fn node(&self, slot: u32) -> Option<&Arc<Node>> {
        self.roster.node(slot)
    }
    /// The nodes in the order of the file.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.roster.nodes.iter().flatten()
    }
}

/// What outlives every table: the ledger, the counters, the memory of moves.
pub struct ClusterLive {
    /// Its number in this process, for what is too small to hold a name.
    pub id: u32,
    /// The cluster's name.
    pub name: Arc<str>,
    /// The newest roster: guards of requests that began under an older table settle here.
    pub roster: ArcSwap<Roster>,
    /// The table of live sessions.
    pub ledger: Ledger,
    /// Sessions that were moved and whose client may still show the old pin: session → (from, to, when).
    moves: DashMap<u64, Move>,
    move_count: AtomicU32,
    /// What is usual among its nodes.
    pub norm: Arc<Norm>,
    /// By slot, the sessions that nobody has seen lately, as far as the ledger was looked through.
    stale: Mutex<Vec<u32>>,
    /// Its requests, counted.
    pub traffic: Traffic,
    /// Bypass values that were forged, damaged or too old.
    pub bypass_refused: AtomicU64,
    /// The connections to its nodes.
    pub usage: Arc<Usage>,
    /// What its sessions are called where they are shown.
    pub names: SessionNames,
    /// What operators said of single sessions.
    pub orders: SessionOrders,
    /// Routes that clients name and no node has.
    pub warned: WarnedTexts,
    /// Whether its checks are to be doubted.
    pub doubt: Doubt,
    /// Something was learned of a node: for requests that wait for a first check.
    learned: Notify,
}

#[derive(Clone, Copy)]
struct Move {
    from: u32,
    to: u32,
    last: u32,
}

/// Moves remembered at most; beyond it a client may flip back once when its old node recovers.
const MOVES_KEPT: u32 = 100_000;

impl ClusterLive {
    /// Nothing observed yet.
    pub fn new(
        name: Arc<str>,
        roster: Arc<Roster>,
        ledger: Ledger,
        names: SessionNames,
        usage: Arc<Usage>,
    ) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let norm = roster.norm.clone();
        Self {
            id: NEXT.fetch_add(1, Relaxed),
            name,
            roster: ArcSwap::new(roster),
            ledger,
            moves: DashMap::new(),
            move_count: AtomicU32::new(0),
            norm,
            stale: Mutex::default(),
            traffic: Traffic::default(),
            bypass_refused: AtomicU64::new(0),
            usage,
            names,
            orders: SessionOrders::default(),
            warned: WarnedTexts::default(),
            doubt: Doubt::default(),
            learned: Notify::new(),
        }
    }

    /// The sessions of clients on a node that look like this one.
    pub fn crowd(&self, visitor: u64, node: &NodeLive) -> Crowd<'_> {
        Crowd::new(&self.ledger, visitor, &node.name)
    }

    /// Counts that a request failed at a node; `unseen`: before the node saw it.
    pub fn failed(&self, node: &NodeLive, unseen: bool) {
        self.traffic.failed(unseen);
        let count = if unseen { &node.errors.connect } else { &node.errors.response };
        count.fetch_add(1, Relaxed);
    }

    /// A node was checked, or has spoken, with another result than before.
    pub fn learn(&self, slot: u32, now: Now) {
        self.rescore(slot, now);
        self.learned.notify_waiters();
    }

    /// Ready when something is learned of a node, from now on and not only from when it is waited for.
    pub fn next_learned(&self) -> Pin<Box<Notified<'_>>> {
        let mut next = Box::pin(self.learned.notified());
        next.as_mut().enable();
        next
    }

    /// Brings the board up to date for one node.
    pub fn rescore(&self, slot: u32, now: Now) {
        self.roster.load().rescore(slot, now);
    }

    /// Where the ledger counts what changes now.
    pub fn tally(&self, now: Now) -> LiveSessionCounter<'_> {
        LiveSessionCounter { live: self, now }
    }

    /// Remembers that a session left a node, so that a recovery does not flip it back. False if too many did.
    pub fn remember_move(&self, session: u64, from: u32, to: u32, now: u32) -> bool {
        let has_room = self.move_count.load(Relaxed) < MOVES_KEPT;
        if has_room && self.moves.insert(session, Move { from, to, last: now }).is_none() {
            self.move_count.fetch_add(1, Relaxed);
        }
        has_room
    }

    /// Whether an operator has ended a session, and it has not begun anew.
    pub fn is_ended(&self, session: u64) -> bool {
        self.orders.ended(session).is_some() && self.ledger.find(session).is_none()
    }

    /// Where a session went that still shows a pin to `from`.
    pub fn moved_to(&self, session: u64, from: u32, now: u32) -> Option<u32> {
        if self.move_count.load(Relaxed) == 0 {
            return None;
        }
        let mut found = self.moves.get_mut(&session).filter(|m| m.from == from)?;
        found.last = now;
        Some(found.to)
    }

    /// As [`ClusterLive::moved_to`], for somebody who only asks: nothing is renewed.
    pub fn went_to(&self, session: u64, from: u32) -> Option<u32> {
        self.moves.get(&session).filter(|m| m.from == from).map(|m| m.to)
    }

    /// A session is on this node again, for want of the one that it had been moved to.
    pub fn moved_back(&self, session: u64, slot: u32) {
        if self.move_count.load(Relaxed) > 0
            && self.moves.remove_if(&session, |_, m| m.from == slot).is_some()
        {
            self.move_count.fetch_sub(1, Relaxed);
        }
    }

    /// The node that a session was moved away from, to the one that it is on.
    pub fn moved_from(&self, session: u64, slot: u32) -> Option<u32> {
        if self.move_count.load(Relaxed) == 0 {
            return None;
        }
        self.moves.get(&session).filter(|m| m.to == slot).map(|m| m.from)
    }

    /// Makes this be what is known of a session, from before the process started. Its node's count follows
    /// with `count_restored`.
    pub fn restore(&self, session: u64, known: KnownSession, moved_from: Option<u32>) {
        self.forget(session);
        self.ledger.put(session, known, &NoSessionCounter);
        if let Some(from) = moved_from {
            self.remember_move(session, from, known.slot, known.last);
        }
    }

    /// Another process that ends has seen a session: what it says is news unless somebody was here since, or
    /// the session has been idle too long.
    pub fn hear_of(
        &self,
        session: u64,
        seen: KnownSession,
        moved_from: Option<u32>,
        (now, idle): (Now, u32),
    ) {
        let idle = if seen.standing == Standing::Placed { UNCONFIRMED_IDLE.min(idle) } else { idle };
        let known_later = self.ledger.find(session).is_some_and(|known| known.last > seen.last);
        if known_later || now.secs().saturating_sub(seen.last) > idle {
            return;
        }
        self.ledger.put(session, seen, &self.tally(now));
        if let Some(from) = moved_from {
            self.remember_move(session, from, seen.slot, seen.last);
        }
    }

    /// A session that was restored is over.
    pub fn forget(&self, session: u64) {
        self.ledger.end(session, &NoSessionCounter);
        if self.move_count.load(Relaxed) > 0 && self.moves.remove(&session).is_some() {
            self.move_count.fetch_sub(1, Relaxed);
        }
    }

    /// Ends restored sessions that fell idle meanwhile, and counts the others on their nodes.
    pub fn count_restored(&self, now: Now, idle: u32) {
        self.ledger.sweep(now.secs(), idle, UNCONFIRMED_IDLE.min(idle), 0, 1, &NoSessionCounter);
        for (slot, count) in self.ledger.per_slot() {
            self.tally(now).change(slot, i32::try_from(count).unwrap_or(i32::MAX));
        }
    }

    /// Forgets what has been idle too long. Returns how many sessions ended.
    pub fn sweep(&self, now: Now, idle: u32, part: usize, parts: usize) -> usize {
        if self.move_count.load(Relaxed) > 0 && part == 0 {
            // a session that lives on one long stream shows its pin seldom
            let lives = |id, to| self.ledger.find(id).is_some_and(|seen| seen.slot == to);
            self.moves.retain(|id, m| now.secs().saturating_sub(m.last) <= idle || lives(*id, m.to));
            self.move_count.store(self.moves.len() as u32, Relaxed);
        }
        if part == 0 {
            self.orders.sweep(idle, now.secs(), now.unix_secs());
        }
        let (roster, tally) = (self.roster.load(), self.tally(now));
        let scarce = |slot| roster.node(slot).is_some_and(|node| node.has_scarce_places());
        if roster.nodes.iter().flatten().any(|node| node.has_scarce_places()) {
            self.ledger.find_yielding(now.secs(), part, parts, scarce, &tally);
        }
        self.ledger.sweep(now.secs(), idle, UNCONFIRMED_IDLE.min(idle), part, parts, &tally)
    }

    /// Counts the sessions that nobody has seen lately in one of `parts` parts of the ledger. After the last
    /// one it is known what is usual.
    pub fn look_through(&self, now: Now, part: usize, parts: usize) {
        let roster = self.roster.load();
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        if part == 0 {
            stale.clear();
        }
        let slots = roster.lives.len().max(stale.len());
        stale.resize(slots, 0);
        self.ledger.look_through(part, parts, |seen| {
            let slot = seen.slot as usize;
            if now.secs().saturating_sub(seen.last) > LATELY
                || roster.lives.get(slot).is_none_or(|live| live.report.lost(seen.last))
            {
                stale.get_mut(slot).into_iter().for_each(|count| *count += 1);
            }
        });
        if part + 1 == parts {
            roster.survey(&stale, now);
        }
    }

    /// Whether any node serves, for the decision to try them all when none does.
    pub fn any_up(&self, now: Now) -> bool {
        let roster = self.roster.load();
        roster.nodes.iter().flatten().any(|n| n.state(now).keeps_sessions())
    }

    /// Whether another node takes new sessions.
    pub fn others_take_new(&self, slot: u32, now: Now) -> bool {
        let roster = self.roster.load();
        roster.nodes.iter().flatten().any(|n| n.live.slot != slot && n.state(now) == State::Ready)
    }

    /// Whether clients of this node wait in vain while those of another one are answered.
    pub fn alone_in_vain(&self, live: &NodeLive) -> bool {
        let Some(since) = live.evidence.in_vain_since() else { return false };
        let roster = self.roster.load();
        let mut others = roster.nodes.iter().flatten().filter(|n| n.live.slot != live.slot);
        others.any(|n| n.live.evidence.last_answer().is_some_and(|at| at > since))
    }

    /// Whether a node that comes up now joins others that serve already: those that are back from the same
    /// outage do not count.
    pub fn others_serve(&self, slot: u32, now: Now) -> bool {
        let roster = self.roster.load();
        let serves = |n: &Node| {
            matches!(n.state(now), State::Ready | State::Full) && !n.live.is_cold(roster.slow_start, now)
        };
        roster.nodes.iter().flatten().any(|n| n.live.slot != slot && serves(n))
    }
}

/// Seconds a new session counts before its client comes back with the pin: what never returns is no session.
pub const UNCONFIRMED_IDLE: u32 = 60;

/// The sessions of a cluster's nodes, as they change at one moment: what is counted is scored at once.
pub struct LiveSessionCounter<'a> {
    live: &'a ClusterLive,
    now: Now,
}

impl SessionCounter for LiveSessionCounter<'_> {
    fn change(&self, slot: u32, by: i32) {
        let roster = self.live.roster.load();
        let Some(live) = roster.lives.get(slot as usize) else { return };
        if by >= 0 {
            live.sessions.fetch_add(by as u32, Relaxed);
        } else {
            live.sessions.fetch_sub(by.unsigned_abs(), Relaxed);
            live.fill.ended(by.unsigned_abs());
        }
        roster.rescore(slot, self.now);
    }

    fn yields(&self, slot: u32, by: i32) {
        let roster = self.live.roster.load();
        let Some(live) = roster.lives.get(slot as usize) else { return };
        if by >= 0 {
            live.yielding.fetch_add(by as u32, Relaxed);
        } else {
            live.yielding.fetch_sub(by.unsigned_abs(), Relaxed);
        }
        roster.rescore(slot, self.now);
    }
}

/// While sessions are restored one by one, nobody counts: that is done once, at the end.
struct NoSessionCounter;

impl SessionCounter for NoSessionCounter {
    fn change(&self, _: u32, _: i32) {}
    fn yields(&self, _: u32, _: i32) {}
}
