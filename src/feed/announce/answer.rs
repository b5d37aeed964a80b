//! What a node is told in answer to its heartbeat.

use super::list;
use crate::base::clock::Now;
use crate::base::hash::hash64;
use crate::control::members::INTERVAL;
use crate::heartbeat::Heartbeat;
use crate::heartbeat::native::{GrantedLimits, HeartbeatAnswer};
use crate::table::{Cluster, Node};
use std::borrow::Cow;

/// Numbers that every reader of JSON keeps exactly.
const EXACT: u64 = (1 << 53) - 1;

/// The answer; with the ranked list only for who needs it: a long one must not go out with every beat.
pub fn to<'a>(cluster: &'a Cluster, node: &'a Node, beat: &Heartbeat, list: bool) -> HeartbeatAnswer<'a> {
    let interval = beat.interval.unwrap_or(INTERVAL).as_secs() as u32;
    let spec = &node.spec;
    let settings = Cow::Borrowed(&cluster.settings);
    let limits = GrantedLimits { max_sessions: spec.max_sessions, max_requests: spec.max_requests };
    let revision =
        hash64(format!("{} {interval} {} {limits:?}", spec.route, settings.hash).as_bytes()) & EXACT;
    let route = (&*spec.route).into();
    let now = Now::look();
    let nodes = list.then(|| list::ranked(cluster, now).into());
    HeartbeatAnswer {
        state: node.shown(now).word().into(),
        why: cluster.why(node, now).into(),
        route,
        interval,
        settings,
        limits,
        revision,
        nodes,
    }
}
