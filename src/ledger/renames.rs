//! Ids that an application replaced a moment ago, as they do at a login: requests in flight and parallel ones
//! still go by the old.

use dashmap::DashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Seconds that an old id leads to the new one: what is in flight asks more often.
const KEPT: u32 = 60;
/// Renames remembered at most; beyond it an old id is an unknown one.
const MOST: usize = 1 << 16;
/// Renames that are followed one after the other.
const STEPS: usize = 4;

/// Old id → new id.
#[derive(Default)]
pub struct Renames {
    rows: DashMap<u64, Renamed>,
    /// How many there are: mostly none, so that nobody looks.
    count: AtomicUsize,
}

struct Renamed {
    to: u64,
    at: u32,
}

impl Renames {
    /// The application replaced an id.
    pub fn note(&self, old: u64, new: u64, now: u32) {
        // an id that comes back is its own again
        if self.count.load(Relaxed) > 0 && self.rows.remove(&new).is_some() {
            self.count.fetch_sub(1, Relaxed);
        }
        if self.count.load(Relaxed) < MOST && self.rows.insert(old, Renamed { to: new, at: now }).is_none() {
            self.count.fetch_add(1, Relaxed);
        }
    }

    /// What an id was replaced by, and that by.
    pub fn newest(&self, old: u64) -> Option<u64> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        let mut newest = None;
        for _ in 0..STEPS {
            match self.rows.get(&newest.unwrap_or(old)) {
                Some(renamed) => newest = Some(renamed.to),
                None => break,
            }
        }
        newest
    }

    /// Forgets what is long ago.
    pub fn sweep(&self, now: u32) {
        if self.count.load(Relaxed) > 0 {
            self.rows.retain(|_, renamed| now.saturating_sub(renamed.at) <= KEPT);
            self.count.store(self.rows.len(), Relaxed);
        }
    }
}
