//! The nodes of a cluster with the board that picks are made from, and what is told to the board of each.

use super::fill::{NodeObservation, Norm, ReportedRoom};
use super::node::{Node, NodeLive};
use super::state::State;
use crate::balance::{Candidate, Method, Placement, SEAT, Tier};
use crate::base::clock::Now;
use crate::base::hash::hash64;
use crate::base::words::listed;
use crate::config::model::AdminState;
use crate::heartbeat::{Heartbeat, Room};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A node that announces more seats than this has as many as this.
const MOST_SEATS: u64 = 1 << 20;

/// The nodes of a cluster by slot, with their board. Slots of nodes that left are empty.
pub struct Roster {
    /// By slot.
    pub nodes: Vec<Option<Arc<Node>>>,
    /// By slot, those of nodes that left included: their sessions are still counted.
    pub lives: Vec<Arc<NodeLive>>,
    /// Slots by node name.
    pub slots: HashMap<Arc<str>, u32>,
    /// The board that picks are made from.
    pub placement: Placement,
    /// How.
    pub method: Method,
    /// Seconds over which a node is eased in.
    pub slow_start: u32,
    /// Whether requests in flight count in the score.
    pub counts_requests: bool,
    /// What is usual among them. Outlives the table.
    pub norm: Arc<Norm>,
}

impl Roster {
    /// The node in a slot.
    pub fn node(&self, slot: u32) -> Option<&Arc<Node>> {
        self.nodes.get(slot as usize)?.as_ref()
    }

    /// Its nodes' names as sessions carry them, in words.
    pub fn routes(&self) -> String {
        let mut routes: Vec<&str> = self.nodes.iter().flatten().map(|node| &*node.spec.route).collect();
        routes.sort_unstable();
        listed(&routes)
    }

    /// The name of a node that is here, or was, by the hash of it that a sealed pin has.
    pub fn name_of_hash(&self, hash: u64) -> Option<&str> {
        let names = || self.lives.iter().map(|live| &*live.name);
        names().find(|name| hash64(name.as_bytes()) == hash)
    }

    /// Time has passed for one node: what it told grows old.
    pub fn pass(&self, node: &Node, now: Now) {
        let ours = node.live.sessions.load(Relaxed);
        node.live.fill.pass(node.live.report.sessions(ours), &self.sight(node, ours, now), &self.norm);
    }

    /// Brings the board up to date for one node.
    pub fn rescore(&self, slot: u32, now: Now) {
        if let Some(node) = self.node(slot) {
            self.placement.refresh(slot, || self.candidate(node, now));
        }
    }

    /// Takes what a node says of its room. `ours`: sessions that the ledger has there.
    pub fn apply(&self, node: &Node, beat: &Heartbeat, ours: u32, now: Now) {
        let mut said = ReportedRoom { sessions: beat.sessions, ..ReportedRoom::default() };
        match beat.room {
            Some(Room::Load(load)) => said.load = Some(f64::from(load.get()) / 100.0),
            Some(Room::Slots { ready, busy }) => {
                said.workers = Some(ready.saturating_add(busy));
                said.load =
                    beat.room.and_then(Room::load).map(|load| match f64::from(ready) + f64::from(busy) {
                        // more exact than in percent
                        workers if workers > 0.0 => f64::from(busy) / workers,
                        _ => f64::from(load.get()) / 100.0,
                    });
            }
            // who asks for a weight has said with it how much room there is
            Some(Room::Weight(_)) | None => {}
        }
        let sight = self.sight(node, ours, now);
        // workers that are busy count no sessions
        let counted = sight.counted && !matches!(beat.room, Some(Room::Slots { .. }));
        node.live.fill.apply(said, &NodeObservation { counted, ..sight }, &self.norm);
    }

    /// Takes how many sessions nobody has seen lately, by slot, and learns from all nodes what is usual.
    pub fn survey(&self, stale: &[u32], now: Now) {
        self.lives.iter().zip(stale).for_each(|(live, stale)| live.fill.unseen(*stale));
        let nodes = || self.nodes.iter().flatten();
        let sizes: Vec<u32> = nodes().filter_map(|node| size(node)).collect();
        let tellers = nodes().filter_map(|node| {
            let ours = node.live.sessions.load(Relaxed);
            let sight = self.sight(node, ours, now);
            let used = node.live.fill.reported(&sight, &self.norm).filter(|_| node.capacity().is_some())?;
            Some((used, node.live.fill.lately(ours)))
        });
        self.norm.survey(&sizes, tellers);
    }

    /// Whether any node tells how full it is, so that a survey is worth while.
    pub fn any_tells(&self) -> bool {
        self.nodes.iter().flatten().any(|node| node.live.fill.has_report())
    }

    /// Our own count of its sessions, if it goes before the node's word.
    pub fn doubted(&self, node: &Node, now: Now) -> Option<u32> {
        let ours = node.live.sessions.load(Relaxed);
        node.live.fill.doubted(ours, now.ms(), &self.norm).map(|known| known.round() as u32)
    }

    fn sight(&self, node: &Node, ours: u32, now: Now) -> NodeObservation {
        let size = size(node)
            .or_else(|| self.norm.usual())
            .unwrap_or_else(|| node.live.report.weight(node.spec.weight));
        NodeObservation {
            size: f64::from(size.max(1)),
            counted: node.capacity().is_some(),
            ours,
            now: now.ms(),
        }
    }

    fn candidate(&self, node: &Node, now: Now) -> Candidate {
        let in_flight = node.live.in_flight();
        let state = node.state(now);
        let busy = node.live.limit.is_full();
        let mut tier = match state {
            State::Ready | State::Full if node.spec.backup => Tier::Backup,
            State::Ready | State::Full => Tier::Normal,
            _ if node.stands_aside() => Tier::Never,
            State::Down | State::Unknown
                if node.spec.weight > 0 && node.spec.admin == AdminState::Enabled =>
            {
                Tier::Down
            }
            _ => Tier::Never,
        };
        let (weight, capacity) = (node.live.report.weight(node.spec.weight), node.capacity());
        let mut sessions = node.live.firm(node.live.reported_sessions());
        let doubted = self.doubted(node, now);
        let (share, used) = match self.method {
            Method::Room => {
                let (share, load, used) = self.room(node, weight, doubted, now);
                ((share, load), used)
            }
            _ => ((u64::from(weight) << 16, 0), doubted.unwrap_or(0)),
        };
        if let Some(most) = capacity.filter(|most| used >= *most && tier == Tier::Normal) {
            // full by our own count alone: it comes after those that have room by every count
            tier = Tier::Backup;
            sessions = sessions.min(most.saturating_sub(1));
        } else {
            sessions = sessions.max(doubted.unwrap_or(0));
        }
        Candidate {
            tier,
            sessions,
            in_flight,
            weight: u32::try_from(share.0).unwrap_or(u32::MAX),
            load: share.1,
            capacity,
            full: state == State::Full || busy,
            ramp: node.live.ramp(self.slow_start, now),
            young: node.live.is_young(now),
        }
    }

    /// By room: its share before it is eased in, how full that is in 1/65536, and the seats in use.
    fn room(&self, node: &Node, weight: u32, doubted: Option<u32>, now: Now) -> (u64, u32, u32) {
        let ours = node.live.sessions.load(Relaxed);
        let sight = self.sight(node, ours, now);
        let told = || node.live.fill.reported(&sight, &self.norm);
        let used = doubted
            .map(f64::from)
            .or_else(told)
            .unwrap_or_else(|| node.live.firm(node.live.reported_sessions()).into());
        // a size that was told counts as much as the weight says; the weight of one that was not is its size
        let part = match size(node).or_else(|| self.norm.usual()) {
            Some(_) => f64::from(weight) / 100.0,
            None => 1.0,
        };
        let seats = ((sight.size * part * f64::from(SEAT)) as u64).min(MOST_SEATS * u64::from(SEAT));
        let load = used / (sight.size * part).max(0.01) * 65_536.0;
        (if weight == 0 { 0 } else { seats.max(1) }, load.min(f64::from(u32::MAX)) as u32, used as u32)
    }
}

/// What a node told of its size, or the operator for it.
fn size(node: &Node) -> Option<u32> {
    node.capacity().or_else(|| node.live.fill.workers())
}
