//! A session's entry: 24 bytes.

use super::{KnownSession, SessionCounter};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// What is kept of a session.
pub struct Entry {
    pub session: u64,
    pub slot: u32,
    pub first: u32,
    pub last: AtomicU32,
    pub confirmed: bool,
    /// Something of it was in flight when it was last looked at.
    pub busy: AtomicBool,
}

/// Seconds that a mark of business is believed: it is renewed far more often, unless whoever made it has
/// died.
const BELIEVED: u32 = 60;

impl Entry {
    pub fn new(session: u64, known: KnownSession) -> Self {
        let (last, busy) = (AtomicU32::new(known.last), AtomicBool::new(false));
        Self { session, slot: known.slot, first: known.first, last, confirmed: known.confirmed, busy }
    }

    /// Whether something of it is in flight.
    pub fn is_busy(&self, now: u32) -> bool {
        self.busy.load(Relaxed) && now.saturating_sub(self.last.load(Relaxed)) <= BELIEVED
    }

    /// What others are told of it.
    pub fn known(&self) -> KnownSession {
        KnownSession {
            slot: self.slot,
            first: self.first,
            last: self.last.load(Relaxed),
            confirmed: self.confirmed,
        }
    }

    /// How much it is missed: what is not busy and was never confirmed least, then what is idle longest. It
    /// rises by itself, and falls only when it is no longer busy.
    pub fn rank(&self) -> u64 {
        u64::from(self.busy.load(Relaxed)) << 33
            | u64::from(self.confirmed) << 32
            | u64::from(self.last.load(Relaxed))
    }

    /// Seen again, now. Writes only what changed: the line it is on is shared by all threads.
    pub fn touch(&self, now: u32) {
        if self.last.load(Relaxed) < now {
            self.last.store(now, Relaxed);
        }
    }

    /// Puts the session on another node, where it begins now, and the count with it.
    pub fn put_on(&mut self, slot: u32, now: u32, tally: &impl SessionCounter) {
        if self.slot != slot {
            tally.change(self.slot, -1);
            tally.change(slot, 1);
            // what that node forgot before then is not this session
            (self.slot, self.first) = (slot, now);
        }
    }
}
