//! Which part of the new sessions goes to each node.

use super::candidate::{Candidate, Method, Tier, WHOLE};
use super::{Placement, score};

impl Placement {
    /// The part of the new sessions that goes to a slot as long as nothing changes: by weight or size, and as
    /// far as it is eased in.
    pub fn part_of(&self, slot: u32) -> f64 {
        let Some((best, score)) = self.tree.best() else { return 0.0 };
        let Some(cell) = self.cells.get(slot as usize) else { return 0.0 };
        let tier = score::tier_of(score);
        if tier > Tier::Backup || score::tier_of(self.tree.get(slot)) != tier {
            return 0.0;
        }
        match self.method {
            Method::First => {
                let next = self
                    .tree
                    .best_except(&[best])
                    .map(|(slot, _)| slot)
                    .filter(|_| self.cells[best as usize].read().ramp < WHOLE);
                let eased = self.part_beside(best, best);
                match slot {
                    slot if slot == best && next.is_some() => eased,
                    slot if slot == best => 1.0,
                    slot if Some(slot) == next => 1.0 - eased,
                    _ => 0.0,
                }
            }
            _ => self.parts.of(&cell.part),
        }
    }

    /// The part of the new sessions that a node is to have which is eased in. The first of the file has all of
    /// them.
    pub(super) fn part_beside(&self, slot: u32, best: u32) -> f64 {
        let cell = &self.cells[slot as usize];
        match self.method {
            Method::First if slot != best => 0.0,
            Method::First => f64::from(cell.read().ramp) / f64::from(WHOLE),
            _ => self.parts.of(&cell.part),
        }
    }

    /// What its part is in proportion to.
    pub(super) fn size(&self, known: &Candidate) -> u64 {
        let room = match known.capacity {
            Some(most) if self.method == Method::LeastSessions && self.is_capped() => most.min(1 << 20),
            _ => 1,
        };
        // so that the greatest sizes of many thousand nodes can be summed up
        ((u64::from(known.weight) * u64::from(known.ramp)) >> 16) * u64::from(room)
    }
}
