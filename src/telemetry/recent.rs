//! The latest requests of one thread, and where they went: for whoever asks why. Records have one size and,
//! but for an id that a proxy in front has given, and for a route that nobody has, hold numbers only, so that
//! a request costs one plain store.

use crate::affinity::{PinLookup, PinSummary};
use crate::base::clock::Now;
use crate::table::decide::{Refusal, Verdict, Why};
use crate::table::{Cluster, State};
use crate::wire::request_id::RequestId;
use std::net::IpAddr;

/// Requests kept, of all and of those whose session was moved; the rare ones must not be washed away by the
/// many.
const KEPT: usize = 1024;
const MOVES_KEPT: usize = 256;

/// A request, and what was decided for it.
#[derive(Debug, Clone)]
pub struct RecentDecision {
    /// Its id.
    pub id: RequestId,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// Who asked.
    pub client: IpAddr,
    /// The listener's index.
    pub listener: u32,
    /// The table it was decided by.
    pub revision: u64,
    /// The rule's place in the file, from 0.
    pub rule: Option<u32>,
    /// The cluster's number.
    pub cluster: Option<u32>,
    /// The slot of its node.
    pub node: Option<u32>,
    /// The slot that its session was on, and the state of that node.
    pub was: Option<(u32, Option<State>)>,
    /// Why that node.
    pub why: Why,
    /// How it was placed, if it was.
    pub manner: Manner,
    /// Its session, as the ledger knows it; 0 if it has none.
    pub session: u64,
    /// What it said of its session.
    pub gist: PinSummary,
    /// The route it named that no node has.
    pub unclaimed: Option<Box<str>>,
    /// Why nobody served it, if that was decided.
    pub refused: Option<Refusal>,
    /// Its status.
    pub status: u16,
    /// Tries after the first.
    pub retries: u8,
}

/// How a session came to its node that is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The balancing method chose it.
    Balanced,
    /// The same, and there it has the place of one whose client never came back.
    TookPlace,
    /// It goes with another first request of the same client.
    Together,
}

impl RecentDecision {
    /// Of a request that has just come: nothing is decided yet.
    pub fn begin(id: RequestId, at: u64, client: IpAddr, listener: u32) -> Self {
        Self {
            id,
            at,
            client,
            listener,
            revision: 0,
            rule: None,
            cluster: None,
            node: None,
            was: None,
            why: Why::None,
            manner: Manner::Balanced,
            session: 0,
            gist: PinSummary::default(),
            unclaimed: None,
            refused: None,
            status: 0,
            retries: 0,
        }
    }

    /// The rule at this place is for it, by the table of this revision.
    pub fn ruled(&mut self, revision: u64, rule: usize) {
        (self.revision, self.rule) = (revision, Some(rule as u32));
    }

    /// It is for this cluster, and says this of its session there.
    pub fn leads_to(&mut self, cluster: &Cluster, reading: &PinLookup<'_>, unclaimed: Option<Box<str>>) {
        (self.cluster, self.gist, self.unclaimed) = (Some(cluster.live.id), reading.gist(), unclaimed);
    }

    /// A node was chosen.
    pub fn chosen(&mut self, cluster: &Cluster, verdict: &Verdict, now: Now) {
        self.node = Some(verdict.node.live.slot);
        // of a request that is moved again and again, the node it came from counts, not those it only knocked
        // at
        if self.was.is_none() {
            self.why = verdict.why;
            self.was = verdict.was.map(|slot| (slot, cluster.node(slot).map(|node| node.state(now))));
        }
    }

    /// Nobody serves it.
    pub fn refused(&mut self, refusal: Refusal) {
        (self.why, self.refused) = (Why::None, Some(refusal));
    }
}

/// The latest of one thread.
#[derive(Debug, Clone, Default)]
pub struct RecentDecisions {
    all: RecentRing<KEPT>,
    moved: RecentRing<MOVES_KEPT>,
}

impl RecentDecisions {
    /// A request ended.
    pub fn note(&mut self, decided: RecentDecision) {
        if decided.why.is_move() {
            self.moved.push(decided.clone());
        }
        self.all.push(decided);
    }

    /// Those that are kept, in no order; a move may come twice.
    pub fn iter(&self) -> impl Iterator<Item = &RecentDecision> {
        self.all.kept.iter().chain(&self.moved.kept)
    }

    /// Those whose session was moved.
    pub fn moved(&self) -> impl Iterator<Item = &RecentDecision> {
        self.moved.kept.iter()
    }
}

/// The last `N`.
#[derive(Debug, Clone, Default)]
struct RecentRing<const N: usize> {
    kept: Vec<RecentDecision>,
    next: usize,
}

impl<const N: usize> RecentRing<N> {
    fn push(&mut self, decided: RecentDecision) {
        match self.kept.get_mut(self.next) {
            Some(oldest) => *oldest = decided,
            None => self.kept.push(decided),
        }
        self.next = (self.next + 1) % N;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> RecentDecision {
        let begun = RecentDecision::begin(RequestId::Own(0), 0, IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
        RecentDecision { why: Why::Cookie, status: 200, ..begun }
    }

    #[test]
    fn the_latest_stay_and_moves_stay_longer() {
        let mut recent = RecentDecisions::default();
        recent.note(RecentDecision { id: RequestId::Own(7), why: Why::MovedDown, ..some() });
        (0..3 * KEPT as u64)
            .for_each(|id| recent.note(RecentDecision { id: RequestId::Own(100 + id), ..some() }));
        let ids: Vec<String> = recent.iter().map(|decided| decided.id.to_string()).collect();
        let has = |id: u64| ids.contains(&RequestId::Own(id).to_string());
        assert_eq!(ids.len(), KEPT + 1);
        assert!(has(7) && has(100 + 3 * KEPT as u64 - 1) && !has(100));
        assert_eq!(recent.moved().map(|decided| decided.id.clone()).collect::<Vec<_>>(), [RequestId::Own(7)]);
        (0..3 * MOVES_KEPT as u64).for_each(|id| {
            recent.note(RecentDecision { id: RequestId::Own(id), why: Why::MovedDown, ..some() })
        });
        assert_eq!(recent.moved().count(), MOVES_KEPT);
        assert!(size_of::<RecentDecision>() <= 128, "{}", size_of::<RecentDecision>());
    }
}
