//! All nodes go down and come back: nobody is preferred, and the cluster serves as soon as any node does.

use crate::support::{Client, Conf, Origin};
use crate::window::Window;
use std::collections::HashMap;

fn eased_in(window: &Window, node: &str) -> bool {
    window.node_is(node, "ready")["why"].as_str().unwrap().contains("eased in")
}

#[test]
fn nodes_that_come_back_from_the_same_outage_share_the_new_sessions() {
    for balance in ["least-sessions", "round-robin", "heartbeat"] {
        let nodes = Origin::several(3);
        let window = Window::with(Conf::over(&nodes).affinity(r#"{ cookie = "HOMING" }"#).cluster(&format!("balance = \"{balance}\"")));
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
