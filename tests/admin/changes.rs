//! Nodes changed at run time, by the command line of a running proxy.

use crate::support::{Client, Conf, Origin, Proxy, until};
use crate::window::Window;
use std::net::SocketAddr;

fn window(more: &str) -> (Vec<Origin>, Window) {
    let nodes = Origin::several(2);
    let window = Window::with(Conf::over(&nodes).affinity(r#"{ cookie = "HOMING" }"#).cluster(more));
    window.all_ready();
    (nodes, window)
}

/// Users until one of them is on this node, who is kept.
fn user_on(node: &str, addr: SocketAddr) -> Client {
    until(&format!("a user is on {node}"), || {
        let mut user = Client::with_jar(addr);
        (user.get("/").node() == node).then_some(user)
    })
}

#[test]
fn a_drained_node_keeps_its_user_and_gets_no_new_ones_until_it_is_enabled() {
    let (_nodes, window) = window("");
    let mut user = user_on("n1", window.proxy.addr);
    let said = window.homing(&["drain", "app/n1"]);
    assert!(said.code == 0 && said.out.contains("n1"), "{said:?}");
    let node = window.node_is("n1", "draining");
    assert!(node["set_by"].as_str().unwrap().starts_with("operator"), "{node}");
    assert!(node["share"] == 0.0 && node["sessions"].as_u64() > Some(0), "{node}");
    assert_eq!(user.get("/").node(), "n1");
    for _ in 0..20 {
        assert_eq!(Client::new(window.proxy.addr).get("/").node(), "n2");
    }
    let status = window.homing(&["status"]);
    assert!(
        status.out.contains("draining")
            && status.out.contains("set by operator ")
            && status.out.contains(" s ago"),
        "{}",
        status.out
    );
    // a reload forgets no drain
    assert!(window.proxy.reload_to(&window.conf.clone().cluster("retries = 1").text()).applied());
    assert_eq!(window.node_is("n1", "draining")["set_by"], node["set_by"]);
    assert_eq!(window.homing(&["drain", "app/n1"]).code, 0, "once more does no harm");
    assert_eq!(window.homing(&["enable", "app/n1"]).code, 0);
    assert_eq!(window.node_is("n1", "ready")["set_by"], "file");
    user_on("n1", window.proxy.addr);
}

#[test]
fn drain_waits_for_the_last_session_and_no_longer_than_the_deadline() {
    let (_nodes, window) = window("session-idle = \"2s\"");
    let mut user = user_on("n1", window.proxy.addr);
    let said = window.homing(&["drain", "app/n1", "--wait", "--deadline", "1s"]);
    assert!(said.code == 3 && said.err.contains("session"), "{said:?}");
    assert_eq!(user.get("/").node(), "n1", "who is left stays");
    let said = window.homing(&["drain", "app/n1", "--wait"]);
    assert!(said.code == 0 && said.out.contains("safe to stop it"), "{said:?}");
    assert_eq!(window.node_is("n1", "drained")["sessions"], 0);
}

#[test]
fn the_last_node_is_not_taken_out_by_mistake() {
    let (_nodes, window) = window("");
    assert_eq!(window.homing(&["drain", "app/n1"]).code, 0);
    for verb in ["drain", "disable"] {
        let said = window.homing(&[verb, "app/n2"]);
        assert!(said.code == 1 && said.err.contains("last") && said.err.contains("--force"), "{said:?}");
        assert_eq!(window.node_is("n2", "ready")["set_by"], "file");
    }
    assert_eq!(window.homing(&["disable", "app/n2", "--force"]).code, 0);
    window.node_is("n2", "maintenance");
}

#[test]
fn limits_are_set_and_lifted() {
    let (_nodes, window) = window("");
    let said = window.homing(&["set", "app/n1", "weight=50", "max-sessions=1"]);
    assert_eq!(said.code, 0, "{said:?}");
    let node = window.homing(&["status", "app", "--json"]).json()["clusters"][0]["nodes"][0].clone();
    assert_eq!((node["weight"].as_u64(), node["capacity"].as_u64()), (Some(50), Some(1)));
    user_on("n1", window.proxy.addr);
    assert!(window.node_is("n1", "full")["why"].as_str().unwrap().contains("1 of 1"));
    assert_eq!(window.homing(&["set", "app/n1", "max-sessions=off"]).code, 0);
    assert!(window.node_is("n1", "ready")["capacity"].is_null());
    assert_eq!(window.homing(&["set", "app/n1", "weight=1001"]).code, 1);
    assert_eq!(window.homing(&["set", "app/n9", "weight=1"]).code, 1);
}

#[test]
fn a_change_outlives_the_process() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    assert_eq!(window.homing(&["disable", "app/n1"]).code, 0);
    window.proxy.signal("KILL");
    until("it is gone", || window.proxy.ended());
    let folder = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(window.proxy.folder())
        .arg(folder.path().join("conf"))
        .status();
    assert!(copied.unwrap().success());
    let _again = Proxy::start_in(folder, "conf/homing.toml");
    until("the window opens again", || std::net::TcpStream::connect(window.admin).is_ok().then_some(()));
    assert!(window.node_is("n1", "maintenance")["set_by"].as_str().unwrap().starts_with("operator"));
}
