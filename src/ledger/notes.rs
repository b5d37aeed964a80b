//! What each shard notes for a follower, and how that comes to know of it.

use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::task::Waker;

/// What the shards have for a follower.
pub(super) struct Signal {
    /// Some shard has noted a change since it last asked.
    pub(super) pending: AtomicBool,
    /// Who is to know of that at once.
    pub(super) waker: ArcSwapOption<Waker>,
}

/// What one shard has noted for one follower: ids of sessions that began, moved, were confirmed or ended.
pub struct ShardNotes {
    pub(super) ids: Vec<u64>,
    pub(super) most: usize,
    pub(super) missed: bool,
    pub(super) signal: Arc<Signal>,
}

impl ShardNotes {
    /// This one changed.
    pub fn add(&mut self, session: u64) {
        if self.ids.len() < self.most {
            self.ids.push(session);
        } else {
            self.missed = true;
        }
        self.signal.set();
    }

    /// Whether it is noted for who has this signal.
    pub(super) fn is_for(&self, signal: &Arc<Signal>) -> bool {
        Arc::ptr_eq(&self.signal, signal)
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && !self.missed
    }
}

impl Signal {
    /// There is something to tell.
    fn set(&self) {
        // one call at most until it has looked, and none while it is awake
        if !self.pending.load(Relaxed) && !self.pending.swap(true, SeqCst) {
            self.wake();
        }
    }

    /// Wakes who is to know at once.
    pub(super) fn wake(&self) {
        self.waker.load().iter().for_each(|waker| waker.wake_by_ref());
    }
}
