//! What the window does by itself: it looks at the nodes, and samples what is shown as a curve.

use super::{Admin, history, snapshot};
use crate::base::clock;
use std::rc::Rc;
use std::time::Duration;

/// How often node states are looked at: they depend on counters that tell nobody when they change.
const LOOK: Duration = Duration::from_millis(200);

impl Admin {
    /// Looks at the nodes' states for ever, so that each change is told with its time.
    pub async fn watch(self: Rc<Self>) {
        let mut clock = tokio::time::interval(LOOK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            snapshot::observe(&self);
            self.shown.forget();
        }
    }

    /// Samples what is shown as a curve, for ever.
    pub async fn remember(self: Rc<Self>) {
        let mut clock = tokio::time::interval(history::EVERY);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        clock.tick().await;
        let mut last = clock::instant();
        loop {
            clock.tick().await;
            let status = snapshot::take(&self);
            self.history.borrow_mut().sample(&status, clock::since(last));
            last = clock::instant();
        }
    }
}
