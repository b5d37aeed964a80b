//! Looks at every session, for what nobody keeps count of.

use super::entry::Entry;
use super::shard::Shard;
use super::{KnownSession, Ledger};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

impl Ledger {
    /// What is true now of the sessions in one part. False if there are no more parts.
    pub fn part(&self, part: usize, out: &mut Vec<(u64, Option<KnownSession>)>) -> bool {
        self.shards.content(part, out)
    }

    /// Looks at each session that counts in one of `parts` parts of the shards.
    pub fn look_through(&self, part: usize, parts: usize, mut each: impl FnMut(KnownSession)) {
        for shard in self.shards.part(part, parts) {
            shard.read().entries.iter().filter(|entry| entry.counts()).for_each(|entry| each(entry.known()));
        }
    }

    /// Whether anybody was seen since then.
    pub fn any_seen_since(&self, then: u32) -> bool {
        let any = |shard: &Shard| shard.read().entries.iter().any(|entry| entry.known().last >= then);
        self.shards.all().iter().any(any)
    }

    /// Sessions by slot, counted one by one: to verify the tally.
    pub fn per_slot(&self) -> HashMap<u32, u32> {
        let mut counts = HashMap::new();
        self.look_through(0, 1, |known| *counts.entry(known.slot).or_default() += 1);
        counts
    }

    /// The sessions of a node that were seen last, at most so many, the latest first.
    pub fn newest_on(&self, slot: u32, most: usize) -> Vec<(u64, KnownSession)> {
        let mut newest = BinaryHeap::new();
        for shard in self.shards.all() {
            let counts = |entry: &&Entry| entry.slot == slot && entry.counts();
            for entry in shard.read().entries.iter().filter(counts) {
                let known = entry.known();
                newest.push(Reverse((known.last, entry.session, known.first, known.standing)));
                if newest.len() > most {
                    newest.pop();
                }
            }
        }
        let sorted = newest.into_sorted_vec().into_iter();
        let known =
            |(last, session, first, standing)| (session, KnownSession { slot, first, last, standing });
        sorted.map(|Reverse(row)| known(row)).collect()
    }
}
