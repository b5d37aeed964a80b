//! An `Option` in an atomic.

use std::sync::atomic::{AtomicU32, Ordering};

/// A number that may not be there. The largest stands for none: what is stored is kept below it.
#[derive(Debug)]
pub struct MaybeU32(AtomicU32);

const NONE: u32 = u32::MAX;

impl MaybeU32 {
    /// None.
    pub const fn none() -> Self {
        Self(AtomicU32::new(NONE))
    }

    /// What is stored.
    pub fn load(&self, order: Ordering) -> Option<u32> {
        Some(self.0.load(order)).filter(|value| *value != NONE)
    }

    /// Stores a number, or none.
    pub fn store(&self, value: Option<u32>, order: Ordering) {
        self.0.store(stored(value), order);
    }

    /// The same; true if something else was there.
    pub fn replace(&self, value: Option<u32>, order: Ordering) -> bool {
        self.0.swap(stored(value), order) != stored(value)
    }
}

fn stored(value: Option<u32>) -> u32 {
    value.map_or(NONE, |value| value.min(NONE - 1))
}

impl Default for MaybeU32 {
    fn default() -> Self {
        Self::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn what_is_stored_is_there_and_the_largest_nearly() {
        let cell = MaybeU32::none();
        assert_eq!(cell.load(Relaxed), None);
        for (stored, found) in [(Some(0), Some(0)), (Some(7), Some(7)), (None, None), (Some(u32::MAX), Some(u32::MAX - 1))] {
            cell.store(stored, Relaxed);
            assert_eq!(cell.load(Relaxed), found);
            assert!(!cell.replace(stored, Relaxed) && cell.replace(Some(1), Relaxed));
        }
    }
}
