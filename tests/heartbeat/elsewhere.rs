//! A node that was accepted at one address and is announced at another.

use crate::fleet::Fleet;
use crate::support::{Client, Origin, until};
use serde_json::{Value, json};

/// A fleet that asks, and its one node, which was accepted and serves.
fn accepted(node: &Origin, more: Value) -> Fleet {
    let fleet = Fleet::over([], "join = { admit = \"ask\" }");
    assert_eq!(fleet.beat_as("n1", &node.url(), more)["state"], "pending");
    assert_eq!(fleet.homing(&["accept", "app/n1"]).code, 0);
    fleet.node_is("n1", "ready");
    fleet
}

/// The node as status has it.
fn n1(fleet: &Fleet) -> Value {
    fleet.get("/api/clusters/app/nodes/n1").json()
}

/// Whether its state says, next to what it is, that it waits at that address.
fn waits(why: &Value, at: &Origin) -> bool {
    let text =
        format!("announced itself at {} too, which waits to be accepted: homing accept app/n1", at.url());
    why.as_str().unwrap().contains(&text)
}

#[test]
fn an_accepted_node_serves_on_while_another_address_of_its_waits() {
    let (first, second) = (Origin::start("first"), Origin::start("second"));
    let said = json!({"load": 7, "sessions": 3, "boot": "a", "sequence": 1});
    let fleet = accepted(&first, said);
    let mut user = Client::with_jar(fleet.proxy.addr);
    assert_eq!(user.get("/").node(), "first");
    let before = n1(&fleet);
    // whoever it is, he is answered as the node is, and nothing that he says is the node's
    let other = json!({"load": 100, "sessions": 99, "capacity": 1, "state": "draining", "version": "9", "boot": "b", "sequence": 1});
    for _ in 0..3 {
        let answer = fleet.beat_as("n1", &second.url(), other.clone());
        assert!(answer["state"] == "ready" && waits(&answer["why"], &second), "{answer}");
    }
    let now = n1(&fleet);
    assert!(waits(&now["why"], &second), "{now}");
    for key in ["state", "url", "load", "sessions", "capacity", "version", "since"] {
        assert_eq!(now[key], before[key], "{key}");
    }
    fleet.proxy.log.says("waits to be accepted: homing accept app/n1");
    let said = |what: &str| fleet.proxy.log.all().iter().filter(|line| line.contains(what)).count();
    assert_eq!(said("waits to be accepted: homing accept app/n1"), 1, "the log says it once");
    assert_eq!(
        (user.get("/on").node(), fleet.proxy.why("/on"), second.hits()),
        ("first", "cookie".into(), 0)
    );
    // the node itself speaks: it is where it was
    let answer = fleet.beat_as("n1", &first.url(), json!({"boot": "a", "sequence": 2}));
    assert!(
        answer["state"] == "ready" && !waits(&answer["why"], &second) && !waits(&n1(&fleet)["why"], &second),
        "{answer}"
    );
    assert_ne!(fleet.homing(&["accept", "app/n1"]).code, 0, "nothing waits");
    assert_eq!(user.get("/still").node(), "first");
    assert_eq!((fleet.proxy.why("/still"), said("has restarted")), ("cookie".into(), 0));
    // where it does not answer any more, whoever looks reads what to do
    fleet.beat_as("n1", &second.url(), json!({}));
    assert_eq!(said("waits to be accepted: homing accept app/n1"), 1, "not even when the two take turns");
    first.kill();
    assert!(waits(&fleet.node_is("n1", "down")["why"], &second));
}

#[test]
fn another_address_is_taken_once_it_is_accepted() {
    let (first, second, third) = (Origin::start("first"), Origin::start("second"), Origin::start("third"));
    let mut fleet = accepted(&first, json!({}));
    fleet.beat_as("n1", &third.url(), json!({}));
    fleet.beat_as("n1", &second.url(), json!({}));
    assert!(
        waits(&n1(&fleet)["why"], &second) && !waits(&n1(&fleet)["why"], &third),
        "one waits, the newest"
    );
    // over a restart too
    let file = fleet.proxy.folder().join("state/heartbeats.json");
    until("it is written down", || {
        std::fs::read_to_string(&file).ok()?.contains(&second.url()).then_some(())
    });
    fleet.window.kill_and_start_again();
    let now = fleet.node_is("n1", "ready");
    assert!(waits(&now["why"], &second) && now["url"] == first.url(), "{now}");
    assert_eq!((Client::new(fleet.proxy.addr).get("/").node(), second.hits()), ("first", 0));
    let done = fleet.homing(&["accept", "app/n1"]);
    assert!(done.code == 0 && done.out.contains(&second.url()), "{done:?}");
    let now = fleet.node_is("n1", "ready");
    assert!(now["url"] == second.url() && !waits(&now["why"], &second), "{now}");
    until("it serves", || (Client::new(fleet.proxy.addr).get("/").node() == "second").then_some(()));
    assert_eq!(third.hits(), 0);
    // where it was before is the other address now
    assert!(waits(&fleet.beat_as("n1", &first.url(), json!({}))["why"], &first));
    assert_eq!(n1(&fleet)["url"], second.url());
}

#[test]
fn an_address_that_admit_covers_is_taken_at_once() {
    for (admit, at_once) in
        [("\"ask\"", false), ("\"token\"", true), ("[\"127.0.0.0/8\"]", true), ("[\"10.0.0.0/8\"]", false)]
    {
        let (first, second) = (Origin::start("first"), Origin::start("second"));
        let fleet = Fleet::over([], &format!("join = {{ admit = {admit} }}"));
        if fleet.beat_as("n1", &first.url(), json!({}))["state"] == "pending" {
            assert_eq!(fleet.homing(&["accept", "app/n1"]).code, 0);
        }
        fleet.node_is("n1", "ready");
        assert_eq!(
            waits(&fleet.beat_as("n1", &second.url(), json!({}))["why"], &second),
            !at_once,
            "{admit}"
        );
        assert_eq!(n1(&fleet)["url"], if at_once { second.url() } else { first.url() }, "{admit}");
        let serves = if at_once { "second" } else { "first" };
        fleet.node_is("n1", "ready");
        assert_eq!(Client::new(fleet.proxy.addr).get("/").node(), serves, "{admit}");
    }
}

#[test]
fn another_spelling_is_no_other_address() {
    let node = Origin::start("n1");
    let fleet = accepted(&node, json!({}));
    let port = node.url().rsplit_once(':').unwrap().1.to_owned();
    for (n, host) in [
        "http://127.0.0.1",
        "HTTP://127.0.0.1",
        "http://localhost",
        "http://LocalHost",
        "http://[::ffff:127.0.0.1]",
    ]
    .iter()
    .enumerate()
    {
        for slash in ["", "/"] {
            let answer = fleet.beat_as("n1", &format!("{host}:{port}{slash}"), json!({"load": n}));
            assert!(
                answer["state"] == "ready" && !answer["why"].as_str().unwrap().contains("accept"),
                "{host}: {answer}"
            );
            assert_eq!(
                (n1(&fleet)["url"].as_str(), n1(&fleet)["load"].as_u64()),
                (Some(&*node.url()), Some(n as u64)),
                "{host}"
            );
        }
    }
}
