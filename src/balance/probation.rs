//! The first minute of a node that joins others: whatever its score says, it is given at most twice its fair
//! rate, because an empty node looks best to every method that compares, and a flood is no way to warm up.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

/// How often a node on probation may be passed over in one pick.
pub const PASSES: usize = 8;

/// What a placement keeps for it. Costs nothing while no node is on probation.
#[derive(Default)]
pub struct Probation {
    /// Nodes on probation.
    nodes: AtomicU32,
    /// Choices made while there was one.
    given: AtomicU64,
}

impl Probation {
    /// Puts a node on probation, or ends it.
    pub fn set(&self, trial: &Trial, young: bool) {
        if trial.begin(young, self.given.load(SeqCst)) {
            if young {
                self.nodes.fetch_add(1, SeqCst)
            } else {
                self.nodes.fetch_sub(1, SeqCst)
            };
        }
    }

    /// Whether any node is on probation.
    pub fn applies(&self) -> bool {
        self.nodes.load(SeqCst) > 0
    }

    /// Whether a node has had twice its share among so many; then others come first.
    pub fn is_over(&self, trial: &Trial, among: u32) -> bool {
        let Some((birth, taken)) = trial.since() else { return false };
        let given = self.given.load(SeqCst).saturating_sub(birth);
        taken.saturating_mul(u64::from(among)) > given.saturating_mul(2)
    }

    /// Counts a choice.
    pub fn charge(&self, trial: &Trial) {
        if self.applies() {
            self.given.fetch_add(1, SeqCst);
            trial.take();
        }
    }
}

/// What is kept of one node for it.
#[derive(Default)]
pub struct Trial {
    /// One more than the choices given when it began; 0 for a node that is not on probation.
    birth: AtomicU64,
    taken: AtomicU64,
}

impl Trial {
    /// Begins or ends; false if that changes nothing.
    fn begin(&self, young: bool, given: u64) -> bool {
        let birth = if young { given + 1 } else { 0 };
        if (self.birth.load(SeqCst) != 0) == young {
            return false;
        }
        self.taken.store(0, SeqCst);
        (self.birth.swap(birth, SeqCst) != 0) != young
    }

    /// Where it began, and how often the node was chosen since.
    fn since(&self) -> Option<(u64, u64)> {
        let birth = self.birth.load(SeqCst).checked_sub(1)?;
        Some((birth, self.taken.load(SeqCst)))
    }

    fn take(&self) {
        if self.birth.load(SeqCst) != 0 {
            self.taken.fetch_add(1, SeqCst);
        }
    }
}
