//! How far a node may send ahead over one connection of HTTP/2: what clients leave unread is bounded, and who takes what comes
//! is not held up.
//!
//! All streams of a connection have one window, which SETTINGS change (RFC 9113 section 6.9.2). It begins small, and grows while
//! an answer is taken as it comes and the sum allows it. When more streams come than fit, it shrinks before they are opened.

use std::cell::Cell;

/// Streams that we have over one connection at the most, whatever the node allows.
pub const STREAMS: u32 = 128;
/// The window at first, and when there are many: one frame.
pub const LEAST: u32 = 16 << 10;
/// The window of an answer that is taken fast.
const MOST: u32 = 1 << 20;
/// What all streams may have under way together; those of the smallest window are let in beyond it.
const SUM: u64 = STREAMS as u64 * LEAST as u64;

/// The window of one connection's streams, and what they may hold.
#[derive(Debug)]
pub struct Window {
    /// As the node was last told.
    size: Cell<u32>,
    /// What it is to be told.
    wanted: Cell<u32>,
    streams: Cell<u32>,
    /// What the streams may hold at most.
    held: Cell<u64>,
    /// By how much it has grown, all in all.
    grown: Cell<u64>,
}

/// What one stream may hold: the window when it was opened, and what that has grown by since.
#[derive(Debug)]
pub struct Share {
    size: u32,
    grown: u64,
}

/// Whether a stream may be opened.
#[derive(Debug)]
pub enum Admission {
    /// It may.
    Now(Share),
    /// When the node was told of a smaller window.
    Soon,
    /// When another has ended.
    Later,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: Cell::new(LEAST), wanted: Cell::new(LEAST), streams: Cell::default(), held: Cell::default(), grown: Cell::default() }
    }
}

impl Window {
    /// Streams under way.
    pub fn streams(&self) -> u32 {
        self.streams.get()
    }

    /// Opens a stream where at most so many may be.
    pub fn admit(&self, most: u32) -> Admission {
        if self.streams.get() >= most.min(STREAMS) {
            return Admission::Later;
        }
        let size = self.size.get();
        if size > LEAST && self.held.get() + u64::from(size) > SUM {
            let left = SUM.saturating_sub(self.held.get()).max(u64::from(LEAST));
            self.wanted.set(1 << left.ilog2());
            return Admission::Soon;
        }
        self.streams.set(self.streams.get() + 1);
        self.held.set(self.held.get() + u64::from(size));
        Admission::Now(Share { size, grown: self.grown.get() })
    }

    /// A stream has ended.
    pub fn give_back(&self, share: &Share) {
        self.streams.set(self.streams.get() - 1);
        self.held.set(self.held.get() - u64::from(share.size) - (self.grown.get() - share.grown));
    }

    /// Somebody has taken so many bytes of an answer since they were last asked about. Whether that makes the window grow.
    pub fn is_outgrown_by(&self, taken: u64) -> bool {
        let size = self.size.get();
        if taken < u64::from(size) || self.wanted.get() != size {
            return false;
        }
        let fits = |by: &u32| by * size <= MOST && self.held.get() + u64::from(self.streams.get()) * u64::from((by - 1) * size) <= SUM;
        let grows = [4, 2].into_iter().find(fits);
        self.wanted.set(grows.unwrap_or(1) * size);
        grows.is_some()
    }

    /// Tells the node what it is to be told, by `tell`, which may not be able to as yet. Whether it was told something.
    pub fn settle(&self, tell: impl FnOnce(u32) -> bool) -> bool {
        let (size, wanted) = (self.size.get(), self.wanted.get());
        if wanted == size || !tell(wanted) {
            return false;
        }
        self.size.set(wanted);
        let more = u64::from(wanted.saturating_sub(size));
        self.grown.set(self.grown.get() + more);
        self.held.set(self.held.get() + more * u64::from(self.streams.get()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(window: &Window) -> Share {
        match window.admit(STREAMS) {
            Admission::Now(share) => share,
            other => panic!("{other:?} at {window:?}"),
        }
    }

    fn grow(window: &Window) -> bool {
        window.is_outgrown_by(u64::from(window.size.get())) && window.settle(|_| true)
    }

    #[test]
    fn it_grows_while_the_sum_allows_and_shrinks_before_more_come() {
        for (streams, most) in [(1, 1 << 20), (2, 1 << 20), (3, 512 << 10), (8, 256 << 10), (20, 64 << 10), (128, 16 << 10)] {
            let window = Window::default();
            let shares: Vec<Share> = (0..streams).map(|_| open(&window)).collect();
            while grow(&window) {}
            assert_eq!(window.size.get(), most, "{streams} streams");
            assert!(window.held.get() <= SUM);
            // the rest comes in, each when the node knows of a window that fits
            let mut rest = Vec::new();
            while window.streams() < STREAMS {
                match window.admit(STREAMS) {
                    Admission::Now(share) => rest.push(share),
                    Admission::Soon => assert!(window.settle(|size| size < most)),
                    Admission::Later => panic!("{} streams", window.streams()),
                }
            }
            assert!(window.held.get() <= 2 * SUM, "{streams} streams, then {STREAMS}: {}", window.held.get());
            assert!(matches!(window.admit(1000), Admission::Later));
            shares.iter().chain(&rest).for_each(|share| window.give_back(share));
            assert_eq!((window.streams(), window.held.get()), (0, 0));
        }
    }

    #[test]
    fn a_node_that_has_not_heard_of_the_last_change_hears_of_no_other() {
        let window = Window::default();
        let _first = open(&window);
        assert!(!window.is_outgrown_by(1000), "too little was taken to know");
        assert!(window.is_outgrown_by(1 << 20) && !window.settle(|_| false));
        assert!(!window.is_outgrown_by(1 << 20), "it waits to be told");
        assert_eq!(window.size.get(), LEAST);
        assert!(window.settle(|size| size == 4 * LEAST) && !window.settle(|_| true));
    }
}
