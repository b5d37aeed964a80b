//! A disk that takes its time: whoever asked for a change waits for it, and nobody else.

use crate::fleet::Fleet;
use crate::support::{Origin, until};
use serde_json::json;
use std::fs::File;
use std::process::Command;
use std::thread;

#[test]
fn a_slow_disk_holds_up_no_heartbeat_and_no_change_and_what_was_answered_outlives_a_kill() {
    let nodes = Origin::several(3);
    let mut fleet = Fleet::over(&nodes, "join = { admit = \"token\" }");
    fleet.all_ready();
    // a pipe that nobody reads stands for a disk that does not come back
    let pipe = fleet.proxy.folder().join("state/runtime.json.new");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    thread::scope(|scope| {
        let asked =
            [("drain", "n1", "drained"), ("disable", "n2", "maintenance")].map(|(verb, node, state)| {
                let fleet = &fleet;
                let asked = scope.spawn(move || fleet.homing(&[verb, &format!("app/{node}")]));
                fleet.node_is(node, state);
                asked
            });
        assert_eq!(fleet.beat(&nodes[2], json!({"load": 1}))["state"], "ready");
        let comes = Origin::start("n4");
        assert_eq!(fleet.beat(&comes, json!({"load": 1}))["route"], "n4", "it does not wait for ever");
        assert!(fleet.newcomers(20).iter().all(|node| node == "n3" || node == "n4"));
        // read at last, it is no disk all the same: that is told, and what is newest is written where it can
        // be
        std::io::copy(&mut File::open(&pipe).unwrap(), &mut std::io::sink()).unwrap();
        for said in asked.map(|asked| asked.join().unwrap()) {
            assert!(said.code == 0 || said.code == 1 && said.err.contains("not saved"), "{said:?}");
        }
    });
    until("it is told and over", || {
        let log = fleet.proxy.log.all();
        let told = log
            .iter()
            .position(|line| line.contains("runtime.json cannot be written") && line.contains("make room"))?;
        log[told..].iter().any(|line| line.contains("runtime.json is written again")).then_some(())
    });
    assert_eq!(fleet.homing(&["set", "app/n3", "weight=7"]).code, 0);
    fleet.window.kill_and_start_again();
    fleet.node_is("n1", "drained");
    fleet.node_is("n2", "maintenance");
    assert_eq!(fleet.get("/api/clusters/app/nodes/n3").json()["weight"], 7);
    assert!(
        fleet.status()["clusters"][0]["nodes"].as_array().unwrap().iter().any(|node| node["node"] == "n4"),
        "{}",
        fleet.status()
    );
}
