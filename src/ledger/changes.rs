//! Which sessions changed, for whoever keeps the ledger elsewhere.

use super::{KnownSession, Ledger};
use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::Thread;

/// Changes that are noted at most until somebody asks for them.
const CHANGES: usize = 1 << 18;

/// Ids of sessions that began, moved, were confirmed or ended since they were asked for; none are noted until somebody asks.
#[derive(Default)]
pub struct Changed {
    ids: Vec<u64>,
    limit: usize,
    missed: bool,
}

impl Changed {
    /// From now on at most so many are noted.
    fn set_limit(&mut self, limit: usize) {
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

    /// Moves the ids to `out`. False if there were more.
    fn take(&mut self, out: &mut Vec<u64>) -> bool {
        out.append(&mut self.ids);
        !take(&mut self.missed)
    }
}

impl Ledger {
    /// From now on notes which sessions change, or no longer does.
    pub fn note_changes(&self, on: bool) {
        let limit = if on { CHANGES / self.shards.all().len() } else { 0 };
        for shard in self.shards.all() {
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
    pub fn changes(&self, out: &mut Vec<(u64, Option<KnownSession>)>) -> bool {
        // set after the note was made, in the same lock: a note that is missed here is found the next time
        if !self.noted.swap(false, Relaxed) {
            return true;
        }
        let mut all = true;
        let mut ids = Vec::new();
        for shard in self.shards.all() {
            if shard.read().changed.ids.is_empty() {
                continue;
            }
            all &= shard.write().changed.take(&mut ids);
            ids.sort_unstable();
            ids.dedup();
            let content = shard.read();
            out.extend(ids.drain(..).map(|id| (id, content.find(self.shards.hash(id), id).map(|entry| entry.known()))));
        }
        all
    }
}
