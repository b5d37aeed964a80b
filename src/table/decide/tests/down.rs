//! Pins of a node that is down, and when checks are doubted.

use super::*;
use crate::table::doubt::DoubtOutcome;

#[test]
fn pins_of_a_node_that_is_down_follow_what_clients_see_or_its_check() {
    const CHECK: &str = "affinity = { cookie = 'S' }\nhealth = { pinned = 'check' }";
    const DRAINING: [&str; 3] = ["", "state = 'draining'", ""];
    let check = |name, done, expected| Case { conf: CHECK, ..case(name, done, expected) };
    let key = |name, done, expected| Case {
        conf: KEY,
        found: FoundPin::Key { hash: SESSION },
        ..case(name, done, expected)
    };
    let ledger = |name, done, expected| Case {
        found: FoundPin::Ledger { via: Via::Learned },
        ..case(name, done, expected)
    };
    run(vec![
        case("its check fails and it answers clients", &[Down(1), Answers(1)], "n1 cookie honoured"),
        case("its check fails and it answered nobody", &[Down(1)], "n0 moved:down was 1"),
        case("others answer", &[Down(1), Answers(0), Answers(2)], "n0 moved:down was 1"),
        case("it waits in vain where it answers nobody", &[Late(1)], "n1 cookie honoured"),
        case("and its check fails", &[Late(1), Down(1)], "n0 moved:down was 1"),
        case("nobody listens", &[Answers(1), Eject(1)], "n0 moved:down was 1"),
        case("nobody listens, and its check fails", &[Answers(1), Eject(1), Down(1)], "n0 moved:down was 1"),
        case("it fails alone", &[Fails(1)], "n0 moved:down was 1"),
        case("it is held down, and its check passes", &[Down(1), Passes(1)], "n1 cookie honoured"),
        case("and its clients wait in vain", &[Down(1), Passes(1), Late(1)], "n1 cookie honoured"),
        case("and nobody listens", &[Down(1), Passes(1), Eject(1)], "n0 moved:down was 1"),
        case("its check passes again, not yet often enough", &[Fails(1), Passes(1)], "n1 cookie honoured"),
        case("it asked for a drain, and fails now", &[Down(1), Drains(1)], "n0 moved:down was 1"),
        case("most fail at once", &[Fails(0), Fails(1)], "n1 cookie honoured"),
        case(
            "most fail at once, and its clients wait in vain",
            &[Fails(0), Fails(1), Late(1)],
            "n2 moved:down was 1",
        ),
        case("it was down before most failed", &[Down(1), Fails(0), Fails(2)], "n1 cookie honoured"),
        Case {
            facts: DecisionInput { tried: &[1], ..facts() },
            ..case("it refused this one", &[Down(1), Answers(1)], "n0 moved:down was 1")
        },
        Case { nodes: DRAINING, ..case("it is drained too", &[Down(1), Answers(1)], "n1 cookie honoured") },
        Case { nodes: DRAINING, ..case("it is drained, and dead", &[Down(1)], "n0 moved:draining was 1") },
        case("where it was moved to", &[Moved(1, 2), Down(2), Answers(2)], "n2 cookie"),
        check("the check decides", &[Down(1), Answers(1)], "n0 moved:down was 1"),
        check("it is held down, and its check passes", &[Down(1), Passes(1)], "n1 cookie honoured"),
        check("its check passes, not yet often enough", &[Fails(1), Passes(1)], "n0 moved:down was 1"),
        check("also of most", &[Fails(0), Fails(1)], "n2 moved:down was 1"),
        check("and what set it aside", &[Late(1)], "n0 moved:down was 1"),
        ledger("as the ledger knows", &[Seen(1), Down(1), Answers(1)], "n1 learned honoured"),
        ledger("and of most", &[Seen(1), Fails(0), Fails(1)], "n1 learned honoured"),
        ledger("or has nobody to speak for it", &[Seen(1), Down(1)], "n0 moved:down was 1"),
        Case { found: FoundPin::Absent, ..case("new ones avoid it", &[Down(0), Answers(0)], "n1 new") },
        Case { found: FoundPin::Absent, ..case("and one that is held", &[Down(0), Passes(0)], "n1 new") },
        Case { found: FoundPin::Absent, ..case("and those that most fail", &[Fails(0), Fails(1)], "n2 new") },
    ]);
    // where the key falls while all are well
    let home = decided(&cluster(KEY, [""; 3], &[]), FoundPin::Key { hash: SESSION }, &facts());
    let at = home[1..2].parse::<u32>().unwrap();
    let stays = format!("n{at} key");
    run(vec![
        key("a key that is there", &[Seen(at), Down(at), Answers(at)], &stays),
        key("a key of most", &[Seen(at), Fails(at), Fails((at + 1) % 3)], &stays),
    ]);
    let elsewhere =
        decided(&cluster(KEY, [""; 3], &[Down(at), Answers(at)]), FoundPin::Key { hash: SESSION }, &facts());
    assert_ne!(elsewhere, stays, "a new key avoids it");
}

#[test]
fn a_node_that_is_only_set_aside_is_tried_where_nobody_else_is_left() {
    const DRAINING: [&str; 3] = ["state = 'draining'", "", ""];
    let tried = |name, done, tried, expected| Case {
        facts: DecisionInput { tried, ..facts() },
        ..case(name, done, expected)
    };
    let new = |case: Case<'static>| Case { found: FoundPin::Absent, ..case };
    let strict = |case: Case<'static>| Case { conf: STRICT, ..case };
    run(vec![
        tried("another is ready", &[Eject(0)], &[1], "n2 moved:down was 1"),
        tried("the others died", &[Eject(0)], &[1, 2], "n0 moved:down was 1"),
        tried("one died, and one is down by its check", &[Eject(0), Down(2)], &[1], "n0 moved:down was 1"),
        tried("it was tried too", &[Eject(0), Down(2)], &[1, 0], "no-node"),
        tried("its check calls it down", &[Eject(0), Down(0)], &[1, 2], "no-node"),
        Case { nodes: DRAINING, ..tried("it is drained", &[Eject(0)], &[1, 2], "no-node") },
        new(tried("somebody new", &[Eject(0)], &[1, 2], "n0 new")),
        tried("its own session", &[Eject(1)], &[0, 2], "n1 cookie honoured"),
        tried("its own session, while another is ready", &[Eject(1)], &[0], "n2 moved:down was 1"),
        strict(tried(
            "its own session, kept for it",
            &[Eject(1), Down(0), Down(2)],
            &[],
            "n1 cookie honoured",
        )),
        strict(tried("another's, kept for that", &[Eject(0)], &[1, 2], "strict")),
    ]);
}

#[test]
fn what_a_node_tells_is_obeyed_while_it_is_held_down() {
    let state = |done: &[Do]| cluster(COOKIE, [""; 3], done).node(1).unwrap().state(NOW);
    assert_eq!(state(&[Down(1), Passes(1)]), State::Down);
    assert_eq!(state(&[Down(1), Passes(1), Drains(1)]), State::Draining);
    assert_eq!(state(&[Down(1), Drains(1)]), State::Down, "a check that fails tells nothing");
    assert_eq!(state(&[Down(1), Passes(1), Lb(1)]), State::Down);
}

#[test]
fn checks_that_are_not_there_yet_are_not_those_that_fail() {
    let cluster = cluster(COOKIE, [""; 3], &[Unchecked(0), Unchecked(1), Unchecked(2)]);
    let (doubt, nodes) = (&cluster.live.doubt, cluster.nodes().map(|node| &**node).collect::<Vec<_>>());
    let check = |slot: usize, fails| {
        nodes[slot].live.evidence.check(fails, 1000);
        nodes[slot].live.evidence.set_check_passes(!fails);
        let news = doubt.look(&cluster.conf.health, &nodes, 1000);
        nodes[slot].live.set_health(if fails { Health::Down } else { Health::Up }, "", Rise::Found, NOW);
        news
    };
    assert_eq!(
        [check(0, true), check(1, false), check(2, true)],
        [None, None, Some(DoubtOutcome::Begun(2, 3))]
    );
}

#[test]
fn checks_are_doubted_when_most_nodes_begin_to_fail_them_at_once() {
    let cluster = cluster(COOKIE, [""; 3], &[]);
    let (doubt, nodes) = (&cluster.live.doubt, cluster.nodes().map(|node| &**node).collect::<Vec<_>>());
    let check = |slot: usize, fails, at| {
        nodes[slot].live.evidence.check(fails, at);
        nodes[slot].live.evidence.set_check_passes(!fails);
        nodes[slot].live.set_health(if fails { Health::Down } else { Health::Up }, "", Rise::Found, NOW);
        doubt.look(&cluster.conf.health, &nodes, at)
    };
    // two intervals apart is not at once: an interval of 2 s, its tenth, and 1 s for a check
    assert_eq!((check(0, true, 10_000), check(1, true, 13_201)), (None, None));
    assert_eq!((check(0, false, 20_000), check(1, false, 20_001)), (None, None));
    assert_eq!((check(0, true, 30_000), check(1, true, 33_200)), (None, Some(DoubtOutcome::Begun(2, 3))));
    assert_eq!((check(2, true, 90_000), check(2, false, 91_000)), (None, None), "a third changes nothing");
    assert!(doubt.is_any(u64::MAX - 1), "it lasts while most fail");
    assert_eq!(check(0, false, 100_000), Some(DoubtOutcome::Passed));
    assert!(
        doubt.is_any(105_999) && !doubt.is_any(106_000),
        "rise intervals, and one in which the others come to theirs"
    );
    // one that is left behind is no common cause
    assert_eq!((check(0, true, 200_000), doubt.is_any(200_000)), (None, false));
}
