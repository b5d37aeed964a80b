//! Why a node is in its state, in words: by what its cluster knows beside itself.

use super::state::State;
use super::{Cluster, Node};
use crate::balance::WHOLE;
use crate::base::clock::Now;
use crate::base::words::counts;
use std::sync::atomic::Ordering::Relaxed;

impl Cluster {
    /// Why a node is in its state, and what to do about it where that is one step.
    pub fn why(&self, node: &Node, now: Now) -> String {
        let why = self.why_its_state(node, now);
        match node.claim() {
            Some(claim) => {
                let at = format!("announced itself at {} too, which waits to be accepted", claim.url);
                format!("{why}; {at}: homing accept {}/{}", self.name, node.spec.name)
            }
            None => why,
        }
    }
    fn why_its_state(&self, node: &Node, now: Now) -> String {
        match node.state(now) {
            State::Pending => format!("{}: homing accept {}/{}", node.why(now), self.name, node.spec.name),
            State::Ready | State::Draining if self.roster.doubted(node, now).is_some() => {
                let known = node.live.fill.lately(node.live.sessions.load(Relaxed));
                let tells = node.live.fill.sessions().map_or_else(
                    || format!("a load of {} %", node.live.report.load().unwrap_or_default()),
                    |sessions| format!("{sessions} sessions"),
                );
                format!("{}; tells {tells}, {known} known: our own count goes first", node.why(now))
            }
            State::Ready if node.surplus() >= Some(0) => {
                let yielding = counts(&[(node.live.yielding.load(Relaxed).into(), "session")]);
                format!(
                    "{}; full but for {yielding} whose clients never came back: they give way",
                    node.why(now)
                )
            }
            State::Ready if node.live.ramp(self.roster.slow_start, now) < WHOLE => {
                format!("{}; eased in", node.why(now))
            }
            State::Down => self.kept(node, now).map_or_else(
                || node.why(now),
                |kept| format!("{}, but {kept}: {}", node.why(now), node.keeps()),
            ),
            _ => node.why(now),
        }
    }
}
