//! Counts that each thread keeps for itself, and the control plane adds up.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count that one thread alone changes, so that no locked instruction is needed, and any thread may read.
#[derive(Debug, Default)]
pub struct ThreadCount(AtomicU64);

impl ThreadCount {
    /// So many more.
    pub fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Relaxed);
    }

    /// So many fewer. Below nothing it wraps, as the sum of all threads does: that is what counts.
    pub fn take(&self, n: u64) {
        self.add(n.wrapping_neg());
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
