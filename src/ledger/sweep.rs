//! What ends by itself: sessions that are idle, and those above a limit that was lowered.

use super::entry::Entry;
use super::shard::Shard;
use super::{Ledger, SessionCounter, Standing};

impl Ledger {
    /// Forgets what was not seen for more than `idle` seconds, or `unconfirmed_idle` if it was placed and its
    /// client never came back, in one of `parts` parts of the shards; `u32::MAX` is never. What is busy stays.
    /// Also forgets what is above a limit that was lowered. Returns how many went.
    pub fn sweep(
        &self,
        now: u32,
        idle: u32,
        unconfirmed_idle: u32,
        part: usize,
        parts: usize,
        tally: &impl SessionCounter,
    ) -> usize {
        // of a thousand clusters most have nobody: their shards are not even looked at
        if self.is_empty() {
            self.renames.sweep(now);
            return 0;
        }
        let limit = |entry: &Entry| match entry.standing {
            Standing::Placed => unconfirmed_idle,
            Standing::Kept | Standing::Placeless | Standing::Confirmed => idle,
        };
        let stays =
            |entry: &Entry| now.saturating_sub(entry.known().last) <= limit(entry) || entry.is_busy(now);
        let gone: usize = self.shards.part(part, parts).map(|shard| self.retain(shard, tally, stays)).sum();
        self.renames.sweep(now);
        gone + self.shed(tally)
    }

    /// Keeps what passes, counts what goes, and gives back memory that is mostly empty.
    fn retain(&self, shard: &Shard, tally: &impl SessionCounter, keep: impl Fn(&Entry) -> bool) -> usize {
        // First a look that disturbs no reader: mostly there is nothing to do.
        if shard.read().entries.iter().all(&keep) {
            return 0;
        }
        let content = &mut *shard.write();
        let before = content.entries.len();
        content.entries.retain(|entry| {
            let stays = keep(entry);
            if !stays {
                entry.leave(tally);
                content.notes.iter_mut().for_each(|notes| notes.add(entry.session));
            }
            stays
        });
        let gone = before - content.entries.len();
        if content.entries.len() * 4 < content.entries.num_buckets() {
            let room = content.entries.len() * 2;
            content.entries.shrink_to(room, |entry| self.shards.hash(entry.session));
        }
        self.capacity.release(gone);
        gone
    }
}
