//! The ledger: the live sessions of one cluster, which node each is on and when it was last seen. Bounded and
//! exact: per node, the sum of what was told to the [`SessionCounter`] is the number of entries.
//!
//! Shards of a hash table, each behind a lock that is held for one entry at a time; the sweep holds one
//! shard. An entry takes 24 bytes. Room is reserved before an entry is made, so that the bound holds at every
//! moment.

mod capacity;
mod entry;
mod eviction;
mod follower;
mod in_flight;
mod known;
mod notes;
mod renames;
mod room;
mod scans;
mod shard;
mod sweep;
mod yield_queue;
mod yielding;

#[cfg(test)]
mod tests;

use capacity::Capacity;
use entry::Entry;
use eviction::EvictionFloors;
use hashbrown::hash_table::Entry as Place;
use renames::Renames;
use shard::{ShardContent, Shards};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use yield_queue::YieldQueue;

pub use follower::{FollowResult, Follower};
pub use known::{KnownSession, SessionCounter, Standing};

/// What becomes of an entry that is there already when one is to be made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conflict {
    /// It stays on its node.
    Keep,
    /// It goes to the new node.
    Move,
}

/// The table of live sessions of one cluster.
pub struct Ledger {
    shards: Shards,
    floors: EvictionFloors,
    capacity: Capacity,
    /// Ids that were replaced a moment ago.
    renames: Renames,
    /// Who gives up a place, by node.
    yielding: YieldQueue,
}

impl Ledger {
    /// A ledger for at most so many sessions (at least one), in which nobody can prepare ids that meet in one
    /// bucket.
    pub fn new(limit: usize) -> Self {
        Self::with_seed(limit, rand::random())
    }

    /// The same by a seed that is known: what it does can be done again.
    pub fn with_seed(limit: usize, seed: u64) -> Self {
        let shards = Shards::new(limit, seed);
        Self {
            floors: EvictionFloors::new(shards.all().len()),
            shards,
            capacity: Capacity::new(limit),
            renames: Renames::default(),
            yielding: YieldQueue::default(),
        }
    }

    /// From now on the sessions that change are noted for somebody who asks often; at most so many until
    /// then, 8 bytes each.
    pub fn follow(&self, most: usize) -> Follower {
        Follower::new(self.shards.clone(), most)
    }

    /// What is known of a session, also by an id that its application replaced a moment ago.
    pub fn find(&self, session: u64) -> Option<KnownSession> {
        self.look(session, Entry::known).or_else(|| self.look(self.renames.newest(session)?, Entry::known))
    }

    /// The id that a session goes by now: its own, unless the application replaced it a moment ago.
    pub fn current(&self, session: u64) -> u64 {
        match self.renames.newest(session) {
            Some(newer) if self.look(session, |_| ()).is_none() => newer,
            _ => session,
        }
    }

    /// A pinned request of this session reached the node in `slot`. Confirms the session; enters it if it is
    /// unknown; if it was on another node, its count moves.
    pub fn touch(&self, session: u64, slot: u32, now: u32, tally: &impl SessionCounter) {
        let hash = self.shards.hash(session);
        // mostly there is nothing that others would have to know
        if let Some(entry) = self.shards.of(hash).read().find(hash, session)
            && entry.slot == slot
            && entry.standing == Standing::Confirmed
        {
            return entry.touch(now);
        }
        self.enter(session, seen_first(slot, now, Standing::Confirmed), Conflict::Move, tally);
    }

    /// A new session is placed; it is not confirmed until the client comes back with its pin. Returns the
    /// slot that it is on: another one if somebody else has placed it meanwhile.
    pub fn open(&self, session: u64, slot: u32, now: u32, tally: &impl SessionCounter) -> u32 {
        self.enter(session, seen_first(slot, now, Standing::Placed), Conflict::Keep, tally)
    }

    /// The answer to a session's first request gave it an id that names no node: its node stands here alone,
    /// whether its client comes back soon or not.
    pub fn keep(&self, session: u64, slot: u32, now: u32, tally: &impl SessionCounter) {
        self.enter(session, seen_first(slot, now, Standing::Kept), Conflict::Move, tally);
    }

    /// The same of a session that went by this id already, wherever it is by now.
    pub fn hold(&self, session: u64, now: u32, tally: &impl SessionCounter) {
        let hash = self.shards.hash(session);
        let content = &mut *self.shards.of(hash).write();
        if let Some(entry) = content.entries.find_mut(hash, |entry| entry.session == session) {
            entry.rise(Standing::Kept, tally);
            entry.touch(now);
            content.note(session);
        }
    }

    /// The session is over; false if it was unknown.
    pub fn end(&self, session: u64, tally: &impl SessionCounter) -> bool {
        let ended = self.take(session, |entry| entry.leave(tally)).is_some();
        if ended {
            self.capacity.release(1);
        }
        ended
    }

    /// The application changed the id of a session, as they do at login: it is the same session and counts
    /// once. If the new id was seen first, what is known of it stands.
    pub fn rename(&self, old: u64, new: u64, now: u32, tally: &impl SessionCounter) {
        if old == new {
            return;
        }
        // Its count and its reserved room stay while it is in neither place.
        let Some(known) = self.take(old, |entry| entry.set_yields(false, tally)) else { return };
        self.renames.note(old, new, now);
        let hash = self.shards.hash(new);
        let content = &mut *self.shards.of(hash).write();
        content.note(new);
        match content.entries.entry(
            hash,
            |entry| entry.session == new,
            |entry| self.shards.hash(entry.session),
        ) {
            Place::Occupied(mut place) => {
                let entry = place.get_mut();
                if entry.slot == known.slot {
                    entry.first = entry.first.min(known.first);
                }
                *entry.busy.get_mut() |= known.busy.load(Relaxed);
                entry.touch(now);
                if known.counts() {
                    entry.rise(known.standing, tally);
                    tally.change(known.slot, -1);
                }
                self.capacity.release(1);
            }
            Place::Vacant(place) => {
                let last = known.last.into_inner().max(now);
                let entry = Entry { session: new, last: AtomicU32::new(last), ..known };
                self.floors.lower(self.shards.place(hash), entry.rank());
                place.insert(entry);
            }
        }
    }

    /// The session was moved to another node. It came with a pin, so it is confirmed, and entered if it is
    /// unknown.
    pub fn relocate(&self, session: u64, to: u32, now: u32, tally: &impl SessionCounter) {
        self.enter(session, seen_first(to, now, Standing::Confirmed), Conflict::Move, tally);
    }

    /// Enters a session that is known from before.
    pub fn put(&self, session: u64, known: KnownSession, tally: &impl SessionCounter) {
        self.enter(session, known, Conflict::Move, tally);
    }

    /// Makes an entry, or meets the one that is there. Returns the slot that the session is on.
    fn enter(&self, session: u64, new: KnownSession, conflict: Conflict, tally: &impl SessionCounter) -> u32 {
        let hash = self.shards.hash(session);
        let mut reserved = false;
        loop {
            let mut content = self.shards.of(hash).write();
            if let Some(slot) = self.renew(&mut content, hash, session, new, conflict, tally) {
                if reserved {
                    self.capacity.release(1);
                }
                return slot;
            }
            if reserved || self.capacity.reserve() {
                let entry = Entry::new(session, new);
                if entry.counts() {
                    tally.change(new.slot, 1);
                }
                self.floors.lower(self.shards.place(hash), entry.rank());
                content.entries.insert_unique(hash, entry, |entry| self.shards.hash(entry.session));
                content.note(session);
                return new.slot;
            }
            // Not while the shard is locked: what has to go may be in any of them.
            drop(content);
            reserved = self.make_room(tally);
            if !reserved {
                return new.slot;
            }
        }
    }

    /// Takes an entry out, with a last look while the shard is locked. The room it took is still held.
    fn take(&self, session: u64, last_look: impl FnOnce(&mut Entry)) -> Option<Entry> {
        let hash = self.shards.hash(session);
        let mut content = self.shards.of(hash).write();
        let (mut entry, _) =
            content.entries.find_entry(hash, |entry| entry.session == session).ok()?.remove();
        last_look(&mut entry);
        content.note(session);
        Some(entry)
    }

    /// Looks at an entry.
    fn look<T>(&self, session: u64, see: impl FnOnce(&Entry) -> T) -> Option<T> {
        let hash = self.shards.hash(session);
        self.shards.of(hash).read().find(hash, session).map(see)
    }

    /// Renews an entry that is there already; returns where it is now.
    fn renew(
        &self,
        content: &mut ShardContent,
        hash: u64,
        session: u64,
        new: KnownSession,
        conflict: Conflict,
        tally: &impl SessionCounter,
    ) -> Option<u32> {
        let entry = content.entries.find_mut(hash, |entry| entry.session == session)?;
        if conflict == Conflict::Move {
            entry.put_on(new.slot, new.first, tally);
        }
        entry.rise(new.standing, tally);
        entry.touch(new.last);
        let slot = entry.slot;
        content.note(session);
        Some(slot)
    }
}

/// A session that is seen for the first time.
fn seen_first(slot: u32, now: u32, standing: Standing) -> KnownSession {
    KnownSession { slot, first: now, last: now, standing }
}
