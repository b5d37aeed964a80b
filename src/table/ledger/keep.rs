//! What it takes to keep a ledger elsewhere: what is true of the sessions that changed, what is true of all, and the way back.

use super::shard::Shard;
use super::{Conflict, Ledger, Seen, Tally};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::Thread;

/// Changes that are noted at most until somebody asks for them.
const CHANGES: usize = 1 << 18;

impl Ledger {
    /// From now on notes which sessions change, or no longer does.
    pub fn note_changes(&self, on: bool) {
        let limit = if on { CHANGES / self.shards.len() } else { 0 };
        for shard in &self.shards {
            shard.write().changed.set_limit(limit);
        }
    }

    /// Who is woken by the first change after a look at what has changed; nobody where that can wait.
    pub fn wakes(&self, who: Option<Thread>) {
        self.wakes.store(who.map(Arc::new));
    }

    /// There is something to tell.
    pub(super) fn set_noted(&self, noted: bool) {
        if noted && !self.noted.load(Relaxed) && !self.noted.swap(true, Relaxed) {
            // one system call at most until it has looked, and none while it is awake
            self.wakes.load().iter().for_each(|who| who.unpark());
        }
    }

    /// What is true now of each session that changed since this was last called; nothing of one that is over. False if more
    /// changed than could be noted: then only a look at all of them tells.
    pub fn changes(&self, out: &mut Vec<(u64, Option<Seen>)>) -> bool {
        // set after the note was made, in the same lock: a note that is missed here is found the next time
        if !self.noted.swap(false, Relaxed) {
            return true;
        }
        let mut all = true;
        let mut ids = Vec::new();
        for shard in &self.shards {
            if shard.read().changed.is_empty() {
                continue;
            }
            all &= shard.write().changed.take(&mut ids);
            ids.sort_unstable();
            ids.dedup();
            let rows = shard.read();
            let find = |id: u64| rows.entries.find(self.hash(id), |entry| entry.session == id).map(|entry| entry.seen());
            out.extend(ids.drain(..).map(|id| (id, find(id))));
        }
        all
    }

    /// What is true now of the sessions in one part. False if there are no more parts.
    pub fn part(&self, part: usize, out: &mut Vec<(u64, Option<Seen>)>) -> bool {
        let Some(shard) = self.shards.get(part) else { return false };
        out.extend(shard.read().entries.iter().map(|entry| (entry.session, Some(entry.seen()))));
        true
    }

    /// Looks at each session in one of `parts` parts of the shards.
    pub fn look_through(&self, part: usize, parts: usize, mut each: impl FnMut(Seen)) {
        for shard in self.shards.iter().skip(part).step_by(parts.max(1)) {
            shard.read().entries.iter().for_each(|entry| each(entry.seen()));
        }
    }

    /// Whether anybody was seen since then.
    pub fn any_seen_since(&self, then: u32) -> bool {
        let any = |shard: &Shard| shard.read().entries.iter().any(|entry| entry.seen().last >= then);
        self.shards.iter().any(any)
    }

    /// Enters a session that is known from before.
    pub fn put(&self, session: u64, seen: Seen, tally: &impl Tally) {
        self.enter(session, seen, Conflict::Move, tally);
    }
}
