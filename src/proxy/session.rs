//! What a request means for the ledger: sessions begin, go on, move and end here.

use crate::affinity::{PinLookup, PinOutcome, PinSent};
use crate::base::clock::Now;
use crate::ledger::{KnownSession, Standing};
use crate::table::cluster::LiveSessionCounter;
use crate::table::decide::{Verdict, Why};
use crate::table::{Cluster, Node, State};
use http::request::Parts;
use http::{HeaderMap, Method};

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
    /// Whether it has the place of one whose client never came back.
    pub took_place: bool,
}

/// Seconds after which a session may have ended without our notice: no sign-in takes so long, and few
/// applications give up earlier.
const QUIET: u32 = 600;

impl OpenSession {
    /// Of a request that passes all this by.
    pub fn none() -> Self {
        Self { id: 0, known: true, placed: false, quiet: false, counts: false, took_place: false }
    }

    /// A session that is known.
    fn of(id: u64) -> Self {
        Self { id, counts: true, ..Self::none() }
    }

    /// Whether it was on the node of this verdict before.
    pub fn is_at_home(&self, verdict: &Verdict) -> bool {
        verdict.honoured || (self.counts && self.known && verdict.was.is_none())
    }

    /// Whether it began with this request.
    fn is_new(&self) -> bool {
        self.placed && !self.known
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
        return Ok(OpenSession { known, placed: !known, quiet, ..OpenSession::of(id) });
    }
    if let Some(was) = verdict.was {
        match was == slot {
            // where its pin says, whatever was remembered of it
            true => cluster.live.moved_back(id, slot),
            false if cluster.affinity.identifies() => _ = cluster.live.remember_move(id, was, slot, now),
            false => {}
        }
        cluster.live.orders.followed(id);
        if verdict.why == Why::MovedRebooted {
            // another session under the same name, as far as the node is concerned
            ledger.end(id, tally);
            ledger.open(id, slot, now, tally);
        } else {
            ledger.relocate(id, slot, now, tally);
        }
        let _turn = verdict.node.admission();
        let took_place = make_place(cluster, &verdict.node, now, tally) == MadePlace::Taken;
        return Ok(OpenSession { placed: true, took_place, ..OpenSession::of(id) });
    }
    let known = reading.session.is_some() && ledger.find(id).is_some();
    let mut took_place = false;
    if known {
        ledger.touch(id, slot, now, tally);
    } else {
        let _turn = verdict.node.admission();
        // a parallel request of the same client may have begun it
        let mut begins = ledger.find(id).is_none();
        // it begins here, wherever one of this name has been, and whoever still shows the pin of one that was
        // ended follows
        cluster.live.moved_back(id, slot);
        if let Some(was) =
            cluster.live.orders.ended(id).and_then(|ended| ended.was).filter(|was| *was != slot)
        {
            cluster.live.remember_move(id, was, slot, now);
        }
        let on = ledger.open(id, slot, now, tally);
        if on != slot && !tried.contains(&on) && cluster.node(on).is_some_and(|node| cluster.keeps(node, at))
        {
            return Err(Clash::Elsewhere(on));
        }
        if on != slot {
            // nobody answers there: it begins here
            ledger.end(id, tally);
            ledger.open(id, slot, now, tally);
            begins = true;
        }
        match make_place(cluster, &verdict.node, now, tally) {
            MadePlace::None if begins => {
                ledger.end(id, tally);
                return Err(Clash::Full);
            }
            made => took_place = made == MadePlace::Taken,
        }
    }
    Ok(OpenSession { known, placed: true, took_place, ..OpenSession::of(id) })
}

/// Whether there is a place for who was just entered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MadePlace {
    /// There was one.
    Free,
    /// It was that of one whose client never came back.
    Taken,
    /// There is none: the node has more sessions than it may have.
    None,
}

fn make_place(cluster: &Cluster, node: &Node, now: u32, tally: &LiveSessionCounter<'_>) -> MadePlace {
    let mut made = MadePlace::Free;
    while node.surplus() > Some(0) {
        if !cluster.live.ledger.take_place(node.live.slot, now, tally) {
            return MadePlace::None;
        }
        made = MadePlace::Taken;
    }
    made
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
    if cluster.live.is_ended(session.id) {
        // by an operator, while it was under way
        return None;
    }
    if let Some(learned) = outcome.learned {
        // an operator may have moved it meanwhile
        let sent = cluster.live.orders.sent(session.id).filter(|sent| sent.from == slot);
        let slot = sent.map_or(slot, |sent| sent.to);
        if learned != session.id {
            ledger.rename(session.id, learned, now, tally);
        }
        match session.is_new() {
            // the id is the pin: it must not wait for the client to come back before it is remembered
            true => ledger.keep(learned, slot, now, tally),
            false => ledger.touch(learned, slot, now, tally),
        }
        return Some(learned);
    }
    if outcome.ended || (session.is_new() && !outcome.pinned && outcome.cookie != PinSent::Provided) {
        ledger.end(session.id, tally);
        return None;
    }
    if session.is_new() && cluster.affinity.stands_in_ledger() {
        ledger.hold(session.id, now, tally);
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
    let ledger = &cluster.live.ledger;
    let is_its_own = |seen: KnownSession| seen.slot == slot && seen.standing == Standing::Placed;
    if session.is_new() && ledger.find(session.id).is_some_and(is_its_own) {
        ledger.end(session.id, &cluster.live.tally(now));
    }
}

#[cfg(test)]
mod tests;
