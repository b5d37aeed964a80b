//! Room in a ledger: reserved before an entry is made, and made by forgetting what is missed least.

use super::{Ledger, Tally};
use std::sync::atomic::Ordering::Relaxed;

impl Ledger {
    /// Room for one entry more, if there is any left.
    pub(super) fn reserve(&self) -> bool {
        let limit = self.limit();
        self.held.fetch_update(Relaxed, Relaxed, |held| (held < limit).then_some(held + 1)).is_ok()
    }

    /// Room for one entry more, made by forgetting another if need be. False if there is none because other threads are
    /// about to use all there is: possible only in a ledger of very few.
    pub(super) fn make_room(&self, tally: &impl Tally) -> bool {
        while !self.reserve() {
            if !self.evict(tally) {
                return false;
            }
            let limit = self.limit();
            let above = |held: usize| (held > limit).then(|| held - 1);
            if self.held.fetch_update(Relaxed, Relaxed, above).is_err() {
                return true;
            }
        }
        true
    }

    /// Forgets the entry that is missed least. The room it took is now the caller's. False if there was no entry at all.
    pub(super) fn evict(&self, tally: &impl Tally) -> bool {
        while let Some(session) = self.reach.least(&self.shards) {
            if self.take(session, |entry| tally.change(entry.slot, -1)).is_some() {
                self.evicted.fetch_add(1, Relaxed);
                return true;
            }
            // somebody else was quicker with this one
        }
        false
    }
}
