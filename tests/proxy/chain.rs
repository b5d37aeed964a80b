//! The proxy as its own node: chains are served, circles end.

use crate::support::{Client, Conf, Origin, Proxy, free_addr, until};
use std::net::SocketAddr;

/// Asks the first listener: a circle ends after so many passages, each of which has its line in the log.
fn ends(proxy: &Proxy, path: &str, headers: &[(&str, &str)], passages: usize) {
    until("names are known", || (Client::new(proxy.addr).get("/warm").status != 503).then_some(()));
    assert_eq!(Client::new(proxy.addr).send("GET", path, headers, b"").unwrap().status, 508);
    assert_eq!(proxy.access_of(path, passages).len(), passages, "{:?}", proxy.access());
}

fn off(conf: Conf) -> Conf {
    conf.cluster("health = { kind = \"off\" }")
}

/// A second listener, with a cluster of its own.
fn second(at: SocketAddr, node: &str) -> String {
    format!(
        "[listener.inner]\nbind = \"{at}\"\n[cluster.inner]\nhealth = {{ kind = \"off\" }}\n[cluster.inner.nodes]\nlast = \"{node}\"\n\
         [[rule]]\nlistener = \"inner\"\ncluster = \"inner\""
    )
}

#[test]
fn a_node_that_is_the_proxy_itself_ends_the_circle() {
    let web = free_addr();
    let port = web.port();
    for (host, more) in [
        ("127.0.0.1", ""),
        ("localhost", ""),
        ("0.0.0.0", ""),
        ("[::ffff:127.0.0.1]", ""),
        ("127.0.0.1", "http2 = true"),
    ] {
        let mut conf = off(Conf::over([])).node("n1", &format!("\"http://{host}:{port}\"")).cluster(more);
        conf.web = web;
        let proxy = Proxy::start(&conf.text());
        ends(&proxy, "/circle", &[], 2);
        // nobody takes the mark off from outside, nor puts one on
        let forged = [("Connection", "homing-passages"), ("Homing-Passages", "0 1 2")];
        ends(&proxy, "/forged", &forged, 2);
    }
}

#[test]
fn a_circle_through_two_listeners_ends_as_well() {
    let (web, inner) = (free_addr(), free_addr());
    let mut conf = off(Conf::over([])).node("n1", &format!("\"http://{inner}\"")).rule("listener = \"web\"");
    conf.web = web;
    let proxy = Proxy::start(&conf.more(&second(inner, &format!("http://{web}"))).text());
    ends(&proxy, "/circle", &[], 3);
}

#[test]
fn a_chain_through_two_listeners_is_served_and_nobody_else_sees_its_mark() {
    let (node, inner) = (Origin::start("last"), free_addr());
    let conf = off(Conf::over([])).node("n1", &format!("\"http://{inner}\"")).rule("listener = \"web\"");
    let proxy = Proxy::start(&conf.more(&second(inner, &node.url())).text());
    for _ in 0..3 {
        let answer = Client::new(proxy.addr).send("GET", "/chain", &[("Homing-Passages", "1")], b"").unwrap();
        assert_eq!((answer.status, answer.node()), (200, "last"));
    }
    for seen in node.seen() {
        let head = format!("{seen:?}").to_lowercase();
        assert!(!head.contains("homing-passages"), "{head}");
    }
}

#[test]
fn a_circle_over_another_process_ends_where_both_say_via() {
    let webs = [free_addr(), free_addr()];
    let proxy = |own: usize| {
        let mut conf =
            off(Conf::over([])).node("n1", &format!("\"http://{}\"", webs[1 - own])).cluster("via = true");
        conf.web = webs[own];
        Proxy::start(&conf.text())
    };
    let (one, other) = (proxy(0), proxy(1));
    until("both listen", || (Client::new(one.addr).get("/warm").status == 508).then_some(()));
    assert_eq!(Client::new(one.addr).get("/circle").status, 508);
    assert_eq!([one.access_of("/circle", 6).len(), other.access_of("/circle", 5).len()], [6, 5]);
}
