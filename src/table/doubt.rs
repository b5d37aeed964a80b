//! Whether the checks of a cluster are believed.

use super::node::{Health, Node};
use crate::base::clock::{Now, millis};
use crate::config::model::{self, AdminState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Whether the checks of a cluster are to be doubted: most nodes that served began to fail them at the same
/// time.
#[derive(Debug, Default)]
pub struct Doubt {
    /// Nodes that have failed since then, in milliseconds since the process started.
    since: AtomicU64,
    /// There is doubt until then; `LASTING` while most still fail.
    until: AtomicU64,
}

const LASTING: u64 = u64::MAX;

/// What became of a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtOutcome {
    /// So many nodes of so many that served began to fail at the same time.
    Begun(usize, usize),
    /// Most pass again.
    Passed,
}

impl Doubt {
    /// Looks at what the checks of the nodes say now; to be called when a row of failures begins or ends, and
    /// while in doubt.
    pub fn look(&self, health: &model::Health, nodes: &[&Node], now_ms: u64) -> Option<DoubtOutcome> {
        let interval = health.interval.get();
        // as far apart as the first bad checks with one cause can be: an interval and its tenth, and the time
        // a check may take
        let together = millis(interval.mul_f64(1.1) + health.timeout.get());
        let serve = |node: &&&Node| {
            matches!(node.spec.admin, AdminState::Enabled | AdminState::Draining)
                && !node.stands_aside()
                && !node.live.report.is_down()
        };
        let rows = || nodes.iter().filter(serve).map(|node| (node.live.evidence.failing_since(), *node));
        let pass =
            rows().filter(|(failing, node)| failing.is_none() && node.live.evidence.check_passes()).count();
        let until = self.until.load(Relaxed);
        if now_ms < until {
            let since = self.since.load(Relaxed);
            let fail = rows().filter(|(failing, _)| failing.is_some_and(|at| at >= since)).count();
            if fail > pass {
                self.until.store(LASTING, Relaxed);
            } else if until == LASTING {
                // the others may pass their `rise` checks an interval later
                self.until.store(now_ms + millis(interval * (u32::from(health.rise) + 1)), Relaxed);
                return Some(DoubtOutcome::Passed);
            }
            return None;
        }
        let newest = rows().filter_map(|(failing, _)| failing).max()?;
        let begun: Vec<u64> =
            rows().filter_map(|(failing, _)| failing).filter(|at| newest - at <= together).collect();
        let unchecked = rows()
            .filter(|(failing, node)| failing.is_none() && node.live.health() == Health::Unknown)
            .count();
        if begun.len() < 2 || begun.len() <= pass.max(unchecked) {
            return None;
        }
        self.since.store(begun.iter().copied().min().unwrap_or(newest), Relaxed);
        self.until.store(LASTING, Relaxed);
        Some(DoubtOutcome::Begun(begun.len(), begun.len() + pass))
    }

    /// Whether there is any.
    pub fn is_any(&self, now_ms: u64) -> bool {
        now_ms < self.until.load(Relaxed)
    }

    /// Whether it is one of those whose check is doubted.
    pub fn covers(&self, node: &Node, now: Now) -> bool {
        self.is_any(now.ms()) && {
            node.live.evidence.failing_since().is_some_and(|at| at >= self.since.load(Relaxed))
        }
    }
}
