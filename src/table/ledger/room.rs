//! Room in a ledger: reserved before an entry is made, and made by forgetting what is missed least.

use super::{Ledger, Tally, mix};
use std::sync::atomic::Ordering::Relaxed;

/// Entries that are compared to find the one to forget when the ledger is full.
const SAMPLE: usize = 16;
/// Distance between the buckets of a sample.
const STEP: usize = 0x9e37_79b1;

impl Ledger {
    /// Room for one entry more, if there is any left.
    pub(super) fn reserve(&self) -> bool {
        let limit = self.limit();
        self.held.fetch_update(Relaxed, Relaxed, |held| (held < limit).then_some(held + 1)).is_ok()
    }

    /// Room for one entry more, made by forgetting another if need be. False if there is none because other threads are
    /// about to use all there is: possible only in a ledger of very few.
    pub(super) fn make_room(&self, now: u32, tally: &impl Tally) -> bool {
        while !self.reserve() {
            if !self.evict(now, tally) {
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

    /// Forgets the entry of a sample that is missed least: one that is not busy, was never confirmed, is the longest idle. The room
    /// it took is now the caller's. False if there was no entry at all.
    pub(super) fn evict(&self, now: u32, tally: &impl Tally) -> bool {
        while let Some(session) = self.least_missed(now) {
            if self.take(session, |entry| tally.change(entry.slot, -1)).is_some() {
                self.evicted.fetch_add(1, Relaxed);
                return true;
            }
            // Somebody else was quicker with this one; the next sample is another.
        }
        false
    }

    /// Looks at a sample from as many shards as it takes to have one worth its name: in a small ledger each has few.
    fn least_missed(&self, now: u32) -> Option<u64> {
        let start = mix(self.hand.fetch_add(1, Relaxed) ^ self.seed);
        let mut worst: Option<(bool, bool, u32, u64)> = None;
        let mut seen = 0;
        for looked in 0..self.shards.len() {
            let rows = self.shards[(start as usize).wrapping_add(looked) & (self.shards.len() - 1)].read();
            let entries = &rows.entries;
            let last = entries.num_buckets().wrapping_sub(1);
            let first = (start >> 32) as usize;
            // An odd step visits every bucket once. Neighbours would share their history: where somebody was just
            // forgotten, only those remain who should not be.
            let bucket = |i: usize| first.wrapping_add(i.wrapping_mul(STEP)) & last;
            let found = (0..entries.num_buckets()).filter_map(|i| entries.get_bucket(bucket(i)));
            for entry in found.take(SAMPLE - seen) {
                let known = entry.seen();
                let rank = (entry.is_busy(now), known.confirmed, known.last, entry.session);
                worst = Some(worst.map_or(rank, |other| other.min(rank)));
                seen += 1;
            }
            if seen == SAMPLE {
                break;
            }
        }
        worst.map(|(.., session)| session)
    }
}
