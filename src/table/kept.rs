//! Who keeps the pinned sessions of a node that is down: pins follow what clients see (`health.pinned =
//! "traffic"`), or the check alone (`"check"`). New sessions avoid a node that is down in either case.
//!
//! | the node is down because                     | "traffic": its pinned sessions                                 | "check" |
//! |----------------------------------------------|----------------------------------------------------------------|---------|
//! | its agent says so                            | move                                                           | move    |
//! | its check finds that nobody listens          | move                                                           | move    |
//! | its check fails otherwise                    | stay while it answered a client within the last interval       | move    |
//! | its check passes, not yet `rise` times       | stay                                                           | move    |
//! | its check passes, but it changed sides too often and is held | stay                                           | stay    |
//! | so do most nodes, since the same interval    | stay until `rise` intervals after most pass again, unless clients find it dead | move |
//! | its clients' requests failed: nobody listens | move                                                           | move    |
//! | clients and the check that asks wait in vain | move, unless it answered one within the last interval          | move    |
//! | its clients' requests failed otherwise       | stay while it answers others, or only waits are long and its check passes | move |
//!
//! A connection opens at a process that hangs, too: [`super::evidence`] says when it is asked for an answer.
//!
//! A state that it tells (draining, maintenance) is obeyed at once in both. Where its request is refused a
//! session moves in both.

use super::evidence::{FailureKind, Witness};
use super::node::{Health, Node};
use super::state::State;
use super::{Cluster, ClusterLive};
use crate::base::clock::{Now, millis};
use crate::config::model::{self, HealthKind, PinnedBy};
use crate::heartbeat::Announced;
use std::fmt;

/// Why a node that is down keeps its pinned sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepReason {
    /// It answered a client, so many milliseconds ago.
    Answers(u64),
    /// Its check passes: only waits are long, or it is not trusted with new sessions yet.
    Passes,
    /// Most nodes began to fail at the same time: what they have in common is more likely wrong than all of
    /// them.
    Doubted,
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers(ms) => write!(f, "it answered a client {:.1} s ago", *ms as f64 / 1000.0),
            Self::Passes => f.write_str("its check passes"),
            Self::Doubted => f.write_str("most nodes began to fail at the same time"),
        }
    }
}

/// Why this node keeps its pinned sessions although it is down; `None` if it does not, or is not.
pub fn kept(health: &model::Health, cluster: &ClusterLive, node: &Node, now: Now) -> Option<KeepReason> {
    let evidence = &node.live.evidence;
    let proof = evidence.proof(now);
    let is_refused = evidence.is_refused() || proof == Some(FailureKind::Refused);
    let says_so = node.live.report.is_down() || node.live.report.announced() == Announced::Maintenance;
    if node.state(now) != State::Down || says_so || is_refused {
        return None;
    }
    if health.pinned == PinnedBy::Check {
        let is_held = node.live.health() == Health::Down && evidence.failing_since().is_none();
        return (is_held && proof.is_none() && passes(health, node)).then_some(KeepReason::Passes);
    }
    if let Some(ms) = evidence.since_answer(now).filter(|ms| *ms <= millis(health.interval.get())) {
        return Some(KeepReason::Answers(ms));
    }
    if passes(health, node) {
        return proof.is_none_or(|met| met == FailureKind::Late).then_some(KeepReason::Passes);
    }
    (node.live.health() == Health::Down && cluster.doubt.covers(node, now) && !evidence.is_unanswered())
        .then_some(KeepReason::Doubted)
}

/// Whether it is checked, and the last check was good.
fn passes(health: &model::Health, node: &Node) -> bool {
    health.kind() != HealthKind::Off && node.live.evidence.check_passes()
}

impl Cluster {
    /// Why this node keeps its pinned sessions although it is down.
    pub fn kept(&self, node: &Node, now: Now) -> Option<KeepReason> {
        kept(&self.conf.health, &self.live, node, now)
    }

    /// Whether a session that is on this node stays there.
    pub fn keeps(&self, node: &Node, now: Now) -> bool {
        self.keeps_in(node.state(now), node, now)
    }

    /// The same of a node whose state is known.
    pub fn keeps_in(&self, state: State, node: &Node, now: Now) -> bool {
        state.keeps_sessions() || self.kept(node, now).is_some()
    }

    /// Who else speaks for a node where a request just failed.
    pub fn witness(&self, node: &Node, now: Now) -> Witness {
        let health = &self.conf.health;
        let answers =
            node.live.evidence.since_answer(now).is_some_and(|ms| ms <= millis(health.interval.get()));
        Witness {
            answers,
            check_answered: health.kind() == HealthKind::Http && passes(health, node)
                || node.live.evidence.is_vouched(now),
        }
    }

    /// Whether waiting in vain at this node is no reason to move a session: it answers others, or its check
    /// passes.
    pub fn outweighs_waits(&self, node: &Node, now: Now) -> bool {
        self.conf.health.pinned == PinnedBy::Traffic
            && (self.witness(node, now).answers || passes(&self.conf.health, node))
    }
}
