//! Buffers that are needed for a moment only. Each thread has a few of them, so that an idle connection has
//! none.

use std::cell::RefCell;

/// What is read at once into a thread's own buffer.
const SCRATCH: usize = 32 << 10;
/// Buffers kept, and the largest that is.
const KEPT: (usize, usize) = (16, 64 << 10);

thread_local! {
    static SCRATCH_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Lends this thread's scratch buffer. What is read into it is to be used or copied before it is lent again.
pub(super) fn scratch<T>(with: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH_BUFFER.with_borrow_mut(|buffer| with(buffer))
}

/// An empty buffer.
pub(super) fn take() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(2048))
}

/// Gives one back.
pub(super) fn give(mut buffer: Vec<u8>) {
    SPARE.with_borrow_mut(|spare| {
        if buffer.capacity() > 0 && buffer.capacity() <= KEPT.1 && spare.len() < KEPT.0 {
            buffer.clear();
            spare.push(buffer);
        }
    });
}
