//! The decision: which node, and why. A pure function of the cluster, the pin that was read and what is known
//! of the nodes; log, header and metric print its `Verdict`.

mod input;
mod pinned;
mod why;

pub use input::DecisionInput;
pub use why::Why;

use pinned::{Pinned, pinned, via_of};

use super::{Cluster, Health, Node, State};
use crate::affinity::{FoundPin, Lost, PinLookup, PinRequest, Via};
use crate::balance::Tier;
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
    /// The cluster is disabled.
    Disabled,
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

/// What the request says of its session. The ledger comes first where the session lives there, and the forms
/// under `also` when it does not know it. It also knows of a session that is in use by a socket alone, of
/// which its cookie cannot tell. `now` is `clock::monotonic_secs`.
pub fn recognise<'t>(cluster: &'t Cluster, head: &PinRequest<'_>, now: u32) -> PinLookup<'t> {
    let reading = read(cluster, head, now);
    let identity = reading.session.filter(|_| cluster.affinity.identifies());
    match identity.is_some_and(|session| cluster.live.is_ended(session)) {
        true => reading.ended(),
        false => reading,
    }
}

fn read<'t>(cluster: &'t Cluster, head: &PinRequest<'_>, now: u32) -> PinLookup<'t> {
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
pub fn decide(
    cluster: &Cluster,
    reading: &PinLookup<'_>,
    facts: &DecisionInput<'_>,
    rng: &mut impl rand::Rng,
) -> Decision {
    if cluster.conf.disabled {
        return Decision::Refuse(Refusal::Disabled);
    }
    match pinned(cluster, reading, facts) {
        Pinned::Here { node, via } => {
            Decision::Serve(Verdict { node, why: via.into(), was: None, honoured: true })
        }
        Pinned::Followed { node, via } => {
            Decision::Serve(Verdict { node, why: via.into(), was: None, honoured: false })
        }
        Pinned::Sent { node, was } => {
            let why = Why::MovedOperator;
            Decision::Serve(Verdict { node, why, was: Some(was), honoured: false })
        }
        Pinned::Ended { was } => begin_anew(cluster, was, facts, rng),
        Pinned::Keyed { node, why, was } => {
            let why = was.map_or(why, |(_, why)| why);
            Decision::Serve(Verdict { node, why, was: was.map(|(slot, _)| slot), honoured: false })
        }
        Pinned::Unchecked => Decision::Wait,
        Pinned::Gone { slot, why } if left_for_good(cluster, slot, facts.now) => {
            place(cluster, key_of(reading), facts, rng, why, Some(slot))
        }
        Pinned::Gone { slot, why } => match doubted(cluster, slot, facts) {
            Some(node) => Decision::Serve(Verdict {
                node: node.clone(),
                why: via_of(reading).into(),
                was: None,
                honoured: true,
            }),
            None if cluster.conf.failover == Failover::Strict => Decision::Refuse(Refusal::Strict),
            None => place(cluster, key_of(reading), facts, rng, why, Some(slot)),
        },
        Pinned::Forgotten { slot, why } => place(cluster, key_of(reading), facts, rng, why, Some(slot)),
        Pinned::Nowhere(why) => place(cluster, key_of(reading), facts, rng, why, None),
    }
}

/// The node of a slot, if it is down only as all the others are: with every check failing, the checks are
/// more likely wrong than all the nodes, and the session stays. Where nobody else is left for this request,
/// one that is only set aside is as good.
fn doubted<'t>(cluster: &'t Cluster, slot: u32, facts: &DecisionInput<'_>) -> Option<&'t Arc<Node>> {
    let node = cluster
        .node(slot)
        .filter(|node| node.state(facts.now) == State::Down && !facts.tried.contains(&slot))?;
    (!cluster.live.any_up(facts.now) || is_set_aside(node, facts.now) && !is_any_ready(cluster, facts))
        .then_some(node)
}

/// Whether failing requests alone keep it from new sessions: its checks do not call it down, nobody takes it
/// out.
fn is_set_aside(node: &Node, now: Now) -> bool {
    let live = &node.live;
    let may = node.spec.admin == AdminState::Enabled && node.spec.weight > 0 && !node.stands_aside();
    may && node.state(now) == State::Down && live.health() == Health::Up && !live.report.is_down()
}

fn is_any_ready(cluster: &Cluster, facts: &DecisionInput<'_>) -> bool {
    cluster
        .nodes()
        .any(|node| node.state(facts.now) == State::Ready && !facts.tried.contains(&node.live.slot))
}

/// Whether waiting for a slot's node would be in vain: its drain is over, it was removed, or it only tells
/// clients where to go.
fn left_for_good(cluster: &Cluster, slot: u32, now: Now) -> bool {
    cluster
        .node(slot)
        .is_some_and(|node| node.stands_aside() || matches!(node.state(now), State::Drained | State::Removed))
}

fn key_of(reading: &PinLookup<'_>) -> Option<u64> {
    match reading.found {
        FoundPin::Key { hash } => Some(hash),
        FoundPin::Ledger { via: Via::Key } => reading.session,
        _ => None,
    }
}

/// Places a session that has no node.
fn place(
    cluster: &Cluster,
    key: Option<u64>,
    facts: &DecisionInput<'_>,
    rng: &mut impl rand::Rng,
    why: Why,
    was: Option<u32>,
) -> Decision {
    let serve = |node: &Arc<Node>| Decision::Serve(Verdict { node: node.clone(), why, was, honoured: false });
    if let Some(node) =
        facts.hint.filter(|slot| !facts.tried.contains(slot)).and_then(|slot| cluster.node(slot))
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
            // the last that are ready may have died a moment ago: better than nobody is one that failed
            // before and may be back
            match open
                .as_ref()
                .or_else(|| busy(cluster, facts, rng))
                .or_else(|| one_of(cluster, facts, rng, is_set_aside))
            {
                Some(node) => serve(node),
                None if cluster.nodes().any(|n| n.state(facts.now) == State::Full) => {
                    Decision::Refuse(Refusal::Full)
                }
                None => Decision::Refuse(Refusal::NoNode),
            }
        }
    }
}

/// Places a session that an operator has ended: elsewhere than it was, where there is an elsewhere, since its
/// application may still know it there.
fn begin_anew(
    cluster: &Cluster,
    was: Option<u32>,
    facts: &DecisionInput<'_>,
    rng: &mut impl rand::Rng,
) -> Decision {
    // where a parallel request of it has begun, this one goes too
    if let (Some(was), None) = (was, facts.hint) {
        let tried = [facts.tried, &[was]].concat();
        let elsewhere = place(cluster, None, &DecisionInput { tried: &tried, ..*facts }, rng, Why::New, None);
        if !matches!(elsewhere, Decision::Refuse(_)) {
            return elsewhere;
        }
    }
    place(cluster, None, facts, rng, Why::New, None)
}

/// Asks the board of the newest table: one that was replaced is not kept up to date, and a request that waited
/// or failed may be of that. Those that came since have no name in its table and are passed over.
fn pick(
    cluster: &Cluster,
    key: Option<u64>,
    facts: &DecisionInput<'_>,
    rng: &mut impl rand::Rng,
) -> Option<(Arc<Node>, Tier)> {
    let newest = cluster.live.roster.load();
    let mut from = |tried: &[u32]| match facts.dry {
        true => newest.placement.peek(key, tried, rng),
        false => newest.placement.pick(key, tried, rng),
    };
    let mut picked = from(facts.tried)?;
    let mut passed = Vec::new();
    loop {
        let (slot, tier) = picked;
        let node = newest
            .node(slot)
            .filter(|node| cluster.node(slot).is_some_and(|known| Arc::ptr_eq(&known.live, &node.live)));
        if let Some(node) = node {
            return Some((node.clone(), tier));
        }
        if passed.is_empty() {
            passed.extend_from_slice(facts.tried);
        }
        passed.push(slot);
        picked = from(&passed)?;
    }
}

/// A node with room for sessions whose places for requests are all taken: the request waits there for one.
fn busy<'t>(
    cluster: &'t Cluster,
    facts: &DecisionInput<'_>,
    rng: &mut impl rand::Rng,
) -> Option<&'t Arc<Node>> {
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
