//! Who gives up a place: sessions whose clients never came back, when somebody new finds the node full. Which
//! they are is found by the way, in the rounds that look at every entry; so whoever wants a place takes the
//! oldest of his node, and looks at no other.

#[cfg(test)]
mod tests;

use super::entry::Entry;
use super::yield_queue::YieldRow;
use super::{Ledger, SessionCounter, Standing};
use std::sync::atomic::Ordering::Relaxed;

impl Ledger {
    /// How many places were given to others.
    pub fn given_up(&self) -> u64 {
        self.yielding.given_up()
    }

    /// Finds, in one of `parts` parts of the shards, who may be asked for a place from now on; on the nodes
    /// where places are `scarce` alone.
    pub fn find_yielding(
        &self,
        now: u32,
        part: usize,
        parts: usize,
        scarce: impl Fn(u32) -> bool,
        tally: &impl SessionCounter,
    ) {
        // as the sweep: of a thousand clusters most have nobody
        if self.is_empty() {
            return;
        }
        let is_new = |entry: &Entry| !entry.yields && entry.may_yield(now) && scarce(entry.slot);
        let mut found = Vec::new();
        for shard in self.shards.part(part, parts) {
            // first a look that disturbs no reader: mostly there is nobody
            if !shard.read().entries.iter().any(is_new) {
                continue;
            }
            for entry in shard.write().entries.iter_mut().filter(|entry| is_new(entry)) {
                entry.set_yields(true, tally);
                let last = entry.last.load(Relaxed);
                found.push(YieldRow { slot: entry.slot, last, session: entry.session });
            }
        }
        self.yielding.add(found, |slot, session| {
            self.look(session, |entry| entry.yields && entry.slot == slot) == Some(true)
        });
    }

    /// Takes the place of the oldest session on a node whose client never came back. False if there is none.
    pub fn take_place(&self, slot: u32, now: u32, tally: &impl SessionCounter) -> bool {
        while let Some(session) = self.yielding.pop(slot) {
            if self.give_up_place(session, slot, now, tally) {
                self.yielding.note();
                return true;
            }
        }
        false
    }

    fn give_up_place(&self, session: u64, slot: u32, now: u32, tally: &impl SessionCounter) -> bool {
        let hash = self.shards.hash(session);
        let content = &mut *self.shards.of(hash).write();
        let Ok(mut place) = content.entries.find_entry(hash, |entry| entry.session == session) else {
            return false;
        };
        let entry = place.get_mut();
        if !entry.yields || entry.slot != slot {
            return false;
        }
        if !entry.may_yield(now) {
            // seen again since: it is found anew when it is due
            entry.set_yields(false, tally);
            return false;
        }
        entry.leave(tally);
        if entry.standing == Standing::Placed {
            place.remove();
            self.capacity.release(1);
        } else {
            // nothing else says where it is
            entry.standing = Standing::Placeless;
        }
        content.note(session);
        true
    }
}
