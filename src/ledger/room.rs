//! Room in a ledger: made by forgetting what is missed least.

use super::{Ledger, SessionCounter};
use std::sync::atomic::Ordering::Relaxed;

impl Ledger {
    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.capacity.held.load(Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most there may be.
    pub fn limit(&self) -> usize {
        self.capacity.limit.load(Relaxed)
    }

    /// Sets the most there may be. What is above a lower limit goes with the next sweep, and two for one with
    /// every new session.
    pub fn set_limit(&self, n: usize) {
        self.capacity.limit.store(n.max(1), Relaxed);
    }

    /// How many sessions were forgotten for want of room.
    pub fn evicted(&self) -> u64 {
        self.capacity.evicted.load(Relaxed)
    }

    /// Room for one entry more, made by forgetting another if need be. False if there is none because other
    /// threads are about to use all there is: possible only in a ledger of very few.
    pub(super) fn make_room(&self, tally: &impl SessionCounter) -> bool {
        while !self.capacity.reserve() {
            if !self.evict(tally) {
                return false;
            }
            let limit = self.limit();
            let above = |held: usize| (held > limit).then(|| held - 1);
            if self.capacity.held.fetch_update(Relaxed, Relaxed, above).is_err() {
                return true;
            }
        }
        true
    }

    /// Forgets what is above a limit that was lowered. Returns how many went.
    pub(super) fn shed(&self, tally: &impl SessionCounter) -> usize {
        let mut gone = 0;
        while self.len() > self.limit() && self.evict(tally) {
            self.capacity.release(1);
            gone += 1;
        }
        gone
    }

    /// Forgets the entry that is missed least. The room it took is now the caller's. False if there was no
    /// entry at all.
    fn evict(&self, tally: &impl SessionCounter) -> bool {
        while let Some(session) = self.floors.least(self.shards.all()) {
            if self.take(session, |entry| entry.leave(tally)).is_some() {
                self.capacity.evicted.fetch_add(1, Relaxed);
                return true;
            }
            // somebody else was quicker with this one
        }
        false
    }
}
