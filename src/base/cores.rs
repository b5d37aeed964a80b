//! How many cores this process may use.

/// So many, one at least.
pub fn count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
