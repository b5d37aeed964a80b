//! The shards: hash tables of entries, each behind a lock of its own.

use super::KnownSession;
use super::entry::Entry;
use super::notes::ShardNotes;
use hashbrown::HashTable;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All of them, and which of them an id is in. A clone is the same shards.
#[derive(Clone)]
pub struct Shards {
    all: Arc<[Shard]>,
    /// Whoever does not know it cannot prepare ids that meet in one bucket.
    seed: u64,
}

/// A shard on its own cache lines.
#[repr(align(128))]
#[derive(Default)]
pub struct Shard(RwLock<ShardContent>);

/// What a shard holds.
#[derive(Default)]
pub struct ShardContent {
    pub entries: HashTable<Entry>,
    /// For each follower.
    pub notes: Vec<ShardNotes>,
}

impl Shards {
    /// As many as so many sessions want, empty.
    pub fn new(limit: usize, seed: u64) -> Self {
        let count = (limit / 1024).clamp(16, 512).next_power_of_two();
        Self { all: (0..count).map(|_| Shard::default()).collect(), seed }
    }

    /// What an id is found by.
    pub fn hash(&self, session: u64) -> u64 {
        mix(session ^ self.seed)
    }

    /// The shard of what has this hash.
    pub fn of(&self, hash: u64) -> &Shard {
        &self.all[self.place(hash)]
    }

    /// Which one that is.
    pub fn place(&self, hash: u64) -> usize {
        // Neither the lowest nor the highest bits: those choose the place within the shard.
        (hash >> 40) as usize & (self.all.len() - 1)
    }

    pub fn all(&self) -> &[Shard] {
        &self.all
    }

    /// What is true now of the sessions in one of them. False if there are no more.
    pub fn content(&self, at: usize, out: &mut Vec<(u64, Option<KnownSession>)>) -> bool {
        let Some(shard) = self.all.get(at) else { return false };
        out.extend(shard.read().entries.iter().map(|entry| (entry.session, Some(entry.known()))));
        true
    }

    /// One of `parts` parts of them.
    pub fn part(&self, part: usize, parts: usize) -> impl Iterator<Item = &Shard> {
        self.all.iter().skip(part).step_by(parts.max(1))
    }
}

impl Shard {
    // A panic while a shard is locked leaves it usable: no change to a table is made in two steps.
    pub fn read(&self) -> RwLockReadGuard<'_, ShardContent> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, ShardContent> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShardContent {
    /// A session changed: whoever follows is to know.
    #[inline]
    pub fn note(&mut self, session: u64) {
        self.notes.iter_mut().for_each(|notes| notes.add(session));
    }

    pub fn find(&self, hash: u64, session: u64) -> Option<&Entry> {
        self.entries.find(hash, |entry| entry.session == session)
    }
}

/// Spreads a number that may be a good hash or a poor one over all 64 bits.
fn mix(number: u64) -> u64 {
    let wide = u128::from(number) * 0x9e37_79b9_7f4a_7c15;
    (wide >> 64) as u64 ^ wide as u64
}
