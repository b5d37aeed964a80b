//! What joined can be forgotten: by hand, by a pattern, and by its silence.

use crate::fleet::{Fleet, of};
use crate::support::wait::a_second_passes;
use crate::support::{Client, Conf, Origin, free_addr, until};
use crate::window::homing;
use serde_json::{Value, json};

fn names(fleet: &Fleet) -> Vec<String> {
    let nodes = fleet.status()["clusters"][0]["nodes"].as_array().unwrap().clone();
    nodes.iter().map(|node| node["node"].as_str().unwrap().to_owned()).collect()
}

/// A fleet that these have announced themselves to, and nobody has answered at.
fn waiting(conf: Conf, who: &[&str]) -> Fleet {
    let fleet = Fleet::with(conf.affinity(r#"{ cookie = "HOMING" }"#).cluster("slow-start = \"0s\""));
    for name in who {
        assert_eq!(fleet.beat_as(name, &format!("http://{}", free_addr()), json!({}))["state"], "pending");
    }
    fleet
}

#[test]
fn a_node_that_waits_is_turned_away_and_begins_anew() {
    let node = Origin::start("n1");
    let mut fleet = waiting(Conf::over([&node]), &["n2", "n3"]);
    let said = fleet.homing(&["remove", "app/n2"]);
    assert!(said.code == 1 && said.err.contains("homing forget app/n2"), "it was never in: {said:?}");
    let said = fleet.homing(&["forget", "app/n2"]);
    assert!(said.code == 0 && said.out.contains("- node n2"), "{said:?}");
    assert_eq!(names(&fleet), ["n1", "n3"]);
    fleet.window.kill_and_start_again();
    assert_eq!(names(&fleet), ["n1", "n3"], "and no restart brings it back");
    assert_eq!(fleet.beat_as("n2", "http://127.0.0.1:9", json!({}))["state"], "pending", "it is a new one");
    let said = fleet.homing(&["forget", "app/n1"]);
    assert!(said.code == 1 && said.err.contains("in the conf file"), "{said:?}");
    let said = fleet.homing(&["forget", "app/n9"]);
    assert!(said.code == 1 && said.err.contains("n9"), "{said:?}");
}

#[test]
fn nothing_that_it_said_holds_when_it_comes_again() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over([&nodes[0]], "");
    fleet.all_ready();
    let conf = fleet.proxy.conf();
    let own = homing(fleet.proxy.folder(), &["token", "app/n2", "--config", conf.to_str().unwrap()], &[]);
    let own = own.out.trim().to_owned();
    let beat =
        |token: &str, more| fleet.send(token, "", &crate::fleet::beat("n2", &nodes[1].url(), more)).status;
    assert_eq!(beat(&own, json!({"state": "draining", "version": "2", "boot": "a", "sequence": 9})), 200);
    assert_eq!(beat(&fleet.token, json!({})), 403, "its own token alone speaks for it");
    assert_eq!(fleet.homing(&["accept", "app/n2"]).code, 0);
    fleet.node_is("n2", "drained");
    assert_eq!(fleet.homing(&["forget", "app/n2"]).code, 0);
    assert_eq!(
        beat(&fleet.token, json!({"boot": "a", "sequence": 1})),
        200,
        "whoever has the cluster's token"
    );
    let node = fleet.node_is("n2", "pending");
    assert_eq!((node["version"].clone(), node["set_by"].clone()), (Value::Null, json!("file")));
    assert_eq!(fleet.homing(&["accept", "app/n2"]).code, 0);
    fleet.node_is("n2", "ready");
}

#[test]
fn what_has_sessions_or_is_the_last_is_not_forgotten_unless_forced() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over([], "join = { admit = \"token\" }");
    fleet.beat(&nodes[0], json!({}));
    fleet.node_is("n1", "ready");
    let said = fleet.homing(&["forget", "app/n1"]);
    assert!(said.code == 1 && said.err.contains("last node of app"), "{said:?}");
    let mut client = Client::with_jar(fleet.proxy.addr);
    client.get("/");
    fleet.beat(&nodes[1], json!({}));
    fleet.node_is("n2", "ready");
    client.get("/");
    let said = fleet.homing(&["forget", "app/n1"]);
    assert!(said.code == 1 && said.err.contains("n1 has 1 session"), "{said:?}");
    assert_eq!(fleet.homing(&["forget", "app/n1", "--force"]).code, 0);
    assert_eq!(client.get("/moved").node(), "n2");
    assert_eq!(fleet.proxy.why("/moved"), "moved:unknown-route");
}

#[test]
fn a_pattern_is_for_all_that_match_and_is_told_node_by_node() {
    let nodes = Origin::several(2);
    let fleet = waiting(Conf::over(&nodes), &["a-old", "b-old", "c-new"]);
    fleet.all_ready();
    let said = fleet.homing(&["forget", "app/*-older"]);
    assert!(said.code == 1 && said.err.contains("no node matches") && said.err.contains("a-old"), "{said:?}");
    let said = fleet.homing(&["forget", "app/n*"]);
    assert!(said.code == 1 && said.err.contains("n1, n2") && said.err.contains("conf file"), "{said:?}");
    let said = fleet.homing(&["accept", "app/*-new"]);
    assert!(said.code == 0 && said.out.starts_with("app/c-new: state pending"), "{said:?}");
    let said = fleet.homing(&["forget", "app/*-old"]);
    assert_eq!(
        (said.code, &*said.out),
        (0, "app/a-old: no longer known\napp/b-old: no longer known\n"),
        "{said:?}"
    );
    assert_eq!(names(&fleet), ["n1", "n2", "c-new"]);
    let said = fleet.homing(&["set", "app/n*", "weight=7"]);
    assert_eq!(&*said.out, "app/n1: weight 100→7\napp/n2: weight 100→7\n");
    let json = fleet.homing(&["set", "app/*", "weight=8", "--json"]).json();
    assert_eq!(json["nodes"].as_array().map(Vec::len), Some(3), "{json}");
}

#[test]
fn the_last_open_nodes_are_guarded_as_one() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    for verb in [
        &["drain", "app/n*"][..],
        &["disable", "app/n*"],
        &["remove", "app/n*"],
        &["set", "app/n*", "weight=0"],
    ] {
        let said = fleet.homing(verb);
        assert!(said.code == 1 && said.err.contains("n1, n2, n3 are the last nodes of app"), "{said:?}");
    }
    fleet.all_ready();
    let said = fleet.homing(&["drain", "app/*2", "--wait"]);
    assert!(said.code == 0 && said.out.contains("n2 is drained"), "{said:?}");
    let said = fleet.homing(&["drain", "app/n*", "--wait", "--force"]);
    assert!(
        said.code == 0 && ["n1", "n3"].iter().all(|n| said.out.contains(&format!("{n} is drained"))),
        "{said:?}"
    );
    assert_eq!(fleet.homing(&["enable", "app/n*"]).code, 0);
    fleet.all_ready();
}

#[test]
fn a_limit_that_closes_the_last_open_node_is_guarded_like_a_drain() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    assert_eq!(fleet.homing(&["drain", "app/n2"]).code, 0);
    let mut client = Client::with_jar(fleet.proxy.addr);
    (0..2).for_each(|_| drop(client.get("/")));
    assert_eq!(fleet.homing(&["set", "app/n1", "max-sessions=2"]).code, 0, "there is room");
    let said = fleet.homing(&["set", "app/n1", "max-sessions=1"]);
    assert!(said.code == 1 && said.err.contains("last node of app that takes sessions"), "{said:?}");
    assert_eq!(fleet.homing(&["set", "app/n1", "max-sessions=1", "--force"]).code, 0);
    fleet.node_is("n1", "full");
}

#[test]
fn who_is_silent_for_too_long_is_forgotten() {
    let node = Origin::start("n1");
    let mut fleet =
        waiting(Conf::over([&node]).cluster("join = { forget-after = \"3s\" }"), &["n2", "n3", "n4"]);
    assert_eq!(fleet.homing(&["accept", "app/n3"]).code, 0);
    assert_eq!(fleet.homing(&["accept", "app/n4"]).code, 0);
    fleet.node_is("n4", "down");
    assert_eq!(fleet.homing(&["remove", "app/n4"]).code, 0);
    let heard = fleet.homing(&["status", "app"]);
    assert!(heard.out.lines().any(|line| line.contains("n2") && line.contains("; last heard ")), "{heard:?}");
    until("those who wait or were removed are gone", || (names(&fleet) == ["n1", "n3"]).then_some(()));
    // who asks for a change is answered once the disk has it, and all that was before it
    assert_eq!(fleet.homing(&["enable", "app/n1"]).code, 0);
    fleet.window.kill_and_start_again();
    assert_eq!(names(&fleet), ["n1", "n3"], "an operator let n3 in: it is known though it is down");
    fleet.beat_as("n5", "http://127.0.0.1:9", json!({}));
    for _ in 0..5 {
        a_second_passes();
        assert_eq!(fleet.beat_as("n5", "http://127.0.0.1:9", json!({}))["state"], "pending", "it speaks");
    }
}

#[test]
fn who_would_be_let_in_again_is_forgotten_once_it_is_down_and_empty() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over([&nodes[0]], "join = { admit = \"token\", forget-after = \"3s\" }");
    fleet.all_ready();
    fleet.beat_as("pod-1", &format!("http://{}", free_addr()), json!({}));
    fleet.beat(&nodes[1], json!({}));
    until("the pod that is gone is forgotten", || (names(&fleet) == ["n1", "n2"]).then_some(()));
    fleet.node_is("n2", "silent");
    assert!(of(&fleet.newcomers(20), "n2") > 0, "one that serves is not");
}

#[test]
fn a_silent_node_that_told_clients_where_to_go_keeps_no_other_from_being_forgotten() {
    let node = Origin::start("n1");
    let fleet = Fleet::over([&node], "join = { admit = \"token\", forget-after = \"3s\" }");
    fleet.all_ready();
    fleet.beat_as("lb-1", &format!("http://{}", free_addr()), json!({"roles": ["lb"]}));
    fleet.beat_as("pod-1", &format!("http://{}", free_addr()), json!({}));
    until("both are forgotten", || (names(&fleet) == ["n1"]).then_some(()));
}
