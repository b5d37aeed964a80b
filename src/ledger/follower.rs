//! Who keeps a ledger elsewhere too, on the disk or on another proxy, follows its changes. Each follower has
//! notes of its own in every shard: one that is slow loses nothing of another's, and where nobody follows
//! nothing is noted.

#[cfg(test)]
mod tests;

use super::KnownSession;
use super::notes::{ShardNotes, Signal};
use super::shard::Shards;
use arc_swap::ArcSwapOption;
use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::task::Waker;

/// Follows the changes of one ledger, from when it was made until it is dropped.
pub struct Follower {
    shards: Shards,
    signal: Arc<Signal>,
}

/// Whether a follower was told of everything that changed.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowResult {
    /// It was.
    All,
    /// More changed than could be noted, or it has only begun: what is true is known by a look at all parts,
    /// begun after this answer, and by the changes that are told from now on.
    NotAll,
}

impl Follower {
    /// Of the ledger with these shards, which note at most so many changes until it asks.
    pub(super) fn new(shards: Shards, most: usize) -> Self {
        let signal = Arc::new(Signal { pending: AtomicBool::new(true), waker: ArcSwapOption::empty() });
        let most = most.div_ceil(shards.all().len());
        for shard in shards.all() {
            shard.write().notes.push(ShardNotes {
                ids: Vec::new(),
                most,
                missed: true,
                signal: signal.clone(),
            });
        }
        Self { shards, signal }
    }

    /// Who is woken by the first change after each look at what has changed, and now if there is something to
    /// tell; nobody where that can wait. It is called while a shard is locked: it has to be quick and must
    /// not call the ledger.
    pub fn wakes(&mut self, waker: Option<Waker>) {
        self.signal.waker.store(waker.map(Arc::new));
        if self.signal.pending.load(SeqCst) {
            self.signal.wake();
        }
    }

    /// What is true now of each session that changed since this was last called; nothing of one that is over.
    pub fn changes(&mut self, out: &mut Vec<(u64, Option<KnownSession>)>) -> FollowResult {
        // set after the note was made, in the same lock: a note that is missed here is found the next time
        if !self.signal.pending.swap(false, Relaxed) {
            return FollowResult::All;
        }
        let mut missed = false;
        let mut ids = Vec::new();
        for shard in self.shards.all() {
            if shard.read().notes.iter().any(|notes| notes.is_for(&self.signal) && notes.is_empty()) {
                continue;
            }
            for notes in shard.write().notes.iter_mut().filter(|notes| notes.is_for(&self.signal)) {
                missed |= take(&mut notes.missed);
                ids.append(&mut notes.ids);
            }
            ids.sort_unstable();
            ids.dedup();
            let content = shard.read();
            out.extend(
                ids.drain(..)
                    .map(|id| (id, content.find(self.shards.hash(id), id).map(|entry| entry.known()))),
            );
        }
        if missed { FollowResult::NotAll } else { FollowResult::All }
    }

    /// What is true now of the sessions in one part. False if there are no more parts.
    pub fn part(&self, part: usize, out: &mut Vec<(u64, Option<KnownSession>)>) -> bool {
        self.shards.content(part, out)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        for shard in self.shards.all() {
            let notes = &mut shard.write().notes;
            notes.retain(|notes| !notes.is_for(&self.signal));
            notes.shrink_to_fit();
        }
    }
}
