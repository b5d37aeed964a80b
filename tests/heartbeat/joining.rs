//! Nodes that come by themselves: asked for, accepted, in step with the others, and known again.

use crate::fleet::{Fleet, beat, of};
use crate::support::{Client, DEADLINE, Load, Origin, load, until};
use serde_json::json;

#[test]
fn a4_a_node_comes_under_load_and_no_client_changes() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "join = { admit = \"token\" }");
    fleet.all_ready();
    let users = Load::of_visitors(8, fleet.proxy.addr);
    users.wait(200);
    let fourth = Origin::start("n4");
    fleet.beat(&fourth, json!({"load": 0}));
    fleet.node_is("n4", "ready");
    assert!(of(&fleet.newcomers(40), "n4") > 0, "it gets new sessions within a heartbeat");
    users.wait(200);
    let stories = users.stop();
    assert_eq!(load::failures(&stories), Vec::<String>::new());
    assert!(stories.iter().all(|story| story.nodes.len() == 1), "and nobody moved");
}

#[test]
fn e1_e2_a_stranger_waits_until_it_is_accepted() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    let stranger = Origin::start("n3");
    let wrong = fleet.send("0123456789abcdef0123456789abcdef", "", &beat("n9", &stranger.url(), json!({})));
    assert_eq!(wrong.status, 401);
    let answer = fleet.beat(&stranger, json!({"load": 0}));
    assert_eq!(answer["state"], "pending");
    assert!(answer["why"].as_str().unwrap().contains("homing accept app/n3"), "{answer}");
    assert_eq!(of(&fleet.newcomers(200), "n3"), 0);
    assert_eq!(
        (stranger.hits(), stranger.state.accepted.load(std::sync::atomic::Ordering::SeqCst)),
        (0, 0),
        "not even a check"
    );
    let names: Vec<String> = fleet.status()["clusters"][0]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["node"].to_string())
        .collect();
    assert_eq!(names, ["\"n1\"", "\"n2\"", "\"n3\""], "a wrong token never appears");
    assert_eq!(fleet.homing(&["accept", "app/n3"]).code, 0);
    fleet.node_is("n3", "ready");
    assert!(of(&fleet.newcomers(60), "n3") > 0);
    assert_eq!(fleet.beat(&stranger, json!({"load": 0}))["state"], "ready");
}

#[test]
fn e2_a_network_accepts_by_itself() {
    for (admit, state) in [
        ("[\"127.0.0.0/8\"]", "ready"),
        ("[\"10.99.0.0/16\"]", "pending"),
        ("\"token\"", "ready"),
        ("\"ask\"", "pending"),
    ] {
        let stranger = Origin::start("n3");
        let fleet = Fleet::over([], &format!("join = {{ admit = {admit} }}"));
        fleet.beat(&stranger, json!({}));
        fleet.node_is("n3", state);
    }
}

#[test]
fn e3_a_node_is_told_what_to_adopt() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over(
        [],
        "join = { admit = \"token\" }\nsession-idle = \"30m\"\nhealth = { path = \"/hidden?x=1\" }",
    );
    let [one, other] = [0, 1].map(|n| fleet.beat(&nodes[n], json!({"interval": 2})));
    assert_eq!(
        (one["route"].as_str(), one["interval"].as_u64(), other["route"].as_str()),
        (Some("n1"), Some(2), Some("n2"))
    );
    assert_eq!(one["settings"], other["settings"], "the same for all");
    let settings = &one["settings"];
    assert_eq!((&settings["health_path"], &settings["session_idle"]), (&json!("/hidden?x=1"), &json!(1800)));
    let cluster = || fleet.get("/api/clusters/app").json()["settings"].clone();
    assert_eq!(
        (&settings["hash"], settings["hash"].as_str().unwrap().len()),
        (&cluster(), 16),
        "the node's hash is the cluster's"
    );
    // the key has a name, by which proxies tell that they have the same; nothing of the key itself is told
    let (id, keys) = (
        settings["affinity_key"].as_str().unwrap(),
        std::fs::read_to_string(fleet.proxy.folder().join("state/pin.keys")).unwrap(),
    );
    assert!(id.len() == 12 && !keys.trim().is_empty() && !one.to_string().contains(keys.trim()), "{one}");
    assert_eq!(
        fleet.beat(&nodes[0], json!({"interval": 2, "load": 90}))["revision"],
        one["revision"],
        "nothing to adopt"
    );
    assert_eq!(fleet.homing(&["set", "app/n1", "max-sessions=40"]).code, 0);
    let changed = fleet.beat(&nodes[0], json!({"interval": 2}));
    assert_eq!(
        (&changed["limits"], &changed["settings"]),
        (&json!({"max_sessions": 40, "max_requests": null}), settings)
    );
    assert_ne!(changed["revision"], one["revision"]);
    // another setting of the cluster is another hash, for the node as for the cluster
    assert!(fleet.proxy.reload_to(&fleet.conf.text().replace("30m", "20m")).applied());
    let anew = fleet.beat(&nodes[1], json!({"interval": 2}));
    assert_ne!(anew["settings"]["hash"], settings["hash"]);
    assert_eq!(
        (&anew["settings"]["hash"], anew["settings"]["session_idle"].as_u64()),
        (&cluster(), Some(1200))
    );
    assert_ne!(anew["revision"], other["revision"]);
}

#[test]
fn e4_a_node_that_lags_behind_takes_no_new_sessions() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    fleet.beat(&nodes[0], json!({"state": "ready"}));
    assert_eq!(fleet.beat(&nodes[1], json!({"state": "syncing"}))["state"], "syncing");
    assert_eq!(of(&fleet.newcomers(30), "n2"), 0);
    assert_eq!(fleet.beat(&nodes[1], json!({"state": "ready"}))["state"], "ready");
    assert!(of(&fleet.newcomers(30), "n2") > 10);
}

#[test]
fn e7_new_sessions_begin_on_the_newest_version_and_old_ones_stay() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    nodes.iter().for_each(|node| _ = fleet.beat(node, json!({"version": "1.9"})));
    let mut users: Vec<Client> = (0..12).map(|_| Client::with_jar(fleet.proxy.addr)).collect();
    let homes: Vec<String> = users.iter_mut().map(|user| user.get("/").node().to_owned()).collect();
    fleet.beat(&nodes[2], json!({"version": "1.10"}));
    fleet.node_is("n1", "syncing");
    fleet.node_is("n2", "syncing");
    assert_eq!(of(&fleet.newcomers(30), "n3"), 30);
    for (user, home) in users.iter_mut().zip(&homes) {
        assert_eq!(user.get("/").node(), home, "nobody is logged out");
    }
    fleet.beat(&nodes[0], json!({"version": "1.10"}));
    fleet.node_is("n1", "ready");
    let placed = fleet.newcomers(30);
    assert!(of(&placed, "n1") > 0 && of(&placed, "n2") == 0, "{placed:?}");
}

#[test]
fn e9_a_node_is_known_again_at_another_address() {
    let first = Origin::start("n1");
    let others = Origin::several(1);
    let fleet = Fleet::over([], "join = { admit = \"token\" }");
    fleet.beat(&first, json!({"boot": "a"}));
    fleet.beat_as("n2", &others[0].url(), json!({}));
    fleet.node_is("n1", "ready");
    fleet.node_is("n2", "ready");
    let mut user = Client::with_jar(fleet.proxy.addr);
    while user.get("/").node() != "n1" {
        user = Client::with_jar(fleet.proxy.addr);
    }
    // its sessions are still in it: the same boot at another address
    let moved = Origin::start("n1-elsewhere");
    fleet.beat_as("n1", &moved.url(), json!({"boot": "a"}));
    drop(first);
    fleet.node_is("n1", "ready");
    assert_eq!(user.get("/").node(), "n1-elsewhere", "its pins follow");
}

#[test]
fn e9_and_after_a_restart_of_the_proxy_too() {
    let (first, moved) = (Origin::start("old"), Origin::start("new"));
    let mut fleet = Fleet::over([], "join = { admit = \"token\" }");
    fleet.beat_as("n1", &first.url(), json!({}));
    fleet.node_is("n1", "ready");
    let mut user = Client::with_jar(fleet.proxy.addr);
    assert_eq!(user.get("/").node(), "old");
    fleet.beat_as("n1", &moved.url(), json!({}));
    fleet.proxy.signal("KILL");
    fleet.proxy.exit(DEADLINE);
    fleet.window.proxy.start_again();
    until("the window opens again", || std::net::TcpStream::connect(fleet.admin).is_ok().then_some(()));
    fleet.node_is("n1", "ready");
    user.hang_up();
    assert_eq!(user.get("/again").node(), "new");
    assert_eq!(fleet.proxy.why("/again"), "cookie");
}

#[test]
fn a_fleet_that_comes_at_one_time_is_let_in_together() {
    let fleet = Fleet::over([], "join = { admit = \"token\" }\nhealth = { kind = \"off\" }");
    let fleet = &fleet;
    std::thread::scope(|scope| {
        for part in 0..8 {
            scope.spawn(move || {
                for n in 0..25 {
                    let name = format!("n{part}-{n}");
                    // beyond the ports of the tests, for one of those may be the proxy's own
                    fleet.beat_as(
                        &name,
                        &format!("http://127.0.0.1:{}", 40_000 + part * 100 + n),
                        json!({"capacity": 10}),
                    );
                }
            });
        }
    });
    assert_eq!(fleet.list().len(), 200);
}
