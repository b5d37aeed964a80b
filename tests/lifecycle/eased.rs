//! A node that comes to others has the share of the new sessions that is shown of it, whatever the method.

use crate::support::{Client, Conf, Origin};
use crate::window::Window;

fn share(window: &Window) -> f64 {
    window.node_is("n3", "ready")["share"].as_f64().unwrap()
}

#[test]
fn a_cold_node_is_given_the_share_that_is_shown() {
    for balance in ["least-sessions", "least-requests", "round-robin", "random", "heartbeat", "hash"] {
        let nodes = Origin::several(3);
        nodes[2].kill();
        let lines =
            format!("balance = \"{balance}\"\nslow-start = \"200s\"\nhealth = {{ interval = \"200ms\" }}");
        let conf = Conf::over(&nodes).affinity(r#"{ cookie = "HOMING" }"#).cluster(&lines);
        let window = Window::with(conf);
        window.node_is("n1", "ready");
        window.node_is("n2", "ready");
        window.node_is("n3", "down");
        let come = |count| {
            let new = (0..count).map(|_| Client::new(window.proxy.addr).get("/").node().to_owned());
            new.filter(|node| node == "n3").count() as f64
        };
        assert!(come(100) == 0.0, "{balance}: those that are there are warm");
        nodes[2].revive();
        let before = share(&window);
        let given = come(300);
        let after = share(&window);
        assert!((0.03..0.3).contains(&before) && before <= after, "{balance}: {before} to {after}");
        // its part grows while they come
        let (least, most) = (300.0 * before * 0.85 - 1.0, 300.0 * after * 1.15 + 1.0);
        assert!((least..=most).contains(&given), "{balance}: {given} of 300, shown {before} to {after}");
    }
}
