//! What an operator does with one session: it is moved by the ledger and the memory of moves, so that its pin is
//! followed and written anew by its next request; it is ended by forgetting it, and by a note that its pin does
//! not count.

use super::apply::find;
use super::error::Error;
use super::op::SessionChange;
use crate::affinity::PinLookup;
use crate::base::clock::Now;
use crate::ledger::KnownSession;
use crate::table::decide::{Decision, DecisionInput, decide};
use crate::table::session_names::ShownSession;
use crate::table::session_orders::EndedSession;
use crate::table::{Cluster, State, Table};
use std::sync::Arc;

/// Makes a change of a session, which needs no new table. Returns what changed, in words.
pub fn change(
    table: &Table,
    cluster: &str,
    shown: ShownSession,
    change: &SessionChange,
    now: Now,
) -> Result<Option<String>, Error> {
    let cluster = find(table, cluster)?;
    if let Some(why) = cluster.affinity.no_orders() {
        return Err(Error::NotApart { cluster: cluster.name.to_string(), why });
    }
    let live = &cluster.live;
    let session = live.ledger.current(live.names.session(shown));
    let known = live.ledger.find(session).ok_or(Error::NoSession(shown))?;
    let name = |slot: u32| {
        let lives = &cluster.roster.lives;
        lives.get(slot as usize).map_or_else(|| "a node that left".to_owned(), |live| live.name.to_string())
    };
    match change {
        SessionChange::End => {
            let ended = EndedSession { was: Some(known.slot), at: now.unix_secs() };
            if !live.orders.end(session, ended) {
                return Err(Error::TooManyOrders);
            }
            live.ledger.end(session, &live.tally(now));
            live.orders.tell_sockets(session);
            Ok(Some(format!("session {shown} of {} on {} is ended", cluster.name, name(known.slot))))
        }
        SessionChange::Move { to } => {
            let to = target(cluster, to.as_deref(), known.slot, now)?;
            if to == known.slot {
                return Ok(None);
            }
            send(cluster, session, known, to, now)?;
            Ok(Some(format!("session {shown} of {}: {}→{}", cluster.name, name(known.slot), name(to))))
        }
    }
}

fn send(cluster: &Cluster, session: u64, known: KnownSession, to: u32, now: Now) -> Result<(), Error> {
    let live = &cluster.live;
    // in this order: an order that is refused was never there for a request to follow, and whoever follows the
    // ledger finds where it came from; nobody else sends
    if !live.orders.may_send(session)
        || !live.remember_move(session, known.slot, to, now.secs())
        || !live.orders.send(session, known.slot, to, now.secs())
    {
        return Err(Error::TooManyOrders);
    }
    // nobody has seen it by this
    live.ledger.put(session, KnownSession { slot: to, first: now.secs(), ..known }, &live.tally(now));
    live.orders.tell_sockets(session);
    Ok(())
}

/// The slot that it goes to: of the node of that name, else where a new session would go.
fn target(cluster: &Arc<Cluster>, to: Option<&str>, from: u32, now: Now) -> Result<u32, Error> {
    let Some(name) = to else {
        let facts = DecisionInput { tried: &[from], hint: None, waited: true, now, dry: false };
        return match decide(cluster, &PinLookup::absent(None), &facts, &mut rand::rng()) {
            Decision::Serve(verdict) => Ok(verdict.node.live.slot),
            Decision::Wait | Decision::Refuse(_) => Err(Error::NoTaker { cluster: cluster.name.to_string() }),
        };
    };
    let known = || cluster.nodes().map(|node| node.spec.name.to_string()).collect();
    let node = cluster.named(name).ok_or_else(|| Error::NoNode { node: name.to_owned(), known: known() })?;
    match node.state(now) {
        // who is sent there by name may be one too many
        State::Ready | State::Full => Ok(node.live.slot),
        _ => Err(Error::TakesNone {
            node: name.to_owned(),
            state: node.shown(now),
            why: cluster.why(node, now),
        }),
    }
}

#[cfg(test)]
mod tests;
