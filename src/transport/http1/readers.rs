//! Who reads the body that comes over a connection.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

/// What is read of a large body at once: the less at first, and twice as much whenever that much was there.
pub(super) const READ: (usize, usize) = (32 << 10, 256 << 10);

/// Who reads the body: an [`super::Incoming`], perhaps on a task of its own, and once that is gone the
/// connection itself. Never two at a time, for each would miss what the other takes.
#[derive(Default)]
pub(super) struct Readers {
    /// There is an `Incoming`.
    pub(super) incoming: Cell<bool>,
    /// To be woken when the body breaks off.
    pub(super) reader: RefCell<Option<Waker>>,
    /// To be woken when the reader is gone.
    pub(super) next: RefCell<Option<Waker>>,
}

impl Readers {
    /// Whoever asks here is woken then.
    pub(super) fn wait(place: &RefCell<Option<Waker>>, cx: &Context<'_>) {
        let mut place = place.borrow_mut();
        if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *place = Some(cx.waker().clone());
        }
    }
}
