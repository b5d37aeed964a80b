//! What nodes said is known again after the proxy was killed.

use crate::fleet::Fleet;
use crate::support::wait::a_second_passes;
use crate::support::{Client, Conf, Origin, until};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn file(fleet: &Fleet) -> PathBuf {
    fleet.proxy.folder().join("state/heartbeats.json")
}

/// Waits until the state folder says this of a node.
fn remembered(fleet: &Fleet, node: &str, fits: impl Fn(&Value) -> bool) {
    until("it is written down", || {
        let text = std::fs::read_to_string(file(fleet)).ok()?;
        let document: Value = serde_json::from_str(&text).ok()?;
        fits(&document["data"]["clusters"]["app"][node]).then_some(())
    });
}

#[test]
fn a_node_that_restarts_while_the_proxy_is_away_has_lost_its_sessions() {
    for affinity in [r#"{ cookie = "HOMING" }"#, r#"{ learn = "PHPSESSID" }"#] {
        let nodes = Origin::phps(2);
        let conf = Conf::over(&nodes).affinity(affinity).cluster("slow-start = \"0s\"");
        let mut fleet = Fleet::with(conf);
        fleet.all_ready();
        nodes.iter().for_each(|node| _ = fleet.beat(node, json!({"boot": "a", "sequence": 1})));
        let mut on = ["n1", "n2"].map(|name| {
            until("a client on it", || {
                let mut client = Client::with_jar(fleet.proxy.addr);
                (client.get("/").node() == name && client.get("/").node() == name).then_some(client)
            })
        });
        remembered(&fleet, "n2", |words| words["runs"]["last"]["boot"] == "a");
        a_second_passes();
        fleet.window.kill_and_start_again();
        fleet.all_ready();
        on.iter_mut().for_each(Client::hang_up);
        assert_eq!(fleet.beat(&nodes[0], json!({"boot": "b", "sequence": 1}))["state"], "ready");
        assert_eq!(fleet.beat(&nodes[1], json!({"boot": "a", "sequence": 2}))["state"], "ready");
        assert_eq!(on[0].get("/lost").status, 200);
        assert_eq!(fleet.proxy.why("/lost"), "moved:rebooted", "{affinity}");
        assert_eq!(on[1].get("/kept").node(), "n2");
        assert_ne!(fleet.proxy.why("/kept"), "moved:rebooted", "{affinity}");
        // and it is known a second time, of a session that did not come in between
        remembered(&fleet, "n1", |words| words["runs"]["last"]["boot"] == "b");
    }
}

#[test]
fn a_replay_of_a_former_run_changes_nothing_after_a_restart_either() {
    let node = Origin::start("n1");
    let mut fleet = Fleet::over([&node], "");
    fleet.all_ready();
    fleet.beat(&node, json!({"boot": "a", "sequence": 7}));
    fleet.beat(&node, json!({"boot": "b", "sequence": 1}));
    remembered(&fleet, "n1", |words| words["runs"]["last"]["boot"] == "b");
    fleet.window.kill_and_start_again();
    let old = fleet.send(
        &fleet.token,
        "",
        &crate::fleet::beat("n1", &node.url(), json!({"boot": "a", "sequence": 8})),
    );
    assert_eq!((old.status, fleet.counted("replayed")), (409, 1), "{}", old.text());
}

#[test]
fn its_role_version_and_wish_are_known_before_it_speaks_again() {
    let nodes = Origin::several(4);
    let mut fleet = Fleet::over(&nodes, "balance = \"round-robin\"");
    fleet.all_ready();
    fleet.beat(&nodes[0], json!({"roles": ["lb"]}));
    fleet.beat(&nodes[1], json!({"state": "draining"}));
    fleet.beat(&nodes[2], json!({"version": "1"}));
    fleet.beat(&nodes[3], json!({"version": "2"}));
    remembered(&fleet, "n4", |words| words["version"] == "2");
    fleet.window.kill_and_start_again();
    fleet.node_is("n4", "ready");
    fleet.node_is("n3", "syncing");
    assert!(fleet.newcomers(20).iter().all(|node| node == "n4"));
}

#[test]
fn nothing_is_written_for_beats_that_bring_nothing_that_lasts() {
    let node = Origin::start("n1");
    let fleet = Fleet::over([&node], "");
    fleet.all_ready();
    let beat = |n: u64, more: &str| {
        fleet
            .beat(&node, json!({"boot": "a", "sequence": n, "load": n % 100, "sessions": n, "version": more}))
    };
    beat(1, "1");
    remembered(&fleet, "n1", |words| words["version"] == "1");
    let inode = || std::fs::metadata(file(&fleet)).unwrap().ino();
    let before = inode();
    // two looks are taken in this time
    let (begin, mut n) = (Instant::now(), 1);
    while begin.elapsed() < Duration::from_millis(2100) {
        n += 1;
        beat(n, "1");
    }
    assert!(n > 20 && inode() == before, "after {n} beats");
    beat(n + 1, "2");
    remembered(&fleet, "n1", |words| words["version"] == "2");
    assert_ne!(inode(), before);
}

#[test]
fn what_is_torn_is_set_aside() {
    let node = Origin::start("n1");
    let mut fleet = Fleet::over([&node], "");
    fleet.beat(&node, json!({"boot": "a"}));
    remembered(&fleet, "n1", |words| words["runs"]["last"]["boot"] == "a");
    fleet.proxy.signal("KILL");
    fleet.proxy.exit(crate::support::DEADLINE);
    let text = std::fs::read_to_string(file(&fleet)).unwrap();
    std::fs::write(file(&fleet), &text[..text.len() / 2]).unwrap();
    fleet.window.start_again();
    let said = fleet.proxy.log.wait(0, crate::support::DEADLINE, |line| {
        line.contains("heartbeats.json") && line.contains("set aside")
    });
    assert!(said.is_some(), "{:?}", fleet.proxy.log.all());
    assert_eq!(fleet.beat(&node, json!({"boot": "b"}))["route"], "n1");
}
