//! The decision: which node, and why. A pure function of the cluster, the pin that was read and what is known of the nodes;
//! log, header and metric print its `Verdict`.

mod why;

pub use why::Why;

use super::{Cluster, Health, Node, State};
use crate::affinity::{FoundPin, Lost, PinLookup, PinRequest, Via};
use crate::balance::{Placement, Tier};
use crate::base::clock::Now;
use crate::config::model::{AdminState, Failover};
use std::sync::Arc;

/// A node chosen.
pub struct Verdict {
    /// Which.
    pub node: Arc<Node>,
    /// Why.
    pub why: Why,
    /// The slot the session was on, if it moves.
    pub was: Option<u32>,
    /// The pin that was read is followed.
    pub honoured: bool,
}

impl Verdict {
    /// An operator's bypass leads there: nothing else is asked.
    pub fn forced(node: &Arc<Node>) -> Self {
        Self { node: node.clone(), why: Why::Forced, was: None, honoured: true }
    }
}

/// Why nobody serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its node is gone, and `failover = "strict"`.
    Strict,
    /// Every node has all the sessions it may have.
    Full,
    /// No node is there.
    NoNode,
}

/// What is to be done with a request.
pub enum Decision {
    /// Send it there.
    Serve(Verdict),
    /// A node it may go to has not been checked yet: wait a moment for the first check, then ask again.
    Wait,
    /// Nobody serves it.
    Refuse(Refusal),
}

/// What is known beside the pin.
#[derive(Debug, Clone, Copy)]
pub struct DecisionInput<'a> {
    /// Nodes that this request was tried on in vain.
    pub tried: &'a [u32],
    /// Where an earlier request of the same client on this connection was just placed.
    pub hint: Option<u32>,
    /// The wait for first checks is over.
    pub waited: bool,
    /// When it is asked.
    pub now: Now,
    /// Somebody only asks what would be decided: no turn is charged, and no memory renewed.
    pub dry: bool,
}

/// What the request says of its session. The ledger comes first where the session lives there, and the forms under `also` when it
/// does not know it. It also knows of a session that is in use by a socket alone, of which its cookie cannot tell. `now` is
/// `clock::monotonic_secs`.
pub fn recognise<'t>(cluster: &'t Cluster, head: &PinRequest<'_>, now: u32) -> PinLookup<'t> {
    let own = cluster.affinity.read(head);
    if matches!(own.found, FoundPin::Ledger { .. })
        && let Some(other) = cluster.affinity.read_other(&own, head)
        && own.session.is_none_or(|session| cluster.live.ledger.find(session).is_none())
    {
        return other;
    }
    if own.found == FoundPin::Lost(Lost::Expired)
        && let Some(pinned) = cluster.affinity.read_unused(head)
        && let Some(seen) = pinned.session.and_then(|session| cluster.live.ledger.find(session))
        && cluster.affinity.max_idle() >= Some(u64::from(now.saturating_sub(seen.last)))
    {
        return pinned;
    }
    own
}

/// Decides.
pub fn decide(cluster: &Cluster, reading: &PinLookup<'_>, facts: &DecisionInput<'_>, rng: &mut impl rand::Rng) -> Decision {
    match pinned(cluster, reading, facts) {
        Pinned::Here { node, via } => Decision::Serve(Verdict { node, why: via.into(), was: None, honoured: true }),
        Pinned::Followed { node, via } => Decision::Serve(Verdict { node, why: via.into(), was: None, honoured: false }),
        Pinned::Keyed { node, why, was } => {
            let why = was.map_or(why, |(_, why)| why);
            Decision::Serve(Verdict { node, why, was: was.map(|(slot, _)| slot), honoured: false })
        }
        Pinned::Unchecked => Decision::Wait,
        Pinned::Gone { slot, why } if left_for_good(cluster, slot, facts.now) => {
            place(cluster, key_of(reading), facts, rng, why, Some(slot))
        }
        Pinned::Gone { slot, why } => match doubted(cluster, slot, facts) {
            Some(node) => Decision::Serve(Verdict { node: node.clone(), why: via_of(reading).into(), was: None, honoured: true }),
            None if cluster.conf.failover == Failover::Strict => Decision::Refuse(Refusal::Strict),
            None => place(cluster, key_of(reading), facts, rng, why, Some(slot)),
        },
        Pinned::Forgotten { slot, why } => place(cluster, key_of(reading), facts, rng, why, Some(slot)),
        Pinned::Nowhere(why) => place(cluster, key_of(reading), facts, rng, why, None),
    }
}

/// The node of a slot, if it is down only as all the others are: with every check failing, the checks are more likely wrong than all
/// the nodes, and the session stays. Where nobody else is left for this request, one that is only set aside is as good.
fn doubted<'t>(cluster: &'t Cluster, slot: u32, facts: &DecisionInput<'_>) -> Option<&'t Arc<Node>> {
    let node = cluster.node(slot).filter(|node| node.state(facts.now) == State::Down && !facts.tried.contains(&slot))?;
    (!cluster.live.any_up(facts.now) || is_set_aside(node, facts.now) && !is_any_ready(cluster, facts)).then_some(node)
}

/// Whether failing requests alone keep it from new sessions: its checks do not call it down, nobody takes it out.
fn is_set_aside(node: &Node, now: Now) -> bool {
    let live = &node.live;
    let may = node.spec.admin == AdminState::Enabled && node.spec.weight > 0 && !node.stands_aside();
    may && node.state(now) == State::Down && live.health() == Health::Up && !live.report.is_down()
}

fn is_any_ready(cluster: &Cluster, facts: &DecisionInput<'_>) -> bool {
    cluster.nodes().any(|node| node.state(facts.now) == State::Ready && !facts.tried.contains(&node.live.slot))
}

enum Pinned {
    Here {
        node: Arc<Node>,
        via: Via,
    },
    /// Its session was moved earlier and the client shows the old pin: it goes where the session went.
    Followed {
        node: Arc<Node>,
        via: Via,
    },
    /// Where its key falls, or an id that nobody knows.
    Keyed {
        node: Arc<Node>,
        why: Why,
        was: Option<(u32, Why)>,
    },
    Unchecked,
    Gone {
        slot: u32,
        why: Why,
    },
    /// Its node is there and has lost it.
    Forgotten {
        slot: u32,
        why: Why,
    },
    Nowhere(Why),
}

/// What the pin says, and whether it can be followed.
fn pinned(cluster: &Cluster, reading: &PinLookup<'_>, facts: &DecisionInput<'_>) -> Pinned {
    let single;
    let (slots, via): (&[u32], Via) = match &reading.found {
        FoundPin::Absent => return Pinned::Nowhere(if cluster.affinity.is_none() { Why::None } else { Why::New }),
        FoundPin::Key { hash } => return keyed(cluster, *hash, facts, Why::Key),
        FoundPin::Pin { slots, via } => (slots, *via),
        FoundPin::Lost(lost) if !reading.stamp.shows_id() => return gone_on(cluster, reading, facts, *lost),
        FoundPin::Lost(_) | FoundPin::Ledger { .. } => match reading.session.and_then(|s| cluster.live.ledger.find(s)) {
            Some(seen) if cluster.node(seen.slot).is_some_and(|node| node.live.report.lost(seen.last)) => {
                return Pinned::Forgotten { slot: seen.slot, why: Why::MovedRebooted };
            }
            Some(seen) => {
                single = [seen.slot];
                (&single, via_of(reading))
            }
            None => return stranger(cluster, reading, facts),
        },
    };
    let mut unchecked = false;
    for &slot in slots.iter().filter(|slot| !facts.tried.contains(slot)) {
        let Some(node) = cluster.node(slot) else { continue };
        if let Some(to) = reading.session.filter(|_| cluster.affinity.identifies()).and_then(|s| moved_to(cluster, s, slot, facts))
            && let Some(node) = cluster.node(to).filter(|_| !facts.tried.contains(&to))
        {
            match node.state(facts.now) {
                State::Unknown if !facts.waited => return Pinned::Unchecked,
                state if cluster.keeps_in(state, node, facts.now) => return Pinned::Followed { node: node.clone(), via },
                _ => {}
            }
        }
        let runs = node.live.report.boot().zip(reading.stamp.boot());
        if runs.is_some_and(|(present, sealed)| sealed != present) && !was_seen_since(cluster, reading, node) {
            return Pinned::Forgotten { slot, why: Why::MovedRebooted };
        }
        match node.state(facts.now) {
            // the first check is late: it is tried rather than its sessions moved
            State::Unknown if facts.waited => return Pinned::Here { node: node.clone(), via },
            State::Unknown => unchecked = true,
            state if cluster.keeps_in(state, node, facts.now) => return Pinned::Here { node: node.clone(), via },
            _ => {}
        }
    }
    if unchecked {
        return Pinned::Unchecked;
    }
    let slot = slots.first().copied().unwrap_or(u32::MAX);
    Pinned::Gone { slot, why: why_gone(cluster, slot) }
}

/// The pin does not lead anywhere. Its session may have gone on elsewhere, of which its client has not heard yet.
fn gone_on(cluster: &Cluster, reading: &PinLookup<'_>, facts: &DecisionInput<'_>, lost: Lost) -> Pinned {
    let is_certain = reading.stamp.is_opened() && cluster.affinity.identifies();
    let known = reading.session.filter(|_| is_certain).and_then(|session| cluster.live.ledger.find(session));
    let lives =
        |node: &&Arc<Node>, last| !facts.tried.contains(&node.live.slot) && !node.live.report.lost(last) && cluster.keeps(node, facts.now);
    match known.and_then(|known| cluster.node(known.slot).filter(|node| lives(node, known.last))) {
        Some(node) => Pinned::Followed { node: node.clone(), via: Via::Cookie },
        None => Pinned::Nowhere(lost.into()),
    }
}

/// Whether a session was on this node after the run that its pin names was last heard of: the pin may be older than its node's
/// restart, and the session younger.
fn was_seen_since(cluster: &Cluster, reading: &PinLookup<'_>, node: &Node) -> bool {
    let seen = reading.session.and_then(|session| cluster.live.ledger.find(session));
    seen.is_some_and(|seen| seen.slot == node.live.slot && !node.live.report.lost(seen.last))
}

/// Where a session went that still shows a pin to the slot.
fn moved_to(cluster: &Cluster, session: u64, slot: u32, facts: &DecisionInput<'_>) -> Option<u32> {
    if facts.dry { cluster.live.went_to(session, slot) } else { cluster.live.moved_to(session, slot, facts.now.secs()) }
}

/// Whether waiting for a slot's node would be in vain: its drain is over, it was removed, or it only tells clients where to go.
fn left_for_good(cluster: &Cluster, slot: u32, now: Now) -> bool {
    cluster.node(slot).is_some_and(|node| node.stands_aside() || matches!(node.state(now), State::Drained | State::Removed))
}

/// Why the sessions of a slot go elsewhere.
fn why_gone(cluster: &Cluster, slot: u32) -> Why {
    match cluster.node(slot) {
        Some(node) if node.stands_aside() => Why::MovedDraining,
        Some(node) if node.spec.admin != AdminState::Enabled => Why::MovedDraining,
        Some(_) => Why::MovedDown,
        None => Why::MovedUnknownRoute,
    }
}

/// The first node from the key's place on that serves it. A busy node keeps its keys; one that is full, draining, or down though
/// clients see it alive, those the ledger has there.
fn keyed(cluster: &Cluster, hash: u64, facts: &DecisionInput<'_>, why: Why) -> Pinned {
    let seen = cluster.live.ledger.find(hash).map(|seen| seen.slot);
    let serves = |node: &&Arc<Node>| {
        let slot = node.live.slot;
        !facts.tried.contains(&slot)
            && match node.state(facts.now) {
                State::Ready => true,
                // the first check is late: it is tried rather than its keys moved
                State::Unknown => seen == Some(slot) || node.spec.admin == AdminState::Enabled && node.spec.weight > 0,
                state => seen == Some(slot) && cluster.keeps_in(state, node, facts.now),
            }
    };
    let at = || cluster.roster.placement.by_key(hash).filter_map(|slot| cluster.node(slot)).filter(serves);
    match at().find(|node| !node.spec.backup).or_else(|| at().next()) {
        // placed before it is checked, the key would move once it is; those behind it on the ring do not matter to it
        Some(node) if !facts.waited && node.state(facts.now) == State::Unknown => Pinned::Unchecked,
        Some(node) => {
            let is_gone = |slot: &u32| facts.tried.contains(slot) || cluster.node(*slot).is_none_or(|n| !cluster.keeps(n, facts.now));
            let was = seen.filter(|slot| *slot != node.live.slot).filter(is_gone);
            Pinned::Keyed { node: node.clone(), why, was: was.map(|slot| (slot, why_gone(cluster, slot))) }
        }
        None => Pinned::Nowhere(why),
    }
}

/// A session that the ledger does not know. The application may know its id all the same, and then says nothing of it in its answers:
/// it falls where the id does, with every request and on every proxy the same, until an answer has confirmed it.
fn stranger(cluster: &Cluster, reading: &PinLookup<'_>, facts: &DecisionInput<'_>) -> Pinned {
    let why = match reading.found {
        FoundPin::Lost(lost) => lost.into(),
        _ => Why::New,
    };
    match reading.session.filter(|_| reading.stamp.shows_id()) {
        Some(id) => keyed(cluster, id, facts, why),
        None => Pinned::Nowhere(why),
    }
}

/// Where the pin was read that is being followed.
fn via_of(reading: &PinLookup<'_>) -> Via {
    match reading.found {
        FoundPin::Pin { via, .. } | FoundPin::Ledger { via } => via,
        // only the id behind the pin is known
        FoundPin::Absent | FoundPin::Key { .. } | FoundPin::Lost(_) => Via::Learned,
    }
}

fn key_of(reading: &PinLookup<'_>) -> Option<u64> {
    match reading.found {
        FoundPin::Key { hash } => Some(hash),
        FoundPin::Ledger { via: Via::Key } => reading.session,
        _ => None,
    }
}

/// Places a session that has no node.
fn place(cluster: &Cluster, key: Option<u64>, facts: &DecisionInput<'_>, rng: &mut impl rand::Rng, why: Why, was: Option<u32>) -> Decision {
    let serve = |node: &Arc<Node>| Decision::Serve(Verdict { node: node.clone(), why, was, honoured: false });
    if let Some(node) = facts.hint.filter(|slot| !facts.tried.contains(slot)).and_then(|slot| cluster.node(slot))
        && cluster.keeps(node, facts.now)
    {
        return serve(node);
    }
    match pick(cluster, key, facts, rng) {
        Some((node, tier)) if tier != Tier::Down => serve(&node),
        down => {
            if !facts.waited && cluster.nodes().any(|n| n.state(facts.now) == State::Unknown) {
                return Decision::Wait;
            }
            // fail-open: when every node fails its check, all are tried
            let open = down.map(|(node, _)| node).filter(|_| !cluster.live.any_up(facts.now));
            // the last that are ready may have died a moment ago: better than nobody is one that failed before and may be back
            match open.as_ref().or_else(|| busy(cluster, facts, rng)).or_else(|| one_of(cluster, facts, rng, is_set_aside)) {
                Some(node) => serve(node),
                None if cluster.nodes().any(|n| n.state(facts.now) == State::Full) => Decision::Refuse(Refusal::Full),
                None => Decision::Refuse(Refusal::NoNode),
            }
        }
    }
}

/// Asks the board of the newest table: one that was replaced is not kept up to date, and a request that waited or failed may be of that.
fn pick(cluster: &Cluster, key: Option<u64>, facts: &DecisionInput<'_>, rng: &mut impl rand::Rng) -> Option<(Arc<Node>, Tier)> {
    let newest = cluster.live.roster.load();
    let mut from = |board: &Placement| match facts.dry {
        true => board.peek(key, facts.tried, rng),
        false => board.pick(key, facts.tried, rng),
    };
    let (slot, tier) = from(&newest.placement)?;
    match newest.node(slot).filter(|node| cluster.node(slot).is_some_and(|known| Arc::ptr_eq(&known.live, &node.live))) {
        Some(node) => Some((node.clone(), tier)),
        // one that came since has no name in this table
        None => from(&cluster.roster.placement).and_then(|(slot, tier)| Some((cluster.node(slot)?.clone(), tier))),
    }
}

/// A node with room for sessions whose places for requests are all taken: the request waits there for one.
fn busy<'t>(cluster: &'t Cluster, facts: &DecisionInput<'_>, rng: &mut impl rand::Rng) -> Option<&'t Arc<Node>> {
    one_of(cluster, facts, rng, |node, now| node.state(now) == State::Ready)
}

/// Any of these that the request was not tried on.
fn one_of<'t>(
    cluster: &'t Cluster,
    facts: &DecisionInput<'_>,
    rng: &mut impl rand::Rng,
    is: fn(&Node, Now) -> bool,
) -> Option<&'t Arc<Node>> {
    let may = |n: &&Arc<Node>| is(n, facts.now) && !facts.tried.contains(&n.live.slot);
    let count = cluster.nodes().filter(may).count();
    cluster.nodes().filter(may).nth(rng.random_range(0..count.max(1)))
}

#[cfg(test)]
mod tests;
