//! Nodes that tell clients where to go, and nodes that run jobs.

use crate::support::proxy::refused_start;
use crate::support::{Client, Conf, Origin, until};
use crate::window::Window;

const COOKIE: &str = r#"{ cookie = "HOMING" }"#;

/// Which nodes so many new clients come to, in the order of their names.
fn spread(window: &Window, count: usize) -> Vec<String> {
    let mut nodes: Vec<String> =
        (0..count).map(|_| Client::new(window.proxy.addr).get("/").node().to_owned()).collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

fn with_lb(nodes: &[Origin]) -> Conf {
    Conf::over(nodes)
        .affinity(COOKIE)
        .cluster("balance = \"round-robin\"")
        .with(&nodes[0], "roles = [\"lb\"]")
}

#[test]
fn a1_an_lb_node_serves_in_a_shared_cluster_and_not_in_a_dedicated_one() {
    let nodes = Origin::several(3);
    let window = Window::with(with_lb(&nodes));
    window.all_ready();
    assert_eq!(spread(&window, 30), ["n2", "n3"]);
    let shared = window.conf.clone().cluster("mode = \"shared\"").text();
    assert!(window.proxy.reload_to(&shared).applied());
    assert_eq!(spread(&window, 30), ["n1", "n2", "n3"]);
    assert!(window.proxy.reload_to(&window.conf.text()).applied());
    assert_eq!(spread(&window, 30), ["n2", "n3"]);
}

#[test]
fn a5_lb_and_batch_exclude_each_other() {
    let nodes = Origin::several(1);
    let (code, said) =
        refused_start(&Conf::over(&nodes).with(&nodes[0], "roles = [\"lb\", \"batch\"]").text());
    assert!(code == Some(1) && said.contains("cannot be `lb` and `batch` at once"), "{said}");
}

#[test]
fn b1_a_pin_that_names_an_lb_node_is_replaced() {
    let nodes = Origin::several(3);
    for failover in ["move", "strict"] {
        let conf = Conf::over(&nodes).affinity(COOKIE).cluster(&format!("failover = \"{failover}\""));
        let window = Window::with(conf.clone());
        window.all_ready();
        // a pin of the time when it served
        let mut client = until("a client on n1", || {
            let mut client = Client::with_jar(window.proxy.addr);
            (client.get("/").node() == "n1").then_some(client)
        });
        assert!(
            window.proxy.reload_to(&window.conf.clone().with(&nodes[0], "roles = [\"lb\"]").text()).applied()
        );
        let answer = client.get("/replayed");
        assert!(
            matches!(answer.node(), "n2" | "n3") && answer.set_cookie("HOMING").is_some(),
            "{failover}: {answer:?}"
        );
        assert_eq!(window.proxy.why("/replayed"), "moved:draining");
        let node = answer.node().to_owned();
        assert_eq!(client.get("/").node(), node);
    }
}

#[test]
fn b1_it_is_asked_by_nobody_even_if_all_others_are_down() {
    let nodes = Origin::several(2);
    let window = Window::with(with_lb(&nodes));
    window.all_ready();
    nodes[1].kill();
    window.node_is("n2", "down");
    let hits = nodes[0].hits();
    let status = Client::new(window.proxy.addr).get("/").status;
    assert!(status == 502 || status == 503, "{status}");
    assert_eq!(nodes[0].seen()[hits..].iter().filter(|seen| seen.head.line.starts_with("GET / ")).count(), 0);
}

#[test]
fn b6_b8_it_counts_for_no_capacity_and_is_up_without_sessions() {
    let nodes = Origin::several(3);
    let mut conf =
        Conf::over(&nodes).affinity(COOKIE).with(&nodes[0], "roles = [\"lb\"], max-sessions = 1000");
    for node in &nodes[1..] {
        conf = conf.with(node, "max-sessions = 40");
    }
    let window = Window::with(conf);
    window.all_ready();
    assert_eq!(window.metric("homing_cluster_capacity{cluster=\"app\"}"), 80.0);
    let cluster = window.get("/api/clusters/app").json();
    assert_eq!(
        (cluster["capacity"].as_u64(), cluster["serving"].as_u64(), cluster["state"].as_str()),
        (Some(80), Some(2), Some("ready"))
    );
    // many checks later, with a load on the others, it is still up
    until("a second of checks", || {
        (nodes[0].state.accepted.load(std::sync::atomic::Ordering::SeqCst) > 10).then_some(())
    });
    let node = window.node_is("n1", "ready");
    assert_eq!(
        (node["sessions"].as_u64(), node["share"].as_f64(), node["rank"].is_null()),
        (Some(0), Some(0.0), true),
        "{node}"
    );
    assert!(node["why"].as_str().unwrap().contains("tells clients where to go"), "{node}");
}
