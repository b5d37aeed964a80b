//! The latest snapshots by number: what one view showed can be asked for in another form, for a few seconds.

use super::status::Status;
use crate::base::clock;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Snapshots kept at most.
const KEPT: usize = 16;
/// How long one is kept.
const LASTS: Duration = Duration::from_secs(5);

/// What was shown lately, the newest last.
#[derive(Default)]
pub struct SnapshotCache(RefCell<VecDeque<(Instant, Rc<Status>)>>);

impl SnapshotCache {
    /// Keeps a snapshot for a while.
    pub fn keep(&self, status: Status) -> Rc<Status> {
        let mut kept = self.0.borrow_mut();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let status = Rc::new(status);
        kept.push_back((clock::instant(), status.clone()));
        status
    }

    /// The snapshot of this number, if it is still kept.
    pub fn find(&self, number: u64) -> Option<Rc<Status>> {
        self.0.borrow().iter().find(|(_, status)| status.snapshot == number).map(|(_, status)| status.clone())
    }

    /// Lets go of what is too old.
    pub fn forget(&self) {
        self.0.borrow_mut().retain(|(taken, _)| clock::since(*taken) < LASTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::status::nothing;

    #[test]
    fn the_latest_are_kept() {
        let shown = SnapshotCache::default();
        (0..KEPT as u64 + 1).for_each(|snapshot| drop(shown.keep(Status { snapshot, ..nothing() })));
        assert!(shown.find(0).is_none());
        assert_eq!(shown.find(1).unwrap().snapshot, 1);
        shown.forget();
        assert!(shown.find(1).is_some(), "it is young");
    }
}
