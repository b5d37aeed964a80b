//! Who was not let in: counted by reason, and found in the log.

use crate::base::log_throttle::LogThrottle;
use crate::base::words::words;
use crate::listen::Peer;
use crate::serve::problem::Problem;
use std::cell::Cell;
use std::collections::BTreeMap;

words! {
    /// Why a request is refused before it is looked at.
    pub enum AdminRefusal {
        /// It showed a token that is none.
        Token = "token",
        /// It showed nothing, where something is asked for.
        Missing = "missing",
        /// Its token may not so much.
        Level = "level",
        /// It came from a page of another site, or asked by a name that is not known.
        Origin = "origin",
    }
}

/// A request that is refused.
#[derive(Debug)]
pub struct RefusedVisit {
    /// Why.
    pub why: AdminRefusal,
    /// What it is answered.
    pub problem: Problem,
}

impl AdminRefusal {
    /// With what is answered.
    pub fn with(self, problem: Problem) -> RefusedVisit {
        RefusedVisit { why: self, problem }
    }
}

/// All of them since the start.
#[derive(Default)]
pub struct AdminRefusals {
    counts: [Cell<u64>; AdminRefusal::ALL.len()],
    lines: [LogThrottle; AdminRefusal::ALL.len()],
}

impl AdminRefusals {
    /// One more. What was shown is in no line: it may be most of a token.
    pub fn note(&self, refusal: RefusedVisit, peer: Peer) -> Problem {
        let RefusedVisit { why, problem } = refusal;
        let at = AdminRefusal::ALL.iter().position(|known| *known == why).unwrap_or_default();
        self.counts[at].set(self.counts[at].get() + 1);
        // browsers begin without a token, and programs that look for doors are everywhere
        if why != AdminRefusal::Missing
            && let Some(more) = self.lines[at].rest("were refused")
        {
            let from = peer.address().map_or_else(|| "this machine".to_owned(), |at| at.ip().to_string());
            let what = if why == AdminRefusal::Token { "The token is wrong." } else { problem.detail() };
            tracing::warn!("server.admin: a request from {from} is refused: {what}{more}");
        }
        problem
    }

    /// How many there were, by reason.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        AdminRefusal::ALL
            .iter()
            .zip(&self.counts)
            .map(|(why, count)| (why.word().to_owned(), count.get()))
            .collect()
    }
}
