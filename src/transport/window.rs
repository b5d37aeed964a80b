//! How far the other side may send ahead over one connection of HTTP/2: what is left unread, by clients of
//! answers or by nodes of uploads, is bounded, and who takes what comes is not held up.
//!
//! All streams of a connection have one window, which SETTINGS change (RFC 9113 section 6.9.2). It begins
//! small and grows while what comes is taken at once and the sum allows it. When more streams come than fit,
//! it shrinks: before they are opened where we open them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

/// Streams that we have over one connection at the most, whatever the other side allows.
pub const STREAMS: u32 = 128;
/// The window when there are many streams: one frame.
pub const LEAST: u32 = 16 << 10;

/// How far windows grow.
#[derive(Debug)]
pub struct Bounds {
    /// The window of a stream at first,
    pub start: u32,
    /// and when it is taken fast.
    pub most: u32,
    /// What all streams may have under way together; those of the smallest window are let in beyond it.
    pub sum: u64,
    /// What the streams of several connections may have under way beyond the smallest window, all together.
    pub common: u64,
    /// By how many times it grows at once.
    pub steps: u32,
}

/// The window of one connection's streams, and what they may hold.
#[derive(Debug)]
pub struct Window {
    bounds: Bounds,
    /// As the other side was last told.
    size: Cell<u32>,
    /// What it is to be told.
    wanted: Cell<u32>,
    streams: Cell<u32>,
    /// What the streams may hold at most.
    held: Cell<u64>,
    /// By how much it has grown, all in all.
    grown: Cell<u64>,
    /// What streams may hold beyond the smallest window, of all connections that share this.
    beyond: Rc<Cell<u64>>,
    /// Who keeps the connection going, and tells.
    driver: RefCell<Waker>,
    /// The other side was told of a smaller one, and has not acknowledged it as far as is known.
    shrinks: Cell<bool>,
    /// Who reads the streams, each at its seat.
    readers: RefCell<Vec<Option<Waker>>>,
    /// Seats that nobody has.
    free: RefCell<Vec<usize>>,
}

/// What one stream may hold: the window when it was opened, and what that has grown by since.
#[derive(Debug)]
pub struct Share {
    size: u32,
    grown: u64,
    seat: usize,
}

/// Whether a stream may be opened.
#[derive(Debug)]
pub enum Admission {
    /// It may.
    Now(Share),
    /// When the other side was told of a smaller window.
    Soon,
    /// When another has ended.
    Later,
}

impl Window {
    /// Of a new connection, which shares with others what it has `beyond` the smallest window.
    pub fn new(bounds: Bounds, beyond: Rc<Cell<u64>>) -> Self {
        Self {
            size: Cell::new(bounds.start),
            wanted: Cell::new(bounds.start),
            bounds,
            streams: Cell::default(),
            held: Cell::default(),
            grown: Cell::default(),
            beyond,
            driver: RefCell::new(Waker::noop().clone()),
            shrinks: Cell::default(),
            readers: RefCell::default(),
            free: RefCell::default(),
        }
    }

    /// Streams under way.
    pub fn streams(&self) -> u32 {
        self.streams.get()
    }

    /// What they may hold at most.
    pub fn held(&self) -> u64 {
        self.held.get()
    }

    /// Opens a stream where at most so many may be.
    pub fn admit(&self, most: u32) -> Admission {
        if self.streams.get() >= most.min(STREAMS) {
            return Admission::Later;
        }
        if !self.has_room() {
            let left = self
                .bounds
                .sum
                .saturating_sub(self.held.get())
                .clamp(u64::from(LEAST), u64::from(self.size.get()));
            self.wanted.set(1 << left.ilog2());
            self.driver.borrow().wake_by_ref();
            return Admission::Soon;
        }
        Admission::Now(self.enter(self.size.get()))
    }

    /// The other side has opened a stream. Before it hears of a smaller window, that of the connection holds
    /// it back.
    pub fn welcome(&self) -> Share {
        if !self.has_room() {
            // an equal part of all, or they would take turns with next to nothing
            let part = (self.bounds.sum / u64::from(self.streams.get() + 1)).min(self.spare());
            self.wanted.set(1 << part.clamp(u64::from(LEAST), u64::from(self.size.get())).ilog2());
        }
        self.enter(self.size.get().min(self.wanted.get()))
    }

    /// Whether one more stream fits.
    fn has_room(&self) -> bool {
        let size = self.size.get();
        size == LEAST || self.fits(u64::from(size), u64::from(size - LEAST))
    }

    /// What connections together may have beyond the smallest window.
    fn spare(&self) -> u64 {
        self.bounds.common.saturating_sub(self.beyond.get())
    }

    /// Whether there may be so much more, and so much of it beyond the smallest window.
    fn fits(&self, more: u64, beyond: u64) -> bool {
        self.held.get() + more <= self.bounds.sum && beyond <= self.spare()
    }

    fn enter(&self, size: u32) -> Share {
        self.streams.set(self.streams.get() + 1);
        self.held.set(self.held.get() + u64::from(size));
        self.beyond.set(self.beyond.get() + u64::from(size - LEAST));
        let seat = self.free.borrow_mut().pop().unwrap_or_else(|| {
            self.readers.borrow_mut().push(None);
            self.readers.borrow().len() - 1
        });
        Share { size, grown: self.grown.get(), seat }
    }

    /// A stream has ended.
    pub fn give_back(&self, share: &Share) {
        let held = u64::from(share.size) + (self.grown.get() - share.grown);
        self.streams.set(self.streams.get() - 1);
        self.held.set(self.held.get() - held);
        self.beyond.set(self.beyond.get() - (held - u64::from(LEAST)));
        self.readers.borrow_mut()[share.seat] = None;
        self.free.borrow_mut().push(share.seat);
    }

    /// The reader of a stream waits for more of it.
    pub fn waits(&self, share: &Share, reader: &Waker) {
        let seat = &mut self.readers.borrow_mut()[share.seat];
        if !seat.as_ref().is_some_and(|before| before.will_wake(reader)) {
            *seat = Some(reader.clone());
        }
    }

    /// So much of a stream was taken as it came; once so much was that the other side may send further ahead,
    /// counting begins anew.
    pub fn took(&self, taken: &Cell<u64>, bytes: usize) {
        taken.set(taken.get() + bytes as u64);
        if self.is_outgrown_by(taken.get()) {
            taken.set(0);
            self.driver.borrow().wake_by_ref();
        }
    }

    /// Somebody has taken so many bytes of a stream since they were last asked about. Whether that makes the
    /// window grow.
    fn is_outgrown_by(&self, taken: u64) -> bool {
        let size = self.size.get();
        if taken < u64::from(size) || self.wanted.get() != size {
            return false;
        }
        let more = |by: u32| u64::from(self.streams.get()) * u64::from((by - 1) * size);
        let fits = |by: &u32| by * size <= self.bounds.most && self.fits(more(*by), more(*by));
        let grows = [8, 4, 2].into_iter().filter(|by| *by <= self.bounds.steps).find(fits);
        self.wanted.set(grows.unwrap_or(1) * size);
        grows.is_some()
    }

    /// Tells the other side what it is to be told, by `tell`, which may not be able to until what it was told
    /// before is acknowledged. A smaller window is told twice, so as to know when that is: then all readers
    /// look what they may ask for. Whether it was told something; who asks is woken when there is more.
    pub fn update(&self, cx: &Context<'_>, tell: impl FnOnce(u32) -> bool) -> bool {
        self.driver.borrow_mut().clone_from(cx.waker());
        let (size, wanted) = (self.size.get(), self.wanted.get());
        if (wanted == size && !self.shrinks.get()) || !tell(wanted) {
            return false;
        }
        if self.shrinks.replace(wanted < size) {
            self.readers.borrow().iter().flatten().for_each(Waker::wake_by_ref);
        }
        self.size.set(wanted);
        let by = u64::from(wanted.saturating_sub(size));
        let more = by * u64::from(self.streams.get());
        self.grown.set(self.grown.get() + by);
        self.held.set(self.held.get() + more);
        self.beyond.set(self.beyond.get() + more);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const SUM: u64 = 2 << 20;

    fn new() -> Window {
        Window::new(
            Bounds { start: LEAST, most: 1 << 20, sum: SUM, common: u64::MAX, steps: 4 },
            Rc::default(),
        )
    }

    fn update(window: &Window, tell: impl FnOnce(u32) -> bool) -> bool {
        window.update(&Context::from_waker(Waker::noop()), tell)
    }

    fn open(window: &Window) -> Share {
        match window.admit(STREAMS) {
            Admission::Now(share) => share,
            other => panic!("{other:?} at {window:?}"),
        }
    }

    fn grow(window: &Window) -> bool {
        window.is_outgrown_by(u64::from(window.size.get())) && update(window, |_| true)
    }

    #[test]
    fn it_grows_while_the_sum_allows_and_shrinks_before_more_come() {
        for (streams, most) in
            [(1, 1 << 20), (2, 1 << 20), (3, 512 << 10), (8, 256 << 10), (20, 64 << 10), (128, 16 << 10)]
        {
            let window = new();
            let shares: Vec<Share> = (0..streams).map(|_| open(&window)).collect();
            while grow(&window) {}
            assert_eq!(window.size.get(), most, "{streams} streams");
            assert!(window.held.get() <= SUM);
            // the rest comes in, each when the node knows of a window that fits
            let mut rest = Vec::new();
            while window.streams() < STREAMS {
                match window.admit(STREAMS) {
                    Admission::Now(share) => rest.push(share),
                    Admission::Soon => assert!(update(&window, |size| size < most)),
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
        let window = new();
        let _first = open(&window);
        assert!(!window.is_outgrown_by(1000), "too little was taken to know");
        assert!(window.is_outgrown_by(1 << 20) && !update(&window, |_| false));
        assert!(!window.is_outgrown_by(1 << 20), "it waits to be told");
        assert_eq!(window.size.get(), LEAST);
        assert!(update(&window, |size| size == 4 * LEAST) && !update(&window, |_| true));
    }

    #[test]
    fn readers_look_again_when_a_smaller_window_is_acknowledged() {
        struct Woken(std::sync::atomic::AtomicU32);
        impl std::task::Wake for Woken {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let woken = std::sync::Arc::new(Woken(0.into()));
        let times = || woken.0.load(std::sync::atomic::Ordering::Relaxed);
        let window = new();
        let shares = [open(&window), open(&window)];
        while grow(&window) {}
        shares.iter().for_each(|share| window.waits(share, &woken.clone().into()));
        let mut more = Vec::new();
        while !matches!(window.admit(STREAMS), Admission::Soon) {
            more.push(open(&window));
        }
        assert!(update(&window, |_| true) && times() == 0, "it is told of the smaller one");
        assert!(!update(&window, |_| false) && times() == 0, "and has not acknowledged it");
        window.give_back(&shares[0]);
        assert!(update(&window, |_| true) && times() == 1, "who is still there looks again");
        assert!(!update(&window, |_| true) && times() == 1, "once");
    }

    #[test]
    fn who_takes_much_by_turns_has_an_equal_part_of_all() {
        let window = Window::new(
            Bounds { start: 4 * LEAST, most: 512 << 10, sum: 1 << 20, common: u64::MAX, steps: 8 },
            Rc::default(),
        );
        let mut shares: VecDeque<Share> = (0..8).map(|_| window.welcome()).collect();
        for turn in 0..100 {
            // some end at about the same time, and others begin
            (0..turn % 7).filter_map(|_| shares.pop_front()).for_each(|share| window.give_back(&share));
            grow(&window);
            while shares.len() < 8 {
                shares.push_back(window.welcome());
                update(&window, |_| true);
            }
            grow(&window);
            assert!(window.size.get() >= 64 << 10 && window.held() <= 2 << 20, "{window:?}");
        }
    }

    #[test]
    fn what_several_have_beyond_the_smallest_is_bounded_and_comes_back() {
        let beyond = Rc::new(Cell::default());
        let bounds = || Bounds { start: 4 * LEAST, most: 512 << 10, sum: 1 << 20, common: 1 << 20, steps: 8 };
        let windows: Vec<Window> = (0..10).map(|_| Window::new(bounds(), beyond.clone())).collect();
        let mut shares: Vec<(&Window, Share)> =
            windows.iter().map(|window| (window, window.welcome())).collect();
        for window in &windows {
            while grow(window) {}
        }
        assert!(beyond.get() > 1 << 19 && beyond.get() <= 1 << 20, "{}", beyond.get());
        // those that clients open do not add to it where it is used up
        for window in windows.iter().cycle().take(100) {
            shares.push((window, window.welcome()));
            update(window, |_| true);
            assert!(beyond.get() <= 1 << 20, "{}", beyond.get());
        }
        shares.iter().for_each(|(window, share)| window.give_back(share));
        assert!(beyond.get() == 0 && windows.iter().all(|window| window.held() == 0));
    }
}
