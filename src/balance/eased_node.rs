//! What is kept of a node that is eased in: where it is on its way, and what it has to spend.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering::SeqCst};

/// One session, as credit.
pub const ONE: i64 = 1 << 32;

/// Where a node is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It has its whole part.
    Grown = 0,
    /// It is given its growing part exactly.
    Ramps = 1,
    /// It is given twice its part at most.
    CatchesUp = 2,
    /// It has caught up, in its first minute.
    CaughtUp = 3,
}

/// What is kept of one node for it.
#[derive(Default)]
pub struct EasedNode {
    phase: AtomicU8,
    credit: AtomicI64,
}

impl EasedNode {
    /// Where it is.
    pub fn phase(&self) -> Phase {
        match self.phase.load(SeqCst) {
            1 => Phase::Ramps,
            2 => Phase::CatchesUp,
            3 => Phase::CaughtUp,
            _ => Phase::Grown,
        }
    }

    /// It is there from now on, without credit; false if it was before.
    pub fn enter(&self, phase: Phase) -> bool {
        let is_new = self.phase.swap(phase as u8, SeqCst) != phase as u8;
        if is_new {
            self.credit.store(0, SeqCst);
        }
        is_new
    }

    /// It is given this part of a session more; twice as much at most is saved up as it can spend at once.
    pub fn earn(&self, part: f64) {
        let _ = self
            .credit
            .fetch_update(SeqCst, SeqCst, |credit| Some((credit + (part * ONE as f64) as i64).min(2 * ONE)));
    }

    /// What it has, with this part more.
    pub fn credit(&self, part: f64) -> i64 {
        self.credit.load(SeqCst) + (part * ONE as f64) as i64
    }

    /// It was given a session.
    pub fn spend(&self) {
        if matches!(self.phase(), Phase::Ramps | Phase::CatchesUp) {
            let _ = self.credit.fetch_update(SeqCst, SeqCst, |credit| Some((credit - ONE).max(-ONE)));
        }
    }
}
