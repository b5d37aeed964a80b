//! By node, the sessions that give up their place, the oldest first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Rows of a node after which those that do not hold any more are looked for.
pub const FEW: usize = 1024;

/// Who gives up a place, by slot. No shard may be locked by whoever asks: the queue comes first where both
/// are.
#[derive(Default)]
pub struct YieldQueue {
    by_slot: Mutex<HashMap<u32, NodeQueue>>,
    given_up: AtomicU64,
}

/// A session that was found to yield.
pub struct YieldRow {
    pub slot: u32,
    /// When it was last seen.
    pub last: u32,
    pub session: u64,
}

#[derive(Default)]
struct NodeQueue {
    /// When it was last seen, and which it is. A row may be out of date: the entry says whether it yields.
    rows: BinaryHeap<Reverse<(u32, u64)>>,
    /// So many held when they were looked through.
    held: usize,
}

impl YieldQueue {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, NodeQueue>> {
        self.by_slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in who was found, and forgets rows that do not hold, once they may be half of them.
    pub fn add(&self, found: Vec<YieldRow>, holds: impl Fn(u32, u64) -> bool) {
        let mut by_slot = self.lock();
        for YieldRow { slot, last, session } in found {
            by_slot.entry(slot).or_default().rows.push(Reverse((last, session)));
        }
        by_slot.retain(|slot, queue| {
            if queue.rows.len() > 2 * queue.held + FEW {
                queue.rows.retain(|Reverse((_, session))| holds(*slot, *session));
                queue.rows.shrink_to_fit();
                queue.held = queue.rows.len();
            }
            !queue.rows.is_empty()
        });
    }

    /// The oldest of a node.
    pub fn pop(&self, slot: u32) -> Option<u64> {
        self.lock().get_mut(&slot)?.rows.pop().map(|Reverse((_, session))| session)
    }

    /// A place was given up.
    pub fn note(&self) {
        self.given_up.fetch_add(1, Relaxed);
    }

    /// How many were.
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Relaxed)
    }

    /// Rows of a node, those that do not hold among them.
    #[cfg(test)]
    pub fn rows(&self, slot: u32) -> usize {
        self.lock().get(&slot).map_or(0, |queue| queue.rows.len())
    }
}
