//! `drain`: a node is taken out, and whoever waits for it is told what ended it. The proxy knows: another
//! operator may have changed the deadline meanwhile, and its clock is the one that counts.

use super::operate::{NodePath, NodesPath, ask, print_changes};
use super::show::{Progress, age, complain, counts, print, span, word};
use super::window::{AdminClient, VerbFailure};
use crate::admin::operate::{Drain, NodeAction};
use crate::admin::status::Node;
use crate::base::clock;
use crate::base::words::seconds;
use crate::config::model::Then;
use crate::table::State;
use std::time::{Duration, Instant};

/// How often a draining node is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// For so long a proxy that does not answer is asked again.
const AWAY: Duration = Duration::from_secs(10);
/// How long the proxy takes at most to end the sockets of a node.
const SPREAD: Duration = Duration::from_secs(15);
/// Seconds within which a deadline is kept by a proxy that does not say when it has passed.
const SLACK: i64 = 2;

/// What a look at a node tells whoever waits for its drain.
#[derive(Debug, PartialEq)]
enum DrainProgress {
    /// It goes on.
    Goes,
    /// The node emptied by itself.
    Empty,
    /// The deadline ended it.
    Ended,
    /// Somebody wants something else of the node now.
    Undone,
}

/// Drains a node, or all that match; with `wait`, until each is drained.
pub fn drain(
    window: &AdminClient,
    target: &NodesPath,
    drain: &Drain,
    wait: bool,
    json: bool,
) -> Result<(), VerbFailure> {
    let begun = clock::instant();
    let limit = drain.deadline.and_then(|deadline| deadline.limit());
    let own = limit.map(|limit| clock::rfc3339(clock::unix_ms().saturating_add(limit.as_millis() as u64)));
    let (body, done) = ask(window, target, NodeAction::Drain, drain)?;
    // what is waited for is one document a node, at the end
    if !(wait && json) {
        print_changes(&body, &done, json)?;
    }
    if !wait {
        return Ok(());
    }
    let own = DrainRequested { deadline: own, then: drain.then };
    // one that is only waiting, or was removed, is not drained by a pattern
    let drains = |node: &Node| node.over.is_some() || shows_drain(node);
    let many = serde_json::from_value::<Vec<Node>>(done["nodes"].clone()).ok();
    let nodes: Vec<NodePath> = match many {
        Some(nodes) => nodes.iter().filter(|node| drains(node)).map(|node| target.one(&node.node)).collect(),
        None => vec![target.only()],
    };
    // each is waited for, whatever came of those before it; the first failure is told
    let ends = nodes.iter().map(|node| wait_for(window, node, &own, begun, json));
    let mut failed = Ok(());
    for end in ends {
        match (&failed, end) {
            (Ok(()), end) => failed = end,
            (Err(_), Err(more)) => complain(&more.to_string()),
            (Err(_), Ok(())) => {}
        }
    }
    failed
}

/// What was asked for, for a proxy that does not say.
struct DrainRequested {
    deadline: Option<String>,
    then: Option<Then>,
}

/// Waits until a node is drained.
fn wait_for(
    window: &AdminClient,
    target: &NodePath,
    own: &DrainRequested,
    begun: Instant,
    json: bool,
) -> Result<(), VerbFailure> {
    let (mut before, mut ended, mut progress) = (None, None, Progress::new());
    loop {
        let (body, mut node) = look(window, target)?;
        let now = clock::rfc3339(clock::unix_ms());
        if node.over.is_none() {
            node.deadline = node.deadline.or_else(|| own.deadline.clone());
            node.then = node.then.or(own.then);
        }
        ended = is_over(&node, &now).then(|| ended.unwrap_or_else(clock::instant));
        let seen = judge(&node, ended.map(clock::since));
        if seen != DrainProgress::Goes {
            drop(progress);
            if json {
                print(&body);
            }
            return the_end(&seen, &node, before.as_deref(), begun, json);
        }
        let there = still_there(&node);
        if !json {
            let until = node
                .deadline
                .as_ref()
                .map_or_else(String::new, |at| format!(", {} until the deadline", age(&now, at)));
            let clock = format!(", {} so far{until}", span(clock::since(begun).as_secs()));
            let but = if shows_drain(&node) {
                String::new()
            } else {
                format!(", and {}", word(node.state.as_str()))
            };
            progress.show(
                &format!("{} is {}{but}: {there} left", node.node, word(State::Draining.word())),
                &clock,
            );
        }
        if ended.is_none() {
            before = Some(there);
        }
        std::thread::sleep(LOOK);
    }
}

/// How the node is now. A proxy that is being started anew is waited for.
fn look(window: &AdminClient, target: &NodePath) -> Result<(String, Node), VerbFailure> {
    let since = clock::instant();
    loop {
        match window.get::<Node>(&target.path()) {
            Err(VerbFailure::Unreachable(_)) if clock::since(since) < AWAY => std::thread::sleep(LOOK),
            got => return got,
        }
    }
}

/// What is said when the wait is over, and whether that is a failure.
fn the_end(
    seen: &DrainProgress,
    node: &Node,
    before: Option<&str>,
    begun: Instant,
    json: bool,
) -> Result<(), VerbFailure> {
    let Node { node: name, state, why, .. } = node;
    match seen {
        DrainProgress::Ended => Err(VerbFailure::Deadline(at_the_end(node, before))),
        DrainProgress::Undone => {
            Err(VerbFailure::Failed(format!("{name} is not draining any more: it is {state} ({why})")))
        }
        DrainProgress::Goes | DrainProgress::Empty if json => Ok(()),
        DrainProgress::Goes | DrainProgress::Empty => {
            print(&format!(
                "{name} is drained after {}: safe to stop it\n",
                span(clock::since(begun).as_secs())
            ));
            Ok(())
        }
    }
}

/// Whether the deadline has passed, as the proxy says; an earlier version leaves that to whoever looks.
fn is_over(node: &Node, now: &str) -> bool {
    node.over.unwrap_or_else(|| {
        // one that is empty so shortly before its deadline was emptied by it
        let least = if node.state == State::Drained { -SLACK } else { SLACK };
        node.deadline.as_deref().and_then(|deadline| seconds(deadline, now)).is_some_and(|late| late >= least)
    })
}

/// `since`: how long ago the deadline was seen to have passed, if it has.
fn judge(node: &Node, since: Option<Duration>) -> DrainProgress {
    let moves = node.then == Some(Then::Move);
    let state = match node.state.known() {
        state if shows_drain(node) => state,
        // what is wanted of it counts, not whether it answers
        _ if node.over.is_some() && node.sessions + node.in_flight == 0 => Some(State::Drained),
        _ if node.over.is_some() => Some(State::Draining),
        state => state,
    };
    match (state, since) {
        (Some(State::Drained), Some(_)) if moves && node.left != Some(0) => DrainProgress::Ended,
        (Some(State::Drained), _) => DrainProgress::Empty,
        (Some(State::Draining), None) => DrainProgress::Goes,
        // sockets are ended one after another, requests by nobody
        (Some(State::Draining), Some(since)) if moves && node.sockets > 0 && since < SPREAD => {
            DrainProgress::Goes
        }
        (Some(State::Draining), Some(_)) => DrainProgress::Ended,
        _ => DrainProgress::Undone,
    }
}

/// Whether its state is that of its drain.
fn shows_drain(node: &Node) -> bool {
    matches!(node.state.known(), Some(State::Draining | State::Drained))
}

/// What its deadline found, and did; `before` is who was there before that.
fn at_the_end(node: &Node, before: Option<&str>) -> String {
    let name = &node.node;
    if node.then != Some(Then::Move) {
        return format!("the deadline has passed, {name} has {} left", still_there(node));
    }
    let open = match (requests(node), node.sockets) {
        (0, 0) => String::new(),
        (0, sockets) => format!("; {} still open", counts(&[(sockets, "socket")])),
        (requests, sockets) => {
            format!("; {} still open", counts(&[(requests, "request"), (sockets, "socket")]))
        }
    };
    match before {
        Some(before) => format!("the deadline has passed, {name} still had {before}: moved{open}"),
        None => format!("the deadline had passed already, who was left at {name} was moved{open}"),
    }
}

/// Who is on a node: "2 sessions, 1 request, 3 sockets".
fn still_there(node: &Node) -> String {
    counts(&[(node.sessions, "session"), (requests(node), "request"), (node.sockets, "socket")])
}

fn requests(node: &Node) -> u64 {
    node.in_flight.saturating_sub(node.sockets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MOVE: Option<Then> = Some(Then::Move);

    fn node(state: &str, then: Option<Then>, sessions: u64, requests: u64, sockets: u64) -> Node {
        let node = json!({
            "node": "n1", "url": "http://a:1", "route": "n1", "state": state, "why": "", "since": "", "sessions": sessions,
            "capacity": null, "in_flight": requests + sockets, "sockets": sockets, "weight": 100, "load": null, "version": null,
            "set_by": "operator", "deadline": "2026-01-01T12:00:00.000Z", "then": then, "share": 0.0, "rank": null, "requests": 0,
            "heartbeat_ms": null,
        });
        serde_json::from_value(node).unwrap()
    }

    /// One that an operator drains.
    fn wanted(state: &str, then: Option<Then>, sessions: u64, requests: u64, sockets: u64) -> Node {
        Node { over: Some(false), ..node(state, then, sessions, requests, sockets) }
    }

    #[test]
    fn what_ended_a_drain_is_told_by_the_node() {
        let (just, long) = (Some(Duration::ZERO), Some(SPREAD));
        for (node, since, seen, said) in [
            (node("draining", MOVE, 2, 1, 3), None, DrainProgress::Goes, ""),
            (node("drained", MOVE, 0, 0, 0), None, DrainProgress::Empty, ""),
            (node("drained", None, 0, 0, 0), None, DrainProgress::Empty, ""),
            // those that were kept have ended by themselves
            (node("drained", Some(Then::Keep), 0, 0, 0), just, DrainProgress::Empty, ""),
            (
                node("drained", MOVE, 0, 0, 0),
                just,
                DrainProgress::Ended,
                "the deadline has passed, n1 still had 2 sessions: moved",
            ),
            // nobody was there any more when it passed
            (Node { left: Some(0), ..node("drained", MOVE, 0, 0, 0) }, just, DrainProgress::Empty, ""),
            (
                node("draining", MOVE, 0, 2, 0),
                just,
                DrainProgress::Ended,
                "the deadline has passed, n1 still had 2 sessions: moved; 2 requests still open",
            ),
            (node("draining", MOVE, 0, 2, 1), just, DrainProgress::Goes, ""),
            (
                node("draining", MOVE, 0, 0, 1),
                long,
                DrainProgress::Ended,
                "the deadline has passed, n1 still had 2 sessions: moved; 1 socket still open",
            ),
            (
                node("draining", Some(Then::Keep), 1, 1, 1),
                just,
                DrainProgress::Ended,
                "the deadline has passed, n1 has 1 session, 1 request, 1 socket left",
            ),
            (node("ready", MOVE, 1, 0, 0), None, DrainProgress::Undone, ""),
            (node("maintenance", MOVE, 1, 0, 0), just, DrainProgress::Undone, ""),
            (node("down", MOVE, 1, 0, 0), None, DrainProgress::Undone, ""),
            // it is down, and to be drained all the same
            (wanted("down", MOVE, 1, 0, 0), None, DrainProgress::Goes, ""),
            (wanted("down", MOVE, 0, 0, 1), None, DrainProgress::Goes, ""),
            (wanted("down", MOVE, 0, 0, 0), None, DrainProgress::Empty, ""),
            (
                wanted("maintenance", Some(Then::Keep), 1, 0, 0),
                just,
                DrainProgress::Ended,
                "the deadline has passed, n1 has 1 session left",
            ),
        ] {
            assert_eq!(judge(&node, since), seen, "{node:?} {since:?}");
            if seen == DrainProgress::Ended {
                assert_eq!(at_the_end(&node, Some("2 sessions")), said);
            }
        }
        let said = at_the_end(&node("drained", MOVE, 0, 0, 0), None);
        assert_eq!(said, "the deadline had passed already, who was left at n1 was moved");
    }

    #[test]
    fn a_clock_decides_only_where_the_proxy_does_not_say() {
        for (state, over, now, is) in [
            ("draining", Some(false), "13:00:00", false),
            ("draining", Some(true), "11:00:00", true),
            ("drained", Some(false), "12:00:00", false),
            ("draining", None, "12:00:01", false),
            ("draining", None, "12:00:02", true),
            ("drained", None, "11:59:50", false),
            ("drained", None, "11:59:58", true),
        ] {
            let node = Node { over, ..node(state, MOVE, 0, 0, 0) };
            assert_eq!(is_over(&node, &format!("2026-01-01T{now}.000Z")), is, "{state} {over:?} at {now}");
        }
        let node = Node { deadline: None, ..node("draining", MOVE, 1, 0, 0) };
        assert!(!is_over(&node, "2026-01-01T13:00:00.000Z"));
    }
}
