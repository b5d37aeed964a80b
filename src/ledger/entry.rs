//! A session's entry: 24 bytes.

use super::{KnownSession, SessionCounter, Standing};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// What is kept of a session.
pub struct Entry {
    pub session: u64,
    pub slot: u32,
    pub first: u32,
    pub last: AtomicU32,
    pub standing: Standing,
    /// It gives up its place when that is wanted.
    pub yields: bool,
    /// Something of it was in flight when it was last looked at.
    pub busy: AtomicBool,
}

/// Seconds that a mark of business is believed: it is renewed far more often, unless whoever made it has
/// died.
const BELIEVED: u32 = 60;

/// Seconds from its last sign of life in which a session whose client never came back keeps its place: a
/// browser needs it until its second request.
const GRACE: u32 = 10;

impl Entry {
    pub fn new(session: u64, known: KnownSession) -> Self {
        let KnownSession { slot, first, last, standing } = known;
        let (last, busy) = (AtomicU32::new(last), AtomicBool::new(false));
        Self { session, slot, first, last, standing, yields: false, busy }
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
            standing: self.standing,
        }
    }

    /// How much it is missed: what is not busy and was never confirmed least, then what is idle longest. It
    /// rises by itself, and falls only when it is no longer busy.
    pub fn rank(&self) -> u64 {
        u64::from(self.busy.load(Relaxed)) << 33
            | u64::from(self.standing == Standing::Confirmed) << 32
            | u64::from(self.last.load(Relaxed))
    }

    /// Seen again, now. Writes only what changed: the line it is on is shared by all threads.
    pub fn touch(&self, now: u32) {
        if self.last.load(Relaxed) < now {
            self.last.store(now, Relaxed);
        }
    }

    /// Whether it counts on its node.
    pub fn counts(&self) -> bool {
        self.standing != Standing::Placeless
    }

    /// Whether another may have its place by now.
    pub fn may_yield(&self, now: u32) -> bool {
        matches!(self.standing, Standing::Placed | Standing::Kept)
            // whole seconds: so it is never less than the grace
            && now.saturating_sub(self.last.load(Relaxed)) > GRACE
            && !self.is_busy(now)
    }

    /// Whether it gives up its place from now on.
    pub fn set_yields(&mut self, yields: bool, tally: &impl SessionCounter) {
        if std::mem::replace(&mut self.yields, yields) != yields {
            tally.yields(self.slot, if yields { 1 } else { -1 });
        }
    }

    /// More is known of its client. One that has no place has one again by it; one that has a place keeps it.
    pub fn rise(&mut self, standing: Standing, tally: &impl SessionCounter) {
        let has_none = standing == Standing::Placeless && self.counts();
        let standing = if has_none { Standing::Kept } else { standing };
        if standing == Standing::Confirmed {
            self.set_yields(false, tally);
        }
        if standing > self.standing && self.standing == Standing::Placeless {
            tally.change(self.slot, 1);
        }
        self.standing = self.standing.max(standing);
    }

    /// It leaves its node, and is counted off there.
    pub fn leave(&mut self, tally: &impl SessionCounter) {
        self.set_yields(false, tally);
        if self.counts() {
            tally.change(self.slot, -1);
        }
    }

    /// Puts the session on another node, where it begins now, and the count with it.
    pub fn put_on(&mut self, slot: u32, now: u32, tally: &impl SessionCounter) {
        if self.slot != slot {
            self.leave(tally);
            if self.counts() {
                tally.change(slot, 1);
            }
            // what that node forgot before then is not this session
            (self.slot, self.first) = (slot, now);
        }
    }
}
