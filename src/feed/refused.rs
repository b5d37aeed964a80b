//! What is counted, and found in the log, of heartbeats that are refused.

use super::heartbeat_sink::{Counts, Dialect, HeartbeatOutcome, HeartbeatSink};
use crate::base::log_throttle::LogThrottle;
use std::fmt::Display;
use std::net::IpAddr;
use std::rc::Rc;
use tracing::warn;

/// Those of one dialect. A line is written once in a while: whoever sends one sends more.
pub struct RefusedBeats {
    dialect: Dialect,
    counts: Rc<Counts>,
    lines: LogThrottle,
}

impl RefusedBeats {
    /// None yet.
    pub fn of(dialect: Dialect, beats: &HeartbeatSink) -> Self {
        Self { dialect, counts: beats.counts.clone(), lines: LogThrottle::default() }
    }

    /// One more.
    pub fn note(&self, from: IpAddr, outcome: HeartbeatOutcome, why: &dyn Display) {
        self.counts.note(self.dialect, outcome);
        if let Some(more) = self.lines.rest("were refused") {
            warn!("a heartbeat from {from} is refused: {why}{more}");
        }
    }
}
