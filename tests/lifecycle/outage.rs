//! All nodes go down and come back: nobody is preferred, and the cluster serves as soon as any node does.

use crate::support::{Client, Conf, Origin, until, within};
use crate::window::Window;
use std::collections::HashMap;
use std::time::Duration;

/// Well below the first hold.
const HOLD: Duration = Duration::from_secs(6);

fn eased_in(window: &Window, node: &str) -> bool {
    window.node_is(node, "ready")["why"].as_str().unwrap().contains("eased in")
}

#[test]
fn nodes_that_come_back_from_the_same_outage_share_the_new_sessions() {
    for balance in ["least-sessions", "round-robin", "heartbeat"] {
        let nodes = Origin::several(3);
        let window = Window::with(
            Conf::over(&nodes)
                .affinity(r#"{ cookie = "HOMING" }"#)
                .cluster(&format!("balance = \"{balance}\"")),
        );
        window.all_ready();
        nodes[2].kill();
        window.node_is("n3", "down");
        nodes[2].revive();
        assert!(eased_in(&window, "n3"), "{balance}: one that comes back to others");

        for node in &nodes {
            node.kill();
            window.node_is(node.name(), "down");
        }
        for node in &nodes {
            node.revive();
            assert!(!eased_in(&window, node.name()), "{balance}: {}", node.name());
        }
        let mut new: HashMap<String, usize> = HashMap::new();
        for _ in 0..60 {
            *new.entry(Client::new(window.proxy.addr).get("/new").node().to_owned()).or_default() += 1;
        }
        assert!(nodes.iter().all(|node| (8..=36).contains(&new[node.name()])), "{balance}: {new:?}");
    }
}

#[test]
fn a_node_that_is_back_but_still_set_aside_serves_when_the_last_ready_one_dies() {
    for method in ["GET", "POST"] {
        let nodes = Origin::several(2);
        // nobody but clients notices that a node dies, and one request alone sets none aside
        let lines = "balance = \"round-robin\"\nretries = 0\nhealth = { interval = \"60s\" }\npassive = { eject = \"60s\" }";
        let window = Window::with(Conf::over(&nodes).affinity(r#"{ cookie = "HOMING" }"#).cluster(lines));
        window.all_ready();
        let mut user = Client::with_jar(window.proxy.addr);
        until("it is on n1", || {
            user.jar.iter_mut().for_each(|jar| jar.clear());
            (user.get("/first").node() == "n1").then_some(())
        });
        nodes[1].kill();
        until("somebody meets that", || {
            Client::new(window.proxy.addr).get("/new");
            window.proxy.log.all().iter().any(|line| line.contains("node n2 is set aside")).then_some(())
        });
        assert!(
            window.node_is("n2", "down")["why"]
                .as_str()
                .unwrap()
                .starts_with("requests failed one after another")
        );
        nodes[1].revive();
        nodes[0].kill();
        let answer = user.send(method, "/saved", &[], b"").unwrap();
        assert_eq!((answer.status, answer.node()), (200, "n2"), "{method}");
        assert_eq!(window.proxy.why("/saved"), "moved:down");
    }
}

/// Checks that take a node down and up with one answer.
fn flappy(nodes: &[Origin]) -> Window {
    let health = r#"health = { path = "/hz", interval = "50ms", timeout = "10s", rise = 1, fall = 1 }"#;
    let window = Window::with(Conf::over(nodes).affinity(r#"{ cookie = "HOMING" }"#).cluster(health));
    window.all_ready();
    window
}

fn is_ready(window: &Window) -> bool {
    window.get("/ready").status == 200
}

#[test]
fn nodes_that_fail_together_again_and_again_are_all_back_as_soon_as_they_pass() {
    let nodes = Origin::several(3);
    let window = flappy(&nodes);
    for _ in 0..5 {
        nodes.iter().for_each(|node| node.check_says(500));
        nodes.iter().for_each(|node| drop(window.node_is(node.name(), "down")));
        assert!(!is_ready(&window));
        nodes.iter().for_each(|node| node.check_says(200));
        within(HOLD, "all pass, and are back", || {
            (window.status()["clusters"][0]["serving"] == 3).then_some(())
        });
        assert!(is_ready(&window));
    }
    assert!(!window.proxy.log.all().join("\n").contains("held down"));
}

#[test]
fn nodes_that_are_held_down_one_by_one_serve_when_nobody_else_does() {
    let nodes = Origin::several(3);
    let window = flappy(&nodes);
    for node in &nodes {
        for _ in 0..4 {
            node.check_says(500);
            window.node_is(node.name(), "down");
            node.check_says(200);
            within(HOLD, "somebody serves", || is_ready(&window).then_some(()));
            // the fourth time it is held
            until("it passes", || {
                let node = window.get(&format!("/api/clusters/app/nodes/{}", node.name())).json();
                (node["state"] == "ready" || node["why"].as_str().unwrap().starts_with("held down"))
                    .then_some(())
            });
        }
    }
    window.proxy.log.says("held down for 10 s after 4 flips");
    assert_eq!(Client::new(window.proxy.addr).get("/").status, 200);
}
