//! WebSockets to nodes over HTTP/2: what fails on the way is as with any other request.

use crate::support::h2_node::{Asked, Opens, Then};
use crate::support::{Certs, Client, Conf, H2Node, Origin, Proxy, free_addr, until};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const HTTP2: &str = "http2 = true\nhealth = { kind = \"off\" }\npassive = { failures = 0 }\nretries = 0";

fn in_front_of(url: &str, more: &str) -> Proxy {
    let conf = Conf::over(std::iter::empty::<&Origin>()).cluster(&format!("{HTTP2}\n{more}"));
    Proxy::start(&one_worker(conf.node("n1", url)))
}

/// Whose requests all find the same connections.
fn one_worker(conf: Conf) -> String {
    conf.server("workers = 1").text().replacen("workers = 2\n", "", 1)
}

/// A node that offers WebSockets, and does that with them.
fn node(streams: Option<u32>, then: Then) -> H2Node {
    let script = move |asked: Asked| if asked.other { then } else { Then::Answer };
    H2Node::start("n1", Opens::WebSockets(streams), script)
}

const ASKS: [(&str, &str); 4] = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
];

/// Asks for a WebSocket; the answer's status.
fn open(proxy: &Proxy) -> u16 {
    Client::new(proxy.addr).upgrade("/ws", &ASKS).expect("an answer").0.status()
}

#[test]
fn a_connection_on_which_a_web_socket_has_no_answer_is_left() {
    let node = node(None, Then::Never);
    let proxy = in_front_of(&node.url(), "timeouts = { response = \"300ms\" }");
    assert_eq!(open(&proxy), 504);
    assert_eq!((Client::new(proxy.addr).get("/").status, node.connections()), (200, 2));
}

#[test]
fn a_node_that_switches_a_stream_of_http_2_is_told_of_as_not_understood() {
    let node = node(None, Then::Switches);
    let proxy = in_front_of(&node.url(), "timeouts = { response = \"5s\" }");
    assert_eq!(open(&proxy), 502);
    let line = &proxy.access_of("/ws", 1)[0];
    assert!(line["duration_ms"].as_f64().is_some_and(|ms| ms < 4000.0), "{line}");
}

#[test]
fn a_web_socket_over_a_connection_that_is_there_is_counted_as_any_request_is() {
    let node = node(None, Then::Answer);
    let admin = free_addr();
    let conf =
        Conf::over(std::iter::empty::<&Origin>()).cluster(HTTP2).server(&format!("admin = \"{admin}\""));
    let proxy = Proxy::start(&one_worker(conf.node("n1", &node.url())));
    assert_eq!((open(&proxy), open(&proxy), node.connections()), (101, 101, 1));
    let lines = proxy.access_of("/ws", 2);
    let connects = lines.iter().map(|line| line["connect_ms"].as_f64().unwrap_or(-1.0)).collect::<Vec<_>>();
    assert!(connects[0] > 0.0 && connects[1] == 0.0, "{connects:?}");
    let metrics = Client::new(admin).get("/metrics").text();
    assert!(metrics.contains("homing_connection_reuses_total{cluster=\"app\"} 1\n"), "{metrics}");
}

#[test]
fn a_web_socket_waits_for_a_stream_once() {
    let node = node(Some(1), Then::Late(60_000));
    let proxy = in_front_of(
        &node.url(),
        "pool = { http2-connections = 1 }\nqueue-timeout = \"300ms\"\ntimeouts = { response = \"60s\" }",
    );
    std::thread::scope(|scope| {
        scope.spawn(|| Client::new(proxy.addr).upgrade("/first", &ASKS).map(drop));
        until("the only stream is taken", || (node.asked().0 == 1).then_some(()));
        assert_eq!(open(&proxy), 503);
        node.kill();
    });
    assert_eq!(node.connections(), 1, "it is not tried over HTTP/1.1");
}

#[test]
fn a_web_socket_to_a_node_that_is_silent_costs_as_many_connections_as_any_request() {
    let certs = Certs::new();
    let made = ["/", "/ws"].map(|path| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (addr, taken) = (listener.local_addr().expect("an address"), Arc::new(AtomicUsize::new(0)));
        let count = taken.clone();
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                count.fetch_add(1, SeqCst);
                silent.push(stream);
            }
        });
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("ca.pem"), certs.ca()).expect("the authority is written");
        let more =
            "timeouts = { connect = \"200ms\" }\ntls = { ca = \"ca.pem\", server-name = \"node.test\" }";
        let conf = Conf::over(std::iter::empty::<&Origin>()).cluster(&format!("{HTTP2}\n{more}"));
        let text = one_worker(conf.node("n1", &format!("\"https://{addr}\"")));
        std::fs::write(folder.path().join("homing.toml"), text).expect("written");
        let proxy = Proxy::start_in(folder, "homing.toml");
        let status = if path == "/ws" { open(&proxy) } else { Client::new(proxy.addr).get(path).status };
        assert_eq!(status, 503, "{path}");
        taken.load(SeqCst)
    });
    assert_eq!(made[0], made[1]);
}
