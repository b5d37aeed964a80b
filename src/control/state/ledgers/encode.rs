//! What was found of sessions, as frames.

use super::frames::{Frame, SessionRecord};
use super::load::Times;
use crate::ledger::{KnownSession, Standing};
use crate::table::ClusterLive;
use std::collections::HashMap;

/// Sessions in a frame.
const FRAME: usize = 2048;

/// Writes what was found of a cluster's sessions. The roster is looked at afterwards: a slot that was reused
/// in between was empty before, so the session that was found in it is on its new node.
pub fn encode(live: &ClusterLive, found: &[(u64, Option<KnownSession>)], out: &mut Vec<u8>) {
    let roster = live.roster.load();
    let times = Times::now();
    for some in found.chunks(FRAME) {
        let mut nodes = Vec::new();
        let mut numbers = HashMap::new();
        let mut number = |slot: u32| {
            let name: &str = &roster.lives.get(slot as usize)?.name;
            Some(*numbers.entry(slot).or_insert_with(|| {
                nodes.push(name);
                nodes.len() as u32 - 1
            }))
        };
        let mut record = |session: u64, seen: Option<KnownSession>| {
            let Some((seen, node)) = seen.and_then(|seen| Some((seen, number(seen.slot)?))) else {
                return SessionRecord::Over(session);
            };
            let from = live.moved_from(session, seen.slot).and_then(&mut number);
            let (first, last) = (times.unix_of(seen.first), times.unix_of(seen.last));
            SessionRecord::Lives {
                session,
                node,
                first,
                last,
                confirmed: seen.standing == Standing::Confirmed,
                from,
            }
        };
        let sessions = some.iter().map(|&(session, seen)| record(session, seen)).collect();
        Frame { cluster: &live.name, nodes, sessions }.encode(out);
    }
}
