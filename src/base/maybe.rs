//! An `Option` in an atomic.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

macro_rules! maybe {
    ($name:ident, $of:ty, $cell:ty) => {
        /// A number that may not be there. The largest stands for none: what is stored is kept below it.
        #[derive(Debug)]
        pub struct $name($cell);

        impl $name {
            /// None.
            pub const fn none() -> Self {
                Self(<$cell>::new(<$of>::MAX))
            }

            const fn stored(value: Option<$of>) -> $of {
                match value {
                    None => <$of>::MAX,
                    Some(<$of>::MAX) => <$of>::MAX - 1,
                    Some(value) => value,
                }
            }

            const fn found(stored: $of) -> Option<$of> {
                if stored == <$of>::MAX { None } else { Some(stored) }
            }

            /// What is stored.
            pub fn load(&self, order: Ordering) -> Option<$of> {
                Self::found(self.0.load(order))
            }

            /// Stores a number, or none.
            pub fn store(&self, value: Option<$of>, order: Ordering) {
                self.0.store(Self::stored(value), order);
            }

            /// Stores one, and gives what was there.
            pub fn swap(&self, value: Option<$of>, order: Ordering) -> Option<$of> {
                Self::found(self.0.swap(Self::stored(value), order))
            }

            /// The same; true if something else was there.
            pub fn replace(&self, value: Option<$of>, order: Ordering) -> bool {
                self.0.swap(Self::stored(value), order) != Self::stored(value)
            }

            /// Stores one if this is there; whether it was.
            pub fn exchange(&self, there: Option<$of>, value: Option<$of>, order: Ordering) -> bool {
                self.0
                    .compare_exchange(Self::stored(there), Self::stored(value), order, Ordering::Relaxed)
                    .is_ok()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::none()
            }
        }
    };
}

maybe!(MaybeU32, u32, AtomicU32);
maybe!(MaybeU64, u64, AtomicU64);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn what_is_stored_is_there_and_the_largest_nearly() {
        let cell = MaybeU32::none();
        assert_eq!(cell.load(Relaxed), None);
        for (stored, found) in
            [(Some(0), Some(0)), (Some(7), Some(7)), (None, None), (Some(u32::MAX), Some(u32::MAX - 1))]
        {
            cell.store(stored, Relaxed);
            assert_eq!(cell.load(Relaxed), found);
            assert!(!cell.replace(stored, Relaxed) && cell.replace(Some(1), Relaxed));
            assert_eq!((cell.swap(stored, Relaxed), cell.load(Relaxed)), (Some(1), found));
        }
    }

    #[test]
    fn one_is_exchanged_for_what_is_there_alone() {
        let cell = MaybeU64::none();
        assert!(!cell.exchange(Some(0), Some(5), Relaxed) && cell.exchange(None, Some(5), Relaxed));
        assert!(!cell.exchange(None, Some(6), Relaxed) && cell.exchange(Some(5), None, Relaxed));
        assert_eq!(cell.load(Relaxed), None);
    }
}
