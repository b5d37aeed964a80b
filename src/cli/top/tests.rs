use super::board::Sort;
use super::*;
use crate::admin::operate::NodeAction;
use serde_json::{Value, json};

fn node(name: &str, state: &str, sessions: u64, requests: u64) -> Value {
    json!({
        "node": name, "url": "http://127.0.0.1:1", "route": name, "state": state, "why": format!("because {state}"),
        "since": "2026-01-01T00:00:00.000Z", "sessions": sessions, "capacity": 200, "in_flight": 0, "weight": 100, "load": 20,
        "version": null, "set_by": "file", "share": 0.5, "deadline": null, "rank": null, "requests": requests, "heartbeat_ms": null,
    })
}

fn status(requests: u64) -> Status {
    let steps = [json!({"le": 0.01, "count": requests / 2}), json!({"le": 0.1, "count": requests})];
    let traffic = |requests: u64| {
        json!({
            "requests": requests, "codes": {"200": requests / 2, "502": requests / 2}, "whys": {}, "moved": {}, "bytes": 0, "retries": 0,
            "tunnels": 0, "duration": {"count": requests, "sum": 1.0, "p50_ms": 1.0, "p90_ms": 1.0, "p99_ms": 1.0, "steps": steps},
        })
    };
    let mut status = crate::admin::status::nothing();
    (status.time, status.started) = ("2026-01-01T00:00:09.000Z".into(), "then".into());
    let nodes = [node("n1", "ready", 3, requests), node("n2", "draining", 7, 0), node("n3", "down", 0, 0)];
    let cluster = json!({
        "cluster": "shop", "state": "degraded", "serving": 2, "balance": "least-sessions", "settings": "", "sessions": 10, "capacity": 400,
        "bypass_refused": 0, "in_flight": 0, "ledger": {"entries": 10, "limit": 100, "evicted": 0}, "traffic": traffic(requests),
        "nodes": nodes,
    });
    status.clusters = vec![serde_json::from_value(cluster).unwrap()];
    status
}

/// The first words of the table's lines.
fn names(board: &Board) -> Vec<String> {
    let lines = frame(board);
    let table = lines.lines().skip_while(|line| !line.starts_with("NODE")).skip(1).take(4);
    table.map(|line| line.split_whitespace().next().unwrap_or_default().to_owned()).collect()
}

fn key(board: &mut Board, code: KeyCode) -> Option<Order> {
    match press(board, KeyEvent::new(code, KeyModifiers::NONE)) {
        Pressed::Go(order) => Some(order),
        Pressed::Quit | Pressed::Shown => None,
    }
}

#[test]
fn a_frame_has_the_snapshot_and_the_rates_since_the_one_before() {
    let mut board = Board::new(status(1000));
    board.take(Instant::now() + Duration::from_secs(2), status(1400));
    let text = frame(&board);
    assert!(text.contains("200 requests/s, 100 errors/s"), "{text}");
    let of = |name: &str| {
        text.lines()
            .find(|line| line.trim_start().starts_with(name))
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(of("shop")[..7], ["shop", "degraded", "10/400", "0", "200", "100", "10.0/98.2"], "{text}");
    assert_eq!(of("n1")[..9], ["n1", "ready", "9", "s", "3/200", "0", "200", "100/20", "50"], "{text}");
    assert!(text.contains("because draining") && text.contains("2 of 3 nodes serve"), "{text}");
    board.take(Instant::now(), Status { started: "later".into(), ..status(1) });
    assert!(frame(&board).contains(" 0 requests/s"), "another process begins anew");
    board.trouble = Some("no proxy\nmore".into());
    assert!(frame(&board).contains("no proxy; what follows is of 2026-01-01T00:00:09.000Z"));
}

#[test]
fn nodes_are_sorted_below_their_cluster() {
    let mut board = Board::new(status(0));
    board.take(Instant::now() + Duration::from_secs(1), status(10));
    for (sort, order) in [
        (Sort::File, ["shop", "n1", "n2", "n3"]),
        (Sort::Sessions, ["shop", "n2", "n1", "n3"]),
        (Sort::Rate, ["shop", "n1", "n2", "n3"]),
        (Sort::State, ["shop", "n2", "n3", "n1"]),
    ] {
        assert_eq!((board.sort, names(&board)), (sort, order.map(String::from).to_vec()));
        key(&mut board, KeyCode::Char('s'));
    }
}

#[test]
fn what_changes_a_node_is_asked_first() {
    let mut board = Board::new(status(0));
    assert_eq!(key(&mut board, KeyCode::Char('y')), None, "nothing was asked");
    [KeyCode::Down, KeyCode::Char('d')].into_iter().for_each(|code| assert_eq!(key(&mut board, code), None));
    let drain = Order { verb: NodeAction::Drain, cluster: "shop".into(), node: "n2".into() };
    assert_eq!(board.asked.as_ref(), Some(&drain));
    // the answer is of the node that was asked about, whatever is sorted meanwhile
    board.sort = Sort::State;
    assert_eq!(key(&mut board, KeyCode::Char('y')), Some(drain));
    [KeyCode::End, KeyCode::Char('e')].into_iter().for_each(|code| drop(key(&mut board, code)));
    assert_eq!(board.asked.as_ref().map(|order| &*order.node), Some("n1"));
    assert_eq!((key(&mut board, KeyCode::Char('q')), board.asked.is_none()), (None, true), "no is no");
    assert!(matches!(
        press(&mut board, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)),
        Pressed::Quit
    ));
    assert!(
        matches!(
            press(&mut Board::new(crate::admin::status::nothing()), KeyCode::Char('d').into()),
            Pressed::Shown
        ),
        "no nodes"
    );
}
