//! Every case over a real table: three nodes, all up unless a case says otherwise, filled in the order of the
//! file.

mod down;
mod keys;
mod replaced;
mod strangers;

use super::*;
use crate::affinity::{KeyRing, Lost, PinMeta};
use crate::base::clock::Now;
use crate::config;
use crate::heartbeat::{Heartbeat, Role, Roles};
use crate::table::compile::{TableContext, adopt, compile};
use crate::table::evidence::{FailureKind, Witness};
use crate::table::{Health, Rise};
use rand::{SeedableRng, rngs::SmallRng};
use std::path::Path;
use std::time::Duration;

const COOKIE: &str = "affinity = { cookie = 'S' }";
const STRICT: &str = "failover = 'strict'\naffinity = { cookie = 'S' }";
const READABLE: &str = "affinity = { cookie = 'S', value = 'route' }";
const KEY: &str = "affinity = { key = 'query:sid', remember = false }";
const LEARN: &str = "affinity = { learn = 'ID' }";
const SESSION: u64 = 7;
const NOW: Now = Now::at(Duration::from_secs(1000));

/// What a case does to the nodes before it asks; nodes by their place in the file, from 0.
enum Do {
    Down(u32),
    /// It answers a client.
    Answers(u32),
    /// A client's request waits in vain, and nobody else speaks for it.
    Late(u32),
    /// The checks of a node that was up begin to fail.
    Fails(u32),
    /// Its check passes: if it is down, then it is held there, or `rise` checks have not passed yet.
    Passes(u32),
    /// Its last good check asked for a drain.
    Drains(u32),
    Unchecked(u32),
    /// Failing traffic set it aside.
    Eject(u32),
    /// A live session of somebody else.
    Fill(u32),
    /// All its places for requests are taken.
    Busy(u32),
    /// The ledger has the session there.
    Seen(u32),
    /// The same, and it was there a moment ago.
    SeenNow(u32),
    /// The session moved, and nobody told the client.
    Moved(u32, u32),
    /// It says that it has restarted.
    Rebooted(u32),
    /// It says that it only tells clients where to go.
    Lb(u32),
}
use Do::{
    Answers, Busy, Down, Drains, Eject, Fails, Fill, Late, Lb, Moved, Passes, Rebooted, Seen, SeenNow,
    Unchecked,
};

/// A cluster of three nodes, with further words for each.
fn cluster(conf: &str, nodes: [&str; 3], done: &[Do]) -> Arc<Cluster> {
    let balance = if conf.contains("balance") { "" } else { "balance = 'first'" };
    let mut text = format!(
        "[listener.web]\nbind = '127.0.0.1:0'\n[[rule]]\ncluster = 'c'\n[cluster.c]\n{balance}\n{conf}\n[cluster.c.nodes]\n"
    );
    for (n, more) in nodes.iter().enumerate() {
        text.push_str(&format!("n{n} = {{ url = 'http://127.0.0.1:{}', {more} }}\n", 8080 + n));
    }
    let loaded = config::parse_str(&text, Path::new("homing.toml"))
        .unwrap_or_else(|found| panic!("{text}\n{found:?}"));
    let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
    let table = compile(Arc::new(loaded.config), &context, None).unwrap();
    adopt(&table, NOW);
    let cluster = table.clusters[0].clone();
    for node in cluster.nodes() {
        node.live.set_health(Health::Up, "", Rise::Found, NOW);
        node.live.evidence.set_check_passes(true);
    }
    let live = |slot: &u32| &cluster.node(*slot).unwrap().live;
    for step in done {
        match step {
            Down(slot) => {
                live(slot).set_health(Health::Down, "", Rise::Found, NOW);
                live(slot).evidence.set_check_passes(false);
            }
            Passes(slot) => drop(live(slot).evidence.set_check_passes(true)),
            Drains(slot) => drop(live(slot).set_check_drains(true)),
            Answers(slot) => live(slot).answered(http::StatusCode::OK, NOW),
            Late(slot) => {
                live(slot).evidence.failed(FailureKind::Late, Witness::default(), 1, 3_600_000, NOW);
            }
            Fails(slot) => {
                assert!(live(slot).evidence.check(true, NOW.ms()));
                live(slot).evidence.set_check_passes(false);
                live(slot).set_health(Health::Down, "", Rise::Found, NOW);
                let nodes: Vec<&Node> = cluster.nodes().map(|node| &**node).collect();
                cluster.live.doubt.look(&cluster.conf.health, &nodes, NOW.ms());
            }
            Unchecked(slot) => drop(live(slot).set_health(Health::Unknown, "", Rise::Found, NOW)),
            Eject(slot) => assert!(live(slot).evidence.failed(
                FailureKind::Refused,
                Witness::default(),
                1,
                3_600_000,
                NOW
            )),
            Fill(slot) => assert_eq!(
                cluster.live.ledger.open(1000 + u64::from(*slot), *slot, 1, &cluster.live.tally(NOW)),
                *slot
            ),
            Busy(slot) => assert!(live(slot).limit.try_enter()),
            Seen(slot) => {
                assert_eq!(cluster.live.ledger.open(SESSION, *slot, 0, &cluster.live.tally(NOW)), *slot)
            }
            SeenNow(slot) => cluster.live.ledger.touch(SESSION, *slot, NOW.secs(), &cluster.live.tally(NOW)),
            Moved(from, to) => drop(cluster.live.remember_move(SESSION, *from, *to, 1)),
            Lb(slot) => {
                let beat = Heartbeat { roles: Roles::new([Role::Lb]).ok(), ..Heartbeat::default() };
                live(slot).report.apply(&beat, 0, u32::MAX, NOW);
            }
            Rebooted(slot) => {
                [(1, false), (2, true)]
                    .into_iter()
                    .for_each(|(boot, rebooted)| live(slot).report.set_boot(boot, rebooted, NOW));
            }
        }
    }
    for node in cluster.nodes() {
        cluster.live.rescore(node.live.slot, NOW);
    }
    cluster
}

fn pin(slots: &'static [u32]) -> FoundPin<'static> {
    FoundPin::Pin { slots, via: Via::Cookie }
}

fn facts() -> DecisionInput<'static> {
    DecisionInput { tried: &[], hint: None, waited: false, now: NOW, dry: false }
}

/// The decision as a line: `n1 moved:down was 0`, `n1 cookie honoured`, `wait`, `strict`, `full`, `no-node`.
fn decided(cluster: &Cluster, found: FoundPin<'_>, facts: &DecisionInput<'_>) -> String {
    said(cluster, &PinLookup { found, session: Some(SESSION), stamp: PinMeta::default() }, facts)
}

fn said(cluster: &Cluster, reading: &PinLookup<'_>, facts: &DecisionInput<'_>) -> String {
    match decide(cluster, reading, facts, &mut SmallRng::seed_from_u64(1)) {
        Decision::Serve(verdict) => {
            let was = verdict.was.map(|slot| format!(" was {slot}")).unwrap_or_default();
            let honoured = if verdict.honoured { " honoured" } else { "" };
            format!("{} {}{was}{honoured}", verdict.node.spec.name, verdict.why.word())
        }
        Decision::Wait => "wait".into(),
        Decision::Refuse(Refusal::Strict) => "strict".into(),
        Decision::Refuse(Refusal::Full) => "full".into(),
        Decision::Refuse(Refusal::NoNode) => "no-node".into(),
        Decision::Refuse(Refusal::Disabled) => "disabled".into(),
    }
}

struct Case<'a> {
    name: &'a str,
    conf: &'a str,
    nodes: [&'a str; 3],
    done: &'a [Do],
    found: FoundPin<'a>,
    facts: DecisionInput<'a>,
    expected: &'a str,
}

/// A cookie cluster whose nodes are all up, asked by a client that names the middle one.
fn case<'a>(name: &'a str, done: &'a [Do], expected: &'a str) -> Case<'a> {
    Case { name, conf: COOKIE, nodes: [""; 3], done, found: pin(&[1]), facts: facts(), expected }
}

fn run(cases: Vec<Case<'_>>) {
    for case in cases {
        let cluster = cluster(case.conf, case.nodes, case.done);
        assert_eq!(decided(&cluster, case.found, &case.facts), case.expected, "{}", case.name);
    }
}

#[test]
fn a_pin_is_followed_while_its_node_keeps_sessions() {
    const FULL: [&str; 3] = ["", "max-sessions = 1", ""];
    const DRAINING: [&str; 3] = ["", "state = 'draining'", ""];
    const MAINTENANCE: [&str; 3] = ["", "state = 'maintenance'", ""];
    run(vec![
        case("up", &[], "n1 cookie honoured"),
        Case {
            found: FoundPin::Pin { slots: &[1], via: Via::Route },
            ..case("by route", &[], "n1 route honoured")
        },
        Case {
            found: FoundPin::Ledger { via: Via::Learned },
            ..case("learned", &[Seen(2)], "n2 learned honoured")
        },
        Case {
            found: FoundPin::Ledger { via: Via::Key },
            ..case("remembered key", &[Seen(2)], "n2 key honoured")
        },
        Case { nodes: FULL, ..case("full", &[Fill(1)], "n1 cookie honoured") },
        Case { nodes: DRAINING, ..case("draining", &[], "n1 cookie honoured") },
        Case { nodes: ["", "weight = 0", ""], ..case("weight 0", &[], "n1 cookie honoured") },
        case("down", &[Down(1)], "n0 moved:down was 1"),
        Case {
            found: FoundPin::Ledger { via: Via::Learned },
            ..case("restarted", &[Seen(2), Rebooted(2)], "n0 moved:rebooted was 2")
        },
        Case {
            found: FoundPin::Ledger { via: Via::Learned },
            ..case("seen since", &[Seen(2), SeenNow(2), Rebooted(2)], "n2 learned honoured")
        },
        case("every check fails: the checks are doubted", &[Down(0), Down(1), Down(2)], "n1 cookie honoured"),
        Case {
            facts: DecisionInput { tried: &[1], ..facts() },
            ..case("doubted once", &[Down(0), Down(1), Down(2)], "n0 moved:down was 1")
        },
        case("ejected", &[Eject(1)], "n0 moved:down was 1"),
        Case { nodes: DRAINING, ..case("draining and down", &[Down(1)], "n0 moved:draining was 1") },
        Case { nodes: MAINTENANCE, ..case("maintenance", &[], "n0 moved:draining was 1") },
        Case { found: pin(&[9]), ..case("no such node", &[], "n0 moved:unknown-route was 9") },
        case("not yet checked", &[Unchecked(1)], "wait"),
        Case {
            facts: DecisionInput { waited: true, ..facts() },
            ..case("check is late", &[Unchecked(1)], "n1 cookie honoured")
        },
        Case {
            facts: DecisionInput { tried: &[1], ..facts() },
            ..case("tried in vain", &[], "n0 moved:down was 1")
        },
        Case {
            facts: DecisionInput { tried: &[1, 0], ..facts() },
            ..case("two tried", &[], "n2 moved:down was 1")
        },
        Case { found: pin(&[1, 2]), ..case("a shared value", &[Down(1)], "n2 cookie honoured") },
        Case {
            found: pin(&[1, 2]),
            ..case("a shared value, one unchecked", &[Down(1), Unchecked(2)], "wait")
        },
        Case {
            found: pin(&[2, 1]),
            ..case("a shared value, all down", &[Down(1), Down(2)], "n0 moved:down was 2")
        },
    ]);
}

#[test]
fn who_has_no_node_is_placed() {
    const FULL: [&str; 3] = ["max-sessions = 1"; 3];
    const ONE_REQUEST: [&str; 3] = ["max-requests = 1", "max-requests = 1", "state = 'draining'"];
    let new = |name, done, expected| Case { found: FoundPin::Absent, ..case(name, done, expected) };
    let lost = |lost, expected| Case { found: FoundPin::Lost(lost), ..case("lost", &[], expected) };
    let waited = DecisionInput { waited: true, ..facts() };
    let hint = |slot| DecisionInput { hint: Some(slot), ..facts() };
    run(vec![
        new("new", &[], "n0 new"),
        Case { conf: "", ..new("no affinity", &[], "n0 none") },
        Case { found: FoundPin::Ledger { via: Via::Learned }, ..case("not in the ledger", &[], "n0 new") },
        lost(Lost::UnknownRoute, "n0 moved:unknown-route"),
        lost(Lost::Tampered, "n0 moved:tampered"),
        lost(Lost::Expired, "n0 moved:expired"),
        new("the first is down", &[Down(0)], "n1 new"),
        Case { nodes: FULL, ..new("the first is full", &[Fill(0)], "n1 new") },
        Case { nodes: FULL, ..new("all full", &[Fill(0), Fill(1), Fill(2)], "full") },
        Case { nodes: FULL, ..new("full or down", &[Fill(0), Down(1), Down(2)], "full") },
        Case { nodes: ["state = 'draining'", "weight = 0", ""], ..new("draining", &[], "n2 new") },
        Case { nodes: ["state = 'draining'"; 3], ..new("all draining", &[], "no-node") },
        Case { nodes: ["state = 'maintenance'"; 3], ..new("all in maintenance", &[], "no-node") },
        Case { nodes: ["backup = true", "", ""], ..new("a backup", &[], "n1 new") },
        Case { nodes: ["backup = true", "", ""], ..new("only the backup", &[Down(1), Down(2)], "n0 new") },
        new("one is unchecked", &[Unchecked(0)], "n1 new"),
        new("none is checked", &[Unchecked(0), Unchecked(1), Unchecked(2)], "wait"),
        new("some down, some unchecked", &[Down(0), Down(1), Unchecked(2)], "wait"),
        Case {
            facts: waited,
            ..new("checks are late", &[Unchecked(0), Unchecked(1), Unchecked(2)], "n0 new")
        },
        new("all down: all are tried", &[Down(0), Down(1), Down(2)], "n0 new"),
        Case {
            facts: DecisionInput { tried: &[0], ..facts() },
            ..new("all down, next", &[Down(0), Down(1), Down(2)], "n1 new")
        },
        Case { facts: DecisionInput { tried: &[0, 1, 2], ..facts() }, ..new("all tried", &[], "no-node") },
        Case { nodes: ONE_REQUEST, ..new("one is busy", &[Busy(0)], "n1 new") },
        Case {
            nodes: ONE_REQUEST,
            facts: DecisionInput { tried: &[0], ..facts() },
            ..new("busy: wait there", &[Busy(0), Busy(1)], "n1 new")
        },
        Case { facts: hint(2), ..new("after a sibling", &[], "n2 new") },
        Case { facts: hint(2), ..new("the sibling's node is down", &[Down(2)], "n0 new") },
        Case {
            facts: DecisionInput { tried: &[2], ..hint(2) },
            ..new("the sibling's node was tried", &[], "n0 new")
        },
        Case {
            nodes: ["", "", "state = 'draining'"],
            facts: hint(2),
            ..new("a sibling is a session already", &[], "n2 new")
        },
    ]);
}

#[test]
fn nobody_is_sent_to_a_disabled_cluster() {
    let off = |name, done, found| Case { conf: "disabled = true", found, ..case(name, done, "disabled") };
    run(vec![
        off("a pin", &[], pin(&[1])),
        off("new", &[], FoundPin::Absent),
        off("unchecked", &[Unchecked(1)], pin(&[1])),
    ]);
}

#[test]
fn strict_sessions_wait_for_their_node() {
    let strict = |name, done, expected| Case { conf: STRICT, ..case(name, done, expected) };
    run(vec![
        strict("up", &[], "n1 cookie honoured"),
        strict("down", &[Down(1)], "strict"),
        strict("ejected", &[Eject(1)], "strict"),
        strict("unchecked", &[Unchecked(1)], "wait"),
        strict(
            "every check fails: the checks are doubted",
            &[Down(0), Down(1), Down(2)],
            "n1 cookie honoured",
        ),
        Case {
            facts: DecisionInput { tried: &[1], ..facts() },
            ..strict("doubted once", &[Down(0), Down(1), Down(2)], "strict")
        },
        Case {
            nodes: ["", "state = 'maintenance'", ""],
            ..strict("maintenance", &[Down(0), Down(2)], "strict")
        },
        Case { nodes: ["", "state = 'draining'", ""], ..strict("draining", &[], "n1 cookie honoured") },
        Case { found: pin(&[9]), ..strict("no such node", &[], "strict") },
        Case { found: FoundPin::Absent, ..strict("new", &[], "n0 new") },
        Case { found: FoundPin::Lost(Lost::Expired), ..strict("expired", &[], "n0 moved:expired") },
    ]);
}

#[test]
fn a_moved_session_does_not_flip_back() {
    run(vec![
        case("moved on", &[Moved(1, 2)], "n2 cookie"),
        case("moved on, and the old node is down", &[Moved(1, 2), Down(1)], "n2 cookie"),
        case("moved on, and the new node is not yet checked", &[Moved(1, 2), Unchecked(2)], "wait"),
        case("the new node is down", &[Moved(1, 2), Down(2)], "n1 cookie honoured"),
        case("moved from elsewhere", &[Moved(0, 2)], "n1 cookie honoured"),
        Case {
            facts: DecisionInput { tried: &[2], ..facts() },
            ..case("the new node was tried", &[Moved(1, 2)], "n1 cookie honoured")
        },
        Case {
            conf: READABLE,
            ..case("who only seems to be the same is not followed", &[Moved(1, 2)], "n1 cookie honoured")
        },
    ]);
}

#[test]
fn b1_a_node_that_tells_clients_where_to_go_is_given_none() {
    let strict = |case: Case<'static>| Case { conf: STRICT, ..case };
    run(vec![
        case("by its own word", &[Lb(1)], "n0 moved:draining was 1"),
        Case {
            nodes: ["", "roles = ['lb']", ""],
            ..case("by the conf file", &[], "n0 moved:draining was 1")
        },
        strict(case("nobody waits for it", &[Lb(1)], "n0 moved:draining was 1")),
        strict(case("not even when it is down", &[Lb(1), Down(1)], "n0 moved:draining was 1")),
        case("unchecked", &[Lb(1), Unchecked(1)], "n0 moved:draining was 1"),
        Case { found: FoundPin::Absent, ..case("new", &[Lb(0)], "n1 new") },
        Case { found: FoundPin::Absent, ..case("all others down", &[Lb(0), Down(1), Down(2)], "n1 new") },
        Case { found: FoundPin::Absent, ..case("alone", &[Lb(0), Lb(1), Lb(2)], "no-node") },
        Case {
            conf: "mode = 'shared'\naffinity = { cookie = 'S' }",
            ..case("in a shared cluster", &[Lb(1)], "n1 cookie honoured")
        },
    ]);
}
