//! How much room there is in a ledger: it is reserved before an entry is made.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// How many sessions there may be, and are.
pub struct Capacity {
    /// Entries, and room that was reserved for some on their way.
    pub(super) held: AtomicUsize,
    pub(super) limit: AtomicUsize,
    pub(super) evicted: AtomicU64,
}

impl Capacity {
    /// For at most so many (at least one).
    pub fn new(limit: usize) -> Self {
        Self { held: AtomicUsize::new(0), limit: AtomicUsize::new(limit.max(1)), evicted: AtomicU64::new(0) }
    }

    /// So many are no longer there, or not coming.
    pub fn release(&self, count: usize) {
        self.held.fetch_sub(count, Relaxed);
    }

    /// Room for one entry more, if there is any left.
    pub fn reserve(&self) -> bool {
        let limit = self.limit.load(Relaxed);
        self.held.fetch_update(Relaxed, Relaxed, |held| (held < limit).then_some(held + 1)).is_ok()
    }
}
