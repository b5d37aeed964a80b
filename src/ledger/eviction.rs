//! Whom to forget first: how far back each shard reaches, so that what is missed least in the whole ledger is
//! found without looking at all of it.

use super::shard::{Shard, ShardContent};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// One number a shard, side by side: they are read together.
pub struct EvictionFloors(Box<[Floor]>);

/// Nothing in the shard is missed less than this.
struct Floor {
    /// A rank, lowered by whoever has the shard for itself and raised by whoever reads it. What is met or
    /// confirmed rises above it, and nobody has to tell.
    rank: AtomicU64,
    /// The bucket where the last one of this rank was found: those before it have a higher one.
    hand: AtomicU32,
}

impl EvictionFloors {
    /// Of so many empty shards.
    pub fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Floor { rank: AtomicU64::new(u64::MAX), hand: AtomicU32::new(0) }).collect())
    }

    /// An entry in a shard that the caller has for itself is new there, or has fallen to this rank.
    pub fn lower(&self, shard: usize, rank: u64) {
        let floor = &self.0[shard].rank;
        if rank < floor.load(Relaxed) {
            floor.store(rank, Relaxed);
        }
    }

    /// The session that is missed least. None if there is none at all.
    pub fn least(&self, shards: &[Shard]) -> Option<u64> {
        loop {
            let ranks = self.0.iter().map(|floor| floor.rank.load(Relaxed));
            let (at, rank) = ranks.enumerate().min_by_key(|(_, rank)| *rank)?;
            if rank == u64::MAX {
                return None;
            }
            let content = shards[at].read();
            match self.0[at].find(&content, rank) {
                Ok(session) => return Some(session),
                // no longer there; others may reach further back than this shard now does
                Err(least) => self.0[at].rank.store(least, Relaxed),
            }
        }
    }
}

impl Floor {
    /// A session of this rank or below, or else the lowest rank that there is.
    fn find(&self, content: &ShardContent, rank: u64) -> Result<u64, u64> {
        let buckets = content.entries.num_buckets();
        let hand = self.hand.load(Relaxed) as usize;
        let mut least = u64::MAX;
        for bucket in (0..buckets).map(|i| (hand + i) % buckets) {
            let Some(entry) = content.entries.get_bucket(bucket) else { continue };
            if entry.rank() <= rank {
                self.hand.store(bucket as u32, Relaxed);
                return Ok(entry.session);
            }
            least = least.min(entry.rank());
        }
        Err(least)
    }
}
