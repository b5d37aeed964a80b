//! Sessions with something in flight: a request, a stream or a tunnel that lasts. Such a session is there,
//! however long its last request began ago: it is neither forgotten for being idle nor evicted before others.
//!
//! Whoever carries it says so again and again while it lasts, and once at its end. So nothing has to be
//! counted exactly through renames, evictions and threads that die, and what is over within a second costs
//! nothing here.

use super::Ledger;
use std::sync::atomic::Ordering::Relaxed;

impl Ledger {
    /// Something of this session is in flight now. Returns the id that the session goes by. One that is over,
    /// or was evicted, does not begin again by this.
    pub fn carried(&self, session: u64, now: u32) -> u64 {
        let session = self.current(session);
        self.look(session, |entry| {
            entry.touch(now);
            if !entry.busy.load(Relaxed) {
                entry.busy.store(true, Relaxed);
            }
        });
        session
    }

    /// Something of this session was in flight until now. Should more of it be, that is said again before it
    /// matters.
    pub fn carried_to_its_end(&self, session: u64, now: u32) {
        let session = self.current(session);
        let hash = self.shards.hash(session);
        // with the shard for itself: from here on it is missed less
        let content = self.shards.of(hash).write();
        if let Some(entry) = content.find(hash, session) {
            entry.touch(now);
            entry.busy.store(false, Relaxed);
            self.floors.lower(self.shards.place(hash), entry.rank());
        }
    }
}
