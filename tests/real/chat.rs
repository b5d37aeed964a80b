//! Socket.IO 4 on two nodes: 200 clients poll, upgrade and talk, half of them without a cookie jar.

use crate::programs::{Running, have_node, node_folder, output};
use crate::support::{Conf, Origin, Proxy};
use crate::window::Window;
use std::process::Command;

/// The affinity that the shipped example recommends, read from the file itself.
fn example() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/socketio.toml");
    let text = std::fs::read_to_string(path).expect("the example is there");
    let line = text.lines().find_map(|l| l.strip_prefix("affinity = ")).expect("it sets an affinity");
    line.to_owned()
}

/// Two nodes, 200 clients; what the clients report.
fn talk(affinity: &str, addresses: &str) -> serde_json::Value {
    let nodes: Vec<Running> = ["n1", "n2"]
        .map(|name| Running::start(Command::new("node").arg(node_folder().join("chat.js")).arg(name)))
        .into();
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(affinity);
    let conf = nodes
        .iter()
        .zip(["n1", "n2"])
        .fold(conf, |conf, (node, name)| conf.node(name, &format!("\"http://{}\"", node.first_line())));
    let proxy = Proxy::start(&conf.text());
    let clients = node_folder().join("chat-clients.js");
    let report =
        output(Command::new("node").arg(clients).args([&format!("http://{}", proxy.addr), "200", addresses]));
    serde_json::from_str(report.lines().next().expect("a report")).unwrap_or_else(|e| panic!("{e}: {report}"))
}

/// Clients whose node is taken out come back to another by themselves, told by the close code that they may.
#[test]
fn socket_io_comes_back_when_its_node_is_taken_out() {
    have_node();
    let nodes: Vec<Running> = ["n1", "n2"]
        .map(|name| Running::start(Command::new("node").arg(node_folder().join("chat.js")).arg(name)))
        .into();
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(r#"{ cookie = "HOMING" }"#);
    let conf = nodes
        .iter()
        .zip(["n1", "n2"])
        .fold(conf, |conf, (node, name)| conf.node(name, &format!("\"http://{}\"", node.first_line())));
    let window = Window::with(conf);
    window.all_ready();
    let clients = node_folder().join("chat-return.js");
    let clients = Running::start(Command::new("node").arg(clients).args([
        &format!("http://{}", window.proxy.addr),
        "40",
        "n1",
    ]));
    let json = |line: String| {
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
    };
    let there = json(clients.line_with("\"there\""));
    let on_n1 = there["nodes"]["n1"].as_u64().unwrap_or_else(|| panic!("nobody is on n1: {there}"));
    assert_eq!(window.homing(&["drain", "app/n1", "--deadline", "1s", "--then", "move"]).code, 0);
    let back = json(clients.line_with("\"back\""));
    assert_eq!(back["why"], serde_json::json!({ "transport close": on_n1 }), "{back}");
    assert_eq!(
        (&back["codes"], &back["nodes"]),
        (&serde_json::json!({ "1012": on_n1 }), &serde_json::json!({ "n2": on_n1 })),
        "{back}"
    );
}

fn nothing_lost(report: &serde_json::Value) {
    assert_eq!(report["errors"], serde_json::json!([]), "no \"Session ID unknown\", nor anything else");
    assert_eq!(
        (&report["connected"], &report["upgraded"], &report["answered"]),
        (&200.into(), &200.into(), &200.into()),
        "{report}"
    );
    assert_eq!(
        report["nodes"].as_object().map(serde_json::Map::len),
        Some(2),
        "both nodes have clients: {report}"
    );
}

#[test]
fn socket_io_with_the_affinity_of_the_example() {
    if have_node() {
        nothing_lost(&talk(&example(), "own"));
    }
}

#[test]
fn socket_io_with_cookies_for_browsers_and_addresses_for_the_rest() {
    // Who has a jar carries our pin; who has none is told by its address. The jars share one address, as an
    // office does.
    if have_node() {
        nothing_lost(&talk(
            r#"{ cookie = "HOMING", also = [ { key = "source", remember = false } ] }"#,
            "own-without-jar",
        ));
    }
}

#[test]
fn socket_io_with_a_key_that_the_client_chooses() {
    // All from one address: the client puts a name of its own into the query, which every one of its requests
    // repeats.
    if have_node() {
        nothing_lost(&talk(r#"{ key = "query:client" }"#, "one"));
    }
}
