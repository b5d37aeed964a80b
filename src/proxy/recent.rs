//! The latest requests of one thread, and where they went: for whoever asks why. Records have one size and, but for an id
//! that a proxy in front has given, and for a route that nobody has, hold numbers only, so that a request costs one plain store.

use crate::affinity::Gist;
use crate::table::State;
use crate::table::decide::{Refusal, Why};
use crate::wire::request_id::RequestId;
use std::net::IpAddr;

/// Requests kept, of all and of those whose session was moved; the rare ones must not be washed away by the many.
const KEPT: usize = 1024;
const MOVES_KEPT: usize = 256;

/// A request that ended, and what was decided for it.
#[derive(Debug, Clone)]
pub struct Decided {
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
    /// What it said of its session.
    pub gist: Gist,
    /// The route it named that no node has.
    pub unclaimed: Option<Box<str>>,
    /// Why nobody served it, if that was decided.
    pub refused: Option<Refusal>,
    /// Its status.
    pub status: u16,
    /// Tries after the first.
    pub retries: u8,
}

/// The latest of one thread.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    all: Ring<KEPT>,
    moved: Ring<MOVES_KEPT>,
}

impl Recent {
    /// A request ended.
    pub fn note(&mut self, decided: Decided) {
        if decided.why.cause().is_some() {
            self.moved.push(decided.clone());
        }
        self.all.push(decided);
    }

    /// Those that are kept, in no order; a move may come twice.
    pub fn iter(&self) -> impl Iterator<Item = &Decided> {
        self.all.kept.iter().chain(&self.moved.kept)
    }

    /// Those whose session was moved.
    pub fn moved(&self) -> impl Iterator<Item = &Decided> {
        self.moved.kept.iter()
    }
}

/// The last `N`.
#[derive(Debug, Clone, Default)]
struct Ring<const N: usize> {
    kept: Vec<Decided>,
    next: usize,
}

impl<const N: usize> Ring<N> {
    fn push(&mut self, decided: Decided) {
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

    fn some() -> Decided {
        Decided {
            id: RequestId::Own(0),
            at: 0,
            client: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            listener: 0,
            revision: 1,
            rule: None,
            cluster: None,
            node: None,
            was: None,
            why: Why::Cookie,
            gist: Gist::default(),
            unclaimed: None,
            refused: None,
            status: 200,
            retries: 0,
        }
    }

    #[test]
    fn the_latest_stay_and_moves_stay_longer() {
        let mut recent = Recent::default();
        recent.note(Decided { id: RequestId::Own(7), why: Why::MovedDown, ..some() });
        (0..3 * KEPT as u64).for_each(|id| recent.note(Decided { id: RequestId::Own(100 + id), ..some() }));
        let ids: Vec<String> = recent.iter().map(|decided| decided.id.to_string()).collect();
        let has = |id: u64| ids.contains(&RequestId::Own(id).to_string());
        assert_eq!(ids.len(), KEPT + 1);
        assert!(has(7) && has(100 + 3 * KEPT as u64 - 1) && !has(100));
        assert_eq!(recent.moved().map(|decided| decided.id.clone()).collect::<Vec<_>>(), [RequestId::Own(7)]);
        (0..3 * MOVES_KEPT as u64).for_each(|id| recent.note(Decided { id: RequestId::Own(id), why: Why::MovedDown, ..some() }));
        assert_eq!(recent.moved().count(), MOVES_KEPT);
        assert!(size_of::<Decided>() <= 128, "{}", size_of::<Decided>());
    }
}
