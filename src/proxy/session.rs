//! What a request means for the ledger: sessions begin, go on, move and end here.

use crate::affinity::{PinLookup, PinOutcome, PinSent};
use crate::base::clock::Now;
use crate::table::cluster::LiveSessionCounter;
use crate::table::decide::{Verdict, Why};
use crate::table::{Cluster, Node, State};
use http::request::Parts;
use http::{HeaderMap, Method};
use std::sync::Arc;

/// A session's entry in the ledger, from the decision to the answer.
pub struct OpenSession {
    /// Its identity.
    pub id: u64,
    /// Whether it was known before this request: if not, it ends again unless the answer marks it.
    known: bool,
    /// Whether this request placed it.
    placed: bool,
    /// Whether nobody had seen it for a while, on a node that is draining.
    pub quiet: bool,
    /// Whether it is one at all.
    counts: bool,
}

/// Seconds after which a session may have ended without our notice: no sign-in takes so long, and few
/// applications give up earlier.
const QUIET: u32 = 600;

impl OpenSession {
    /// Of a request that passes all this by.
    pub fn none() -> Self {
        Self { id: 0, known: true, placed: false, quiet: false, counts: false }
    }

    /// Whether it was on the node of this verdict before.
    pub fn is_at_home(&self, verdict: &Verdict) -> bool {
        verdict.honoured || (self.counts && self.known && verdict.was.is_none())
    }

    /// Its identity, if the ledger has it.
    pub fn live(&self) -> Option<u64> {
        self.counts.then_some(self.id)
    }
}

/// Why a session cannot begin on the node that was chosen.
pub enum Clash {
    /// The node has all the sessions it may have.
    Full,
    /// A parallel request of the same session has placed it on this node: decide again.
    Elsewhere(u32),
}

/// What a connection knows of the session, for one that the request does not name.
#[derive(Clone, Copy)]
pub struct ConnectionSession {
    /// The identity of a session that begins.
    pub fresh: u64,
    /// The session that it has on the node, for all that can be told.
    pub met: Option<u64>,
    /// What tells the connection from others.
    pub connection: u64,
}

impl ConnectionSession {
    /// The session's identity: its own, or that of one of those that look alike.
    fn identity(
        &self,
        cluster: &Cluster,
        reading: &PinLookup<'_>,
        verdict: &Verdict,
        tally: &LiveSessionCounter<'_>,
    ) -> u64 {
        let Some(visitor) = reading.session.filter(|_| !cluster.affinity.identifies()) else {
            return reading.session.unwrap_or(self.fresh);
        };
        let crowd = |node: &Node| cluster.live.crowd(visitor, &node.live);
        if let Some(met) = self.met {
            return met;
        }
        if verdict.honoured {
            return crowd(&verdict.node).returning(self.connection);
        }
        if let Some(was) = verdict.was.and_then(|slot| cluster.node(slot)) {
            cluster.live.ledger.end(crowd(was).returning(self.connection), tally);
        }
        crowd(&verdict.node).newcomer(self.fresh)
    }
}

/// Enters a request's session into the ledger before it is sent, so that `max-sessions` is kept and parallel
/// requests agree.
pub fn enter(
    cluster: &Cluster,
    reading: &PinLookup<'_>,
    verdict: &Verdict,
    caller: &ConnectionSession,
    tried: &[u32],
    now: Now,
) -> Result<OpenSession, Clash> {
    let (ledger, tally, at, now) = (&cluster.live.ledger, &cluster.live.tally(now), now, now.secs());
    let slot = verdict.node.live.slot;
    if cluster.affinity.is_none() {
        return Ok(OpenSession::none());
    }
    let id = ledger.current(caller.identity(cluster, reading, verdict, tally));
    if verdict.honoured {
        let quiet = verdict.node.state(at) == State::Draining
            && ledger.find(id).is_none_or(|seen| now.saturating_sub(seen.last) > QUIET);
        ledger.touch(id, slot, now, tally);
        cluster.live.moved_back(id, slot);
        // a foreign pin may say which node and not whose session
        let known = reading.session.is_some();
        return Ok(OpenSession { id, known, placed: !known, quiet, counts: true });
    }
    if let Some(was) = verdict.was {
        match was == slot {
            // where its pin says, whatever was remembered of it
            true => cluster.live.moved_back(id, slot),
            false if cluster.affinity.identifies() => cluster.live.remember_move(id, was, slot, now),
            false => {}
        }
        if verdict.why == Why::MovedRebooted {
            // another session under the same name, as far as the node is concerned
            ledger.end(id, tally);
            ledger.open(id, slot, now, tally);
        } else {
            ledger.relocate(id, slot, now, tally);
        }
        return Ok(OpenSession { id, known: true, placed: true, quiet: false, counts: true });
    }
    let known = reading.session.is_some() && ledger.find(id).is_some();
    if known {
        ledger.touch(id, slot, now, tally);
    }
    if !known {
        let on = ledger.open(id, slot, now, tally);
        // it begins here, wherever one of this name has been
        cluster.live.moved_back(id, slot);
        if on != slot && !tried.contains(&on) && cluster.node(on).is_some_and(|node| cluster.keeps(node, at))
        {
            return Err(Clash::Elsewhere(on));
        }
        if on != slot {
            // nobody answers there: it begins here
            ledger.end(id, tally);
            ledger.open(id, slot, now, tally);
        }
        if over(&verdict.node) {
            ledger.end(id, tally);
            return Err(Clash::Full);
        }
    }
    Ok(OpenSession { id, known, placed: true, quiet: false, counts: true })
}

fn over(node: &Arc<Node>) -> bool {
    node.surplus() > Some(0)
}

/// What the answer means for the session. Returns the id that it goes by from now on; none if it is over, or
/// never was one.
pub fn conclude(
    cluster: &Cluster,
    session: &OpenSession,
    slot: u32,
    outcome: &PinOutcome,
    now: Now,
) -> Option<u64> {
    session.live()?;
    let (ledger, tally, now) = (&cluster.live.ledger, &cluster.live.tally(now), now.secs());
    if let Some(learned) = outcome.learned {
        if learned != session.id {
            ledger.rename(session.id, learned, now, tally);
        }
        // the id is the pin: it must not wait for the client to come back before it counts
        ledger.touch(learned, slot, now, tally);
        return Some(learned);
    }
    if outcome.ended
        || (session.placed && !session.known && !outcome.pinned && outcome.cookie != PinSent::Provided)
    {
        ledger.end(session.id, tally);
        return None;
    }
    Some(session.id)
}

/// The answer showed that the session was over before the request came. True if the client is to begin anew
/// elsewhere: its pin points to a node that is being emptied, and would keep it there for nothing.
///
/// Only an answer in place of an id that was shown counts, and only from a session that nobody had seen for a
/// while: one that is alive gets a new id at its sign-in.
pub fn is_over(
    cluster: &Cluster,
    session: &OpenSession,
    verdict: &Verdict,
    asked: &Parts,
    answer: &HeaderMap,
    now: Now,
) -> bool {
    session.quiet
        && verdict.honoured
        && matches!(asked.method, Method::GET | Method::HEAD)
        && cluster.affinity.replaces_id(&asked.headers, answer, now.unix_secs())
        && cluster.nodes().any(|node| node.state(now) == State::Ready)
        && cluster.live.ledger.end(session.id, &cluster.live.tally(now))
}

/// A client is told to go to a node itself: it counts there until the node counts it.
pub fn hand_over(cluster: &Cluster, verdict: &Verdict, fresh: u64, now: Now) {
    if cluster.affinity.is_none() {
        cluster.live.ledger.open(fresh, verdict.node.live.slot, now.secs(), &cluster.live.tally(now));
    }
}

/// The request failed in this slot before an answer came: what it began is undone, unless another request of
/// the session has gone on with it, there or elsewhere.
pub fn abandon(cluster: &Cluster, session: &OpenSession, slot: u32, now: Now) {
    let is_its_own =
        || cluster.live.ledger.find(session.id).is_some_and(|seen| seen.slot == slot && !seen.confirmed);
    if session.placed && !session.known && is_its_own() {
        cluster.live.ledger.end(session.id, &cluster.live.tally(now));
    }
}

#[cfg(test)]
mod tests;
