//! A tournament over scores: the smallest of n is known at the root, and one change costs the height of the
//! tree.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The score of a slot that must not be chosen.
pub const NEVER: u64 = u64::MAX;

/// How often a descent that met a concurrent change starts again before every leaf is looked at instead.
const DESCENTS: usize = 4;

/// A segment tree of minima in atomics. Any number of threads may set and read at once; nothing blocks.
///
/// Node `i` has the children `2i` and `2i + 1`, the root is 1 and the leaf of slot `s` is `width + s`.
pub struct Tournament {
    nodes: Box<[AtomicU64]>,
    width: usize,
}

impl Tournament {
    /// A tournament for the slots `0..slots`, all of them at [`NEVER`].
    pub fn new(slots: usize) -> Self {
        let width = slots.max(1).next_power_of_two();
        Self { nodes: (0..2 * width).map(|_| AtomicU64::new(NEVER)).collect(), width }
    }

    /// The score of a slot; [`NEVER`] for one that does not exist.
    pub fn get(&self, slot: u32) -> u64 {
        let slot = slot as usize;
        if slot < self.width { self.at(self.width + slot) } else { NEVER }
    }

    /// Gives a slot its score and carries the change up as far as it matters.
    ///
    /// Whoever stores into a parent looks at the children once more afterwards. So of two threads that meet
    /// there, the one that stored last has seen both changes, and the parent ends at the true minimum
    /// whatever the order was.
    pub fn set(&self, slot: u32, score: u64) {
        let slot = slot as usize;
        if slot >= self.width {
            return;
        }
        let mut node = self.width + slot;
        if self.nodes[node].swap(score, SeqCst) == score {
            return;
        }
        while node > 1 {
            node /= 2;
            // A parent that is right already was put right by somebody who carries it further up himself.
            if !self.replay(node) {
                return;
            }
        }
    }

    /// Makes a parent the smaller of its children; true when its value was changed here.
    fn replay(&self, node: usize) -> bool {
        let mut changed = false;
        loop {
            let smaller = self.at(2 * node).min(self.at(2 * node + 1));
            if self.at(node) == smaller {
                return changed;
            }
            self.nodes[node].store(smaller, SeqCst);
            changed = true;
        }
    }

    /// The slot with the smallest score and that score; the lower slot of equals.
    pub fn best(&self) -> Option<(u32, u64)> {
        for _ in 0..DESCENTS {
            if self.at(1) == NEVER {
                return None;
            }
            let mut node = 1;
            while node < self.width {
                node *= 2;
                if self.at(node + 1) < self.at(node) {
                    node += 1;
                }
            }
            let score = self.at(node);
            if score != NEVER {
                return Some(((node - self.width) as u32, score));
            }
        }
        let leaves = (0..self.width as u32).map(|slot| (slot, self.get(slot)));
        leaves.filter(|&(_, score)| score != NEVER).min_by_key(|&(slot, score)| (score, slot))
    }

    /// The best slot that is not to be avoided. Costs the height of the tree for each better one that is.
    pub fn best_except(&self, avoid: &[u32]) -> Option<(u32, u64)> {
        let best = self.best()?;
        if !avoid.contains(&best.0) {
            return Some(best);
        }
        let mut open = BinaryHeap::from([Reverse((self.at(1), 1))]);
        while let Some(Reverse((_, node))) = open.pop() {
            // Read again: what the heap knew may be old by now.
            let score = self.at(node);
            if score == NEVER {
                continue;
            }
            if node < self.width {
                open.extend([2 * node, 2 * node + 1].map(|child| Reverse((self.at(child), child))));
                continue;
            }
            let slot = (node - self.width) as u32;
            if !avoid.contains(&slot) {
                return Some((slot, score));
            }
        }
        None
    }

    /// Every slot that may be chosen with its score, best first.
    pub fn ranking(&self) -> Vec<(u32, u64)> {
        let leaves = (0..self.width as u32).map(|slot| (slot, self.get(slot)));
        let mut all: Vec<_> = leaves.filter(|&(_, score)| score != NEVER).collect();
        all.sort_unstable_by_key(|&(slot, score)| (score, slot));
        all
    }

    fn at(&self, node: usize) -> u64 {
        self.nodes[node].load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    fn leaves(tree: &Tournament) -> Vec<u64> {
        (0..tree.width as u32).map(|slot| tree.get(slot)).collect()
    }

    /// Every inner node is the minimum of its leaves.
    fn assert_settled(tree: &Tournament) {
        for node in 1..tree.width {
            assert_eq!(tree.at(node), tree.at(2 * node).min(tree.at(2 * node + 1)), "node {node}");
        }
    }

    #[test]
    fn an_empty_tournament_has_no_winner() {
        for slots in [0, 1, 5] {
            let tree = Tournament::new(slots);
            assert_eq!(tree.best(), None);
            assert_eq!(tree.best_except(&[0]), None);
        }
    }

    #[test]
    fn slots_beyond_the_end_are_ignored() {
        let tree = Tournament::new(3);
        tree.set(900, 1);
        assert_eq!((tree.best(), tree.get(900)), (None, NEVER));
    }

    #[test]
    fn threads_that_meet_leave_the_true_minimum() {
        for seed in 0..20 {
            let tree = Tournament::new(13);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let tree = &tree;
                    scope.spawn(move || {
                        let mut rng = SmallRng::seed_from_u64(seed * 16 + thread);
                        for _ in 0..5_000 {
                            let score = if rng.random_ratio(1, 4) { NEVER } else { rng.random_range(0..50) };
                            tree.set(rng.random_range(0..13), score);
                        }
                    });
                }
            });
            assert_settled(&tree);
            assert_eq!(tree.at(1), leaves(&tree).into_iter().min().unwrap());
        }
    }

    proptest! {
        #[test]
        fn the_winner_is_the_smallest_that_is_not_avoided(
            changes in prop::collection::vec((0u32..40, prop_oneof![Just(NEVER), 0u64..30]), 1..80),
            avoid in prop::collection::vec(0u32..40, 0..6),
        ) {
            let tree = Tournament::new(40);
            for &(slot, score) in &changes {
                tree.set(slot, score);
            }
            assert_settled(&tree);
            let ranking = tree.ranking();
            prop_assert_eq!(tree.best(), ranking.first().copied());
            prop_assert_eq!(tree.best_except(&avoid), ranking.iter().find(|(slot, _)| !avoid.contains(slot)).copied());
        }
    }
}
