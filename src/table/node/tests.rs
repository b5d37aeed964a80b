use super::*;
use crate::heartbeat::Heartbeat;

/// A node that the ledger has ten sessions on, and that told of so many.
fn telling(sessions: u32) -> NodeLive {
    let live = NodeLive::new("n1".into(), 0);
    live.sessions.store(10, Relaxed);
    live.report.apply(&Heartbeat { sessions: Some(sessions), ..Heartbeat::default() }, 10, 5000, Now::look());
    live
}

#[test]
fn a_node_has_never_fewer_sessions_than_were_seen_there_lately() {
    // told, of ten not seen lately, all of them
    for (told, stale, all) in
        [(0, 0, 10), (0, 4, 6), (0, 10, 0), (3, 0, 10), (3, 9, 3), (40, 0, 40), (40, 10, 40), (10, 0, 10)]
    {
        let live = telling(told);
        live.fill.unseen(stale);
        assert_eq!(
            (live.all_sessions(), live.reported_sessions()),
            (all, told),
            "told {told}, {stale} stale"
        );
    }
}

#[test]
fn whoever_ends_hides_nobody_who_was_seen_lately() {
    let live = telling(0);
    live.fill.unseen(4);
    // those four fall idle, until they are counted anew nobody else is missing
    live.sessions.store(6, Relaxed);
    live.fill.ended(4);
    assert_eq!(live.all_sessions(), 6);
    live.sessions.store(5, Relaxed);
    live.fill.ended(1);
    assert_eq!(live.all_sessions(), 5, "one that the application ended is over at once");
}
