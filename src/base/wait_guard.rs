//! How many wait for something, and how many came before.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// One that waits; no longer once it is dropped.
pub struct WaitGuard<'a> {
    count: &'a AtomicU32,
    /// How many waited before it.
    pub behind: u32,
}

impl<'a> WaitGuard<'a> {
    /// Waits with those who are counted here.
    pub fn behind(count: &'a AtomicU32) -> Self {
        Self { count, behind: count.fetch_add(1, Relaxed) }
    }
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
    }
}
