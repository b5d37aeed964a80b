//! What a pin says, and whether it can be followed.

use super::input::DecisionInput;
use super::why::Why;
use crate::affinity::{FoundPin, Lost, PinLookup, Via};
use crate::config::model::AdminState;
use crate::table::{Cluster, Node, State};
use std::sync::Arc;

/// Where the pin leads.
pub(super) enum Pinned {
    /// To its node.
    Here { node: Arc<Node>, via: Via },
    /// Its session was moved earlier and the client shows the old pin: it goes where the session went.
    Followed { node: Arc<Node>, via: Via },
    /// An operator has moved its session, and this is the first request since.
    Sent { node: Arc<Node>, was: u32 },
    /// An operator has ended its session, which was on this slot.
    Ended { was: Option<u32> },
    /// Where its key falls, or an id that nobody knows.
    Keyed { node: Arc<Node>, why: Why, was: Option<(u32, Why)> },
    /// To a node that waits for its first check.
    Unchecked,
    /// To a node that keeps it no more.
    Gone { slot: u32, why: Why },
    /// Its node is there and has lost it.
    Forgotten { slot: u32, why: Why },
    /// To none.
    Nowhere(Why),
}

/// What the pin says, and whether it can be followed.
pub(super) fn pinned(cluster: &Cluster, reading: &PinLookup<'_>, facts: &DecisionInput<'_>) -> Pinned {
    let single;
    let (slots, via): (&[u32], Via) = match &reading.found {
        FoundPin::Absent => {
            return Pinned::Nowhere(if cluster.affinity.is_none() { Why::None } else { Why::New });
        }
        FoundPin::Key { hash } => return keyed(cluster, *hash, facts, Why::Key),
        FoundPin::Pin { slots, via } => (slots, *via),
        FoundPin::Lost(Lost::Ended) => {
            let ended = reading.session.and_then(|session| cluster.live.orders.ended(session));
            return Pinned::Ended { was: ended.and_then(|ended| ended.was) };
        }
        FoundPin::Lost(lost) if !reading.stamp.shows_id() => return gone_on(cluster, reading, facts, *lost),
        FoundPin::Lost(_) | FoundPin::Ledger { .. } => match reading
            .session
            .and_then(|s| cluster.live.ledger.find(s))
        {
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
    if let Some(sent) = reading.session.and_then(|session| sent(cluster, session, slots, facts)) {
        return sent;
    }
    let mut unchecked = false;
    for &slot in slots.iter().filter(|slot| !facts.tried.contains(slot)) {
        let Some(node) = cluster.node(slot) else { continue };
        if let Some(to) = reading
            .session
            .filter(|_| cluster.affinity.identifies())
            .and_then(|s| moved_to(cluster, s, slot, facts))
            && let Some(node) = cluster.node(to).filter(|_| !facts.tried.contains(&to))
        {
            match node.state(facts.now) {
                State::Unknown if !facts.waited => return Pinned::Unchecked,
                state if cluster.keeps_in(state, node, facts.now) => {
                    return Pinned::Followed { node: node.clone(), via };
                }
                _ => {}
            }
        }
        let runs = node.live.report.boot().zip(reading.stamp.boot());
        if runs.is_some_and(|(present, sealed)| sealed != present) && !was_seen_since(cluster, reading, node)
        {
            return Pinned::Forgotten { slot, why: Why::MovedRebooted };
        }
        match node.state(facts.now) {
            // the first check is late: it is tried rather than its sessions moved
            State::Unknown if facts.waited => return Pinned::Here { node: node.clone(), via },
            State::Unknown => unchecked = true,
            state if cluster.keeps_in(state, node, facts.now) => {
                return Pinned::Here { node: node.clone(), via };
            }
            _ => {}
        }
    }
    if unchecked {
        return Pinned::Unchecked;
    }
    let slot = slots.first().copied().unwrap_or(u32::MAX);
    Pinned::Gone { slot, why: why_gone(cluster, slot) }
}

/// Where an operator has moved the session to whose pin leads to these slots, if nobody has followed yet.
fn sent(cluster: &Cluster, session: u64, slots: &[u32], facts: &DecisionInput<'_>) -> Option<Pinned> {
    let sent = cluster.live.orders.sent(session)?;
    let leads = slots.contains(&sent.from) || slots.contains(&sent.to);
    let node = cluster.node(sent.to).filter(|_| leads && !facts.tried.contains(&sent.to))?;
    cluster.keeps(node, facts.now).then(|| Pinned::Sent { node: node.clone(), was: sent.from })
}

/// The pin does not lead anywhere. Its session may have gone on elsewhere, of which its client has not heard
/// yet.
fn gone_on(cluster: &Cluster, reading: &PinLookup<'_>, facts: &DecisionInput<'_>, lost: Lost) -> Pinned {
    let is_certain = reading.stamp.is_opened() && cluster.affinity.identifies();
    let known = reading.session.filter(|_| is_certain).and_then(|session| cluster.live.ledger.find(session));
    let lives = |node: &&Arc<Node>, last| {
        !facts.tried.contains(&node.live.slot)
            && !node.live.report.lost(last)
            && cluster.keeps(node, facts.now)
    };
    match known.and_then(|known| cluster.node(known.slot).filter(|node| lives(node, known.last))) {
        Some(node) => Pinned::Followed { node: node.clone(), via: Via::Cookie },
        None => Pinned::Nowhere(lost.into()),
    }
}

/// Whether a session was on this node after the run that its pin names was last heard of: the pin may be
/// older than its node's restart, and the session younger.
fn was_seen_since(cluster: &Cluster, reading: &PinLookup<'_>, node: &Node) -> bool {
    let seen = reading.session.and_then(|session| cluster.live.ledger.find(session));
    seen.is_some_and(|seen| seen.slot == node.live.slot && !node.live.report.lost(seen.last))
}

/// Where a session went that still shows a pin to the slot.
fn moved_to(cluster: &Cluster, session: u64, slot: u32, facts: &DecisionInput<'_>) -> Option<u32> {
    if facts.dry {
        cluster.live.went_to(session, slot)
    } else {
        cluster.live.moved_to(session, slot, facts.now.secs())
    }
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

/// The first node from the key's place on that serves it. A busy node keeps its keys; one that is full,
/// draining, or down though clients see it alive, those the ledger has there.
fn keyed(cluster: &Cluster, hash: u64, facts: &DecisionInput<'_>, why: Why) -> Pinned {
    let seen = cluster.live.ledger.find(hash).map(|seen| seen.slot);
    let serves = |node: &&Arc<Node>| {
        let slot = node.live.slot;
        !facts.tried.contains(&slot)
            && match node.state(facts.now) {
                State::Ready => true,
                // the first check is late: it is tried rather than its keys moved
                State::Unknown => {
                    seen == Some(slot) || node.spec.admin == AdminState::Enabled && node.spec.weight > 0
                }
                state => seen == Some(slot) && cluster.keeps_in(state, node, facts.now),
            }
    };
    let at = || cluster.roster.placement.by_key(hash).filter_map(|slot| cluster.node(slot)).filter(serves);
    match at().find(|node| !node.spec.backup).or_else(|| at().next()) {
        // placed before it is checked, the key would move once it is; those behind it on the ring do not
        // matter to it
        Some(node) if !facts.waited && node.state(facts.now) == State::Unknown => Pinned::Unchecked,
        Some(node) => {
            let is_gone = |slot: &u32| {
                facts.tried.contains(slot) || cluster.node(*slot).is_none_or(|n| !cluster.keeps(n, facts.now))
            };
            let was = seen.filter(|slot| *slot != node.live.slot).filter(is_gone);
            Pinned::Keyed { node: node.clone(), why, was: was.map(|slot| (slot, why_gone(cluster, slot))) }
        }
        None => Pinned::Nowhere(why),
    }
}

/// A session that the ledger does not know. The application may know its id all the same, and then says
/// nothing of it in its answers: it falls where the id does, with every request and on every proxy the same,
/// until an answer has confirmed it.
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
pub(super) fn via_of(reading: &PinLookup<'_>) -> Via {
    match reading.found {
        FoundPin::Pin { via, .. } | FoundPin::Ledger { via } => via,
        // only the id behind the pin is known
        FoundPin::Absent | FoundPin::Key { .. } | FoundPin::Lost(_) => Via::Learned,
    }
}
