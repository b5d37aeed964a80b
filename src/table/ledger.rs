//! The ledger: the live sessions of one cluster, which node each is on and when it was last seen. Bounded and exact: per
//! node, the sum of what was told to the [`Tally`] is the number of entries.
//!
//! Shards of a hash table, each behind a lock that is held for one entry at a time; the sweep holds one shard. An entry
//! takes 24 bytes. Room is reserved before an entry is made, so that the bound holds at every moment.

mod busy;
mod keep;
mod reach;
mod renames;
mod room;
mod shard;

#[cfg(test)]
mod tests;

use arc_swap::ArcSwapOption;
use hashbrown::hash_table::Entry as Place;
use reach::Reach;
use renames::Renames;
use shard::{Entry, Rows, Shard};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::Thread;

/// Where the sessions of each node are counted.
///
/// It is called while a shard is locked, so that the changes of one session arrive in their order and no counter goes
/// below zero in between: it has to be quick and must not call the ledger.
pub trait Tally {
    /// The node in this slot has so many sessions more.
    fn change(&self, slot: u32, by: i32);
}

/// What the ledger knows of a session. Times are in seconds of the coarse clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The node it is on.
    pub slot: u32,
    /// When it was placed there.
    pub first: u32,
    /// When it was last seen.
    pub last: u32,
    /// The client came back with its pin: it keeps cookies, and somebody is there.
    pub confirmed: bool,
}

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
    shards: Box<[Shard]>,
    reach: Reach,
    /// Chosen at random, so that nobody can prepare ids that meet in one bucket.
    seed: u64,
    /// Entries, and room that was reserved for some on their way.
    held: AtomicUsize,
    limit: AtomicUsize,
    evicted: AtomicU64,
    /// Some shard has noted a change.
    noted: AtomicBool,
    /// Who is to know of it at once.
    wakes: ArcSwapOption<Thread>,
    /// Ids that were replaced a moment ago.
    renames: Renames,
}

impl Ledger {
    /// A ledger for at most so many sessions (at least one).
    pub fn new(limit: usize) -> Ledger {
        let shards = (limit / 1024).clamp(16, 512).next_power_of_two();
        Self {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            reach: Reach::new(shards),
            seed: rand::random(),
            held: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit.max(1)),
            evicted: AtomicU64::new(0),
            noted: AtomicBool::new(false),
            wakes: ArcSwapOption::empty(),
            renames: Renames::default(),
        }
    }

    /// What is known of a session, also by an id that its application replaced a moment ago.
    pub fn find(&self, session: u64) -> Option<Seen> {
        self.look(session, Entry::seen).or_else(|| self.look(self.renames.newest(session)?, Entry::seen))
    }

    /// The id that a session goes by now: its own, unless the application replaced it a moment ago.
    pub fn current(&self, session: u64) -> u64 {
        match self.renames.newest(session) {
            Some(newer) if self.look(session, |_| ()).is_none() => newer,
            _ => session,
        }
    }

    /// A pinned request of this session reached the node in `slot`. Confirms the session; enters it if it is unknown; if it
    /// was on another node, its count moves.
    pub fn touch(&self, session: u64, slot: u32, now: u32, tally: &impl Tally) {
        let hash = self.hash(session);
        // mostly there is nothing that others would have to know
        if let Some(entry) = self.shard(hash).read().entries.find(hash, |entry| entry.session == session)
            && entry.slot == slot
            && entry.confirmed
        {
            return entry.meet(now);
        }
        self.enter(session, Seen { slot, first: now, last: now, confirmed: true }, Conflict::Move, tally);
    }

    /// A new session is placed; it is not confirmed until the client comes back with its pin. Returns the slot that it is on:
    /// another one if somebody else has placed it meanwhile.
    pub fn open(&self, session: u64, slot: u32, now: u32, tally: &impl Tally) -> u32 {
        self.enter(session, Seen { slot, first: now, last: now, confirmed: false }, Conflict::Keep, tally)
    }

    /// The session is over; false if it was unknown.
    pub fn end(&self, session: u64, tally: &impl Tally) -> bool {
        let ended = self.take(session, |entry| tally.change(entry.slot, -1)).is_some();
        if ended {
            self.held.fetch_sub(1, Relaxed);
        }
        ended
    }

    /// The application changed the id of a session, as they do at login: it is the same session and counts once. If the
    /// new id was seen first, what is known of it stands.
    pub fn rename(&self, old: u64, new: u64, now: u32, tally: &impl Tally) {
        if old == new {
            return;
        }
        // Its count and its reserved room stay while it is in neither place.
        let Some(known) = self.take(old, |_| ()) else { return };
        self.renames.note(old, new, now);
        let hash = self.hash(new);
        let rows = &mut *self.shard(hash).write();
        self.note(rows, new);
        match rows.entries.entry(hash, |entry| entry.session == new, |entry| self.hash(entry.session)) {
            Place::Occupied(mut place) => {
                let entry = place.get_mut();
                if entry.slot == known.slot {
                    entry.first = entry.first.min(known.first);
                }
                entry.confirmed |= known.confirmed;
                *entry.busy.get_mut() |= known.busy.into_inner();
                entry.meet(now);
                tally.change(known.slot, -1);
                self.held.fetch_sub(1, Relaxed);
            }
            Place::Vacant(place) => {
                let last = known.last.into_inner().max(now);
                let entry = Entry { session: new, last: AtomicU32::new(last), ..known };
                self.reach.lower(self.place(hash), entry.rank());
                place.insert(entry);
            }
        }
    }

    /// The session was moved to another node. It came with a pin, so it is confirmed, and entered if it is unknown.
    pub fn relocate(&self, session: u64, to: u32, now: u32, tally: &impl Tally) {
        self.enter(session, Seen { slot: to, first: now, last: now, confirmed: true }, Conflict::Move, tally);
    }

    /// Forgets what was not seen for more than `idle` seconds, or `unconfirmed_idle` if its client never came back, in one of
    /// `parts` parts of the shards; `u32::MAX` is never. What is busy stays. Also forgets what is above a limit that was lowered.
    /// Returns how many went.
    pub fn sweep(&self, now: u32, idle: u32, unconfirmed_idle: u32, part: usize, parts: usize, tally: &impl Tally) -> usize {
        let limit = |seen: Seen| if seen.confirmed { idle } else { unconfirmed_idle };
        let stays = |entry: &Entry| now.saturating_sub(entry.seen().last) <= limit(entry.seen()) || entry.is_busy(now);
        let mut gone = 0;
        for shard in self.shards.iter().skip(part).step_by(parts.max(1)) {
            gone += self.retain(shard, tally, stays);
        }
        self.renames.sweep(now);
        while self.held.load(Relaxed) > self.limit() && self.evict(tally) {
            self.held.fetch_sub(1, Relaxed);
            gone += 1;
        }
        gone
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most there may be.
    pub fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// Sets the most there may be. What is above a lower limit goes with the next sweep, and two for one with every new session.
    pub fn set_limit(&self, n: usize) {
        self.limit.store(n.max(1), Relaxed);
    }

    /// How many sessions were forgotten for want of room.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Sessions by slot, counted one by one: to verify the tally.
    pub fn per_slot(&self) -> HashMap<u32, u32> {
        let mut counts = HashMap::new();
        for shard in &self.shards {
            for entry in shard.read().entries.iter() {
                *counts.entry(entry.slot).or_default() += 1;
            }
        }
        counts
    }

    /// The sessions of a node that were seen last, at most so many, the latest first.
    pub fn newest_on(&self, slot: u32, most: usize) -> Vec<(u64, Seen)> {
        let mut newest = BinaryHeap::new();
        for shard in &self.shards {
            for entry in shard.read().entries.iter().filter(|entry| entry.slot == slot) {
                let seen = entry.seen();
                newest.push(Reverse((seen.last, entry.session, seen.first, seen.confirmed)));
                if newest.len() > most {
                    newest.pop();
                }
            }
        }
        let sorted = newest.into_sorted_vec().into_iter();
        sorted.map(|Reverse((last, session, first, confirmed))| (session, Seen { slot, first, last, confirmed })).collect()
    }

    /// Makes an entry, or meets the one that is there. Returns the slot that the session is on.
    fn enter(&self, session: u64, new: Seen, conflict: Conflict, tally: &impl Tally) -> u32 {
        let hash = self.hash(session);
        let mut reserved = false;
        loop {
            let mut rows = self.shard(hash).write();
            if let Some(slot) = self.meet(&mut rows, hash, session, new, conflict, tally) {
                if reserved {
                    self.held.fetch_sub(1, Relaxed);
                }
                return slot;
            }
            if reserved || self.reserve() {
                tally.change(new.slot, 1);
                let entry = Entry::new(session, new);
                self.reach.lower(self.place(hash), entry.rank());
                rows.entries.insert_unique(hash, entry, |entry| self.hash(entry.session));
                self.note(&mut rows, session);
                return new.slot;
            }
            // Not while the shard is locked: what has to go may be in any of them.
            drop(rows);
            reserved = self.make_room(tally);
            if !reserved {
                return new.slot;
            }
        }
    }

    /// Takes an entry out, with a last look while the shard is locked. The room it took is still held.
    fn take(&self, session: u64, look: impl FnOnce(&Entry)) -> Option<Entry> {
        let hash = self.hash(session);
        let mut rows = self.shard(hash).write();
        let (entry, _) = rows.entries.find_entry(hash, |entry| entry.session == session).ok()?.remove();
        look(&entry);
        self.note(&mut rows, session);
        Some(entry)
    }

    /// Looks at an entry.
    fn look<T>(&self, session: u64, see: impl FnOnce(&Entry) -> T) -> Option<T> {
        let hash = self.hash(session);
        self.shard(hash).read().entries.find(hash, |entry| entry.session == session).map(see)
    }

    /// Keeps what passes, counts what goes, and gives back memory that is mostly empty.
    fn retain(&self, shard: &Shard, tally: &impl Tally, keep: impl Fn(&Entry) -> bool) -> usize {
        // First a look that disturbs no reader: mostly there is nothing to do.
        if shard.read().entries.iter().all(&keep) {
            return 0;
        }
        let rows = &mut *shard.write();
        let before = rows.entries.len();
        let mut noted = false;
        rows.entries.retain(|entry| {
            let stays = keep(entry);
            if !stays {
                tally.change(entry.slot, -1);
                noted |= rows.changed.note(entry.session);
            }
            stays
        });
        self.set_noted(noted);
        let gone = before - rows.entries.len();
        if rows.entries.len() * 4 < rows.entries.num_buckets() {
            let room = rows.entries.len() * 2;
            rows.entries.shrink_to(room, |entry| self.hash(entry.session));
        }
        self.held.fetch_sub(gone, Relaxed);
        gone
    }

    /// Meets an entry that is there already; returns where it is now.
    fn meet(&self, rows: &mut Rows, hash: u64, session: u64, new: Seen, conflict: Conflict, tally: &impl Tally) -> Option<u32> {
        let entry = rows.entries.find_mut(hash, |entry| entry.session == session)?;
        if conflict == Conflict::Move {
            entry.put_on(new.slot, new.first, tally);
        }
        entry.confirmed |= new.confirmed;
        entry.meet(new.last);
        let slot = entry.slot;
        self.note(rows, session);
        Some(slot)
    }

    fn note(&self, rows: &mut Rows, session: u64) {
        self.set_noted(rows.changed.note(session));
    }

    fn hash(&self, session: u64) -> u64 {
        mix(session ^ self.seed)
    }

    fn shard(&self, hash: u64) -> &Shard {
        &self.shards[self.place(hash)]
    }

    /// Which shard it is.
    fn place(&self, hash: u64) -> usize {
        // Neither the lowest nor the highest bits: those choose the place within the shard.
        (hash >> 40) as usize & (self.shards.len() - 1)
    }
}

/// Spreads a number that may be a good hash or a poor one over all 64 bits.
fn mix(number: u64) -> u64 {
    let wide = u128::from(number) * 0x9e37_79b9_7f4a_7c15;
    (wide >> 64) as u64 ^ wide as u64
}
