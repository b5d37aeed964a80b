//! What was seen or said of a node so far does not count any more: an operator wants it back, or it is
//! forgotten.

use super::node::{Health, NodeLive};
use crate::base::clock::Now;
use std::sync::atomic::Ordering::Relaxed;

impl NodeLive {
    /// Whether it is down for what it did before: its check passes, or its clients' requests failed.
    pub fn is_held(&self, now: Now) -> bool {
        self.health() == Health::Down && self.evidence.check_passes() || self.evidence.is_ejected(now)
    }

    /// Its failures do not count any more, whatever they led to; its next good checks bring it up.
    pub fn pardon(&self) {
        self.pardoned.store(true, Relaxed);
        self.evidence.clear();
    }

    /// Whether that was said since it was last asked.
    pub fn take_pardon(&self) -> bool {
        self.pardoned.load(Relaxed) && self.pardoned.swap(false, Relaxed)
    }

    /// It is another node from here on, should one of its name come: nothing that it said holds.
    pub fn forget(&self) {
        self.report.reset();
        self.fill.forget();
        self.set_check_drains(false);
    }
}
