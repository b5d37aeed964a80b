//! A shard of the ledger: its entries behind a lock, and the ids of those that changed.

use super::{Seen, Tally};
use hashbrown::HashTable;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A session's entry.
pub struct Entry {
    pub session: u64,
    pub slot: u32,
    pub first: u32,
    pub last: AtomicU32,
    pub confirmed: bool,
    /// Something of it was in flight when it was last looked at.
    pub busy: AtomicBool,
}

/// Seconds that a mark of business is believed: it is renewed far more often, unless whoever made it has died.
const BELIEVED: u32 = 60;

impl Entry {
    pub fn new(session: u64, seen: Seen) -> Self {
        let (last, busy) = (AtomicU32::new(seen.last), AtomicBool::new(false));
        Self { session, slot: seen.slot, first: seen.first, last, confirmed: seen.confirmed, busy }
    }

    /// Whether something of it is in flight.
    pub fn is_busy(&self, now: u32) -> bool {
        self.busy.load(Relaxed) && now.saturating_sub(self.last.load(Relaxed)) <= BELIEVED
    }

    pub fn seen(&self) -> Seen {
        Seen { slot: self.slot, first: self.first, last: self.last.load(Relaxed), confirmed: self.confirmed }
    }

    /// How much it is missed: what is not busy and was never confirmed least, then what is idle longest. It rises by itself, and
    /// falls only when it is no longer busy.
    pub fn rank(&self) -> u64 {
        u64::from(self.busy.load(Relaxed)) << 33 | u64::from(self.confirmed) << 32 | u64::from(self.last.load(Relaxed))
    }

    /// Seen again, now. Writes only what changed: the line it is on is shared by all threads.
    pub fn meet(&self, now: u32) {
        if self.last.load(Relaxed) < now {
            self.last.store(now, Relaxed);
        }
    }

    /// Puts the session on another node, where it begins now, and the count with it.
    pub fn put_on(&mut self, slot: u32, now: u32, tally: &impl Tally) {
        if self.slot != slot {
            tally.change(self.slot, -1);
            tally.change(slot, 1);
            // what that node forgot before then is not this session
            (self.slot, self.first) = (slot, now);
        }
    }
}

/// What a shard holds.
#[derive(Default)]
pub struct Rows {
    pub entries: HashTable<Entry>,
    pub changed: Changed,
}

/// Ids of sessions that began, moved, were confirmed or ended since they were asked for; none are noted until somebody asks.
#[derive(Default)]
pub struct Changed {
    ids: Vec<u64>,
    limit: usize,
    missed: bool,
}

impl Changed {
    /// From now on at most so many are noted.
    pub fn set_limit(&mut self, limit: usize) {
        *self = Self { ids: Vec::new(), limit, missed: false };
    }

    /// This one changed. Whether there is anything to tell.
    pub fn note(&mut self, session: u64) -> bool {
        if self.ids.len() < self.limit {
            self.ids.push(session);
        } else {
            self.missed = true;
        }
        self.limit > 0
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Moves the ids to `out`. False if there were more.
    pub fn take(&mut self, out: &mut Vec<u64>) -> bool {
        out.append(&mut self.ids);
        !std::mem::take(&mut self.missed)
    }
}

/// A shard on its own cache lines.
#[repr(align(128))]
#[derive(Default)]
pub struct Shard(RwLock<Rows>);

impl Shard {
    // A panic while a shard is locked leaves it usable: no change to a table is made in two steps.
    pub fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
