//! Nodes whose name has several addresses, of which some do not serve.

use crate::support::{Client, Conf, Origin, Proxy, Sessions, until, within};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An address that swallows whatever is sent to it: its queue is full, and nobody empties it.
struct Swallows {
    _socket: Socket,
    _queue: Vec<TcpStream>,
}

impl Swallows {
    fn at(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(0).unwrap();
        let mut queue = Vec::new();
        // a queue of no length holds a connection or two all the same
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queue.push(stream);
        }
        Self { _socket: socket, _queue: queue }
    }
}

/// A name with a node at its last address; the others swallow packets.
fn behind_deaf_addresses(count: u8, cluster: &str) -> Option<(Proxy, Origin, Vec<Swallows>)> {
    let node = Origin::on(&format!("127.0.0.{}:0", count + 1), "n1", Sessions::None);
    let port = node.url().rsplit_once(':').unwrap().1.parse().unwrap();
    // resolvers put those first that are nearest to our own, 127.0.0.1
    let deaf: Vec<u8> = (1..=count).collect();
    let hosts: String =
        deaf.iter().chain([&(count + 1)]).map(|n| format!("127.0.0.{n} app.test\n")).collect();
    let deaf = deaf.iter().map(|n| Swallows::at(SocketAddr::from(([127, 0, 0, *n], port)))).collect();
    let conf = Conf::over([]).node("n1", &format!("\"http://app.test:{port}\"")).cluster(cluster);
    Some((Proxy::start_knowing(&hosts, &conf.text())?, node, deaf))
}

#[test]
fn an_address_that_swallows_packets_does_not_keep_a_node_from_serving() {
    let cluster = "timeouts = { connect = \"20s\" }\nhealth = { interval = \"100ms\", timeout = \"20s\" }";
    let Some((proxy, node, _deaf)) = behind_deaf_addresses(2, cluster) else { return };
    until("the node serves", || (Client::new(proxy.addr).get("/").status == 200).then_some(()));
    // connections of their own: no request may wait for the deaf addresses again, let alone be refused
    for n in 0..20 {
        let answer = Client::new(proxy.addr).send("POST", &format!("/each/{n}"), &[], b"x").unwrap();
        assert_eq!((answer.status, answer.node()), (200, "n1"));
    }
    let slow = proxy
        .access_of("/each", 20)
        .iter()
        .filter(|line| line["connect_ms"].as_f64().unwrap_or(0.0) >= 500.0)
        .count();
    assert!(slow <= 5, "the address that works is remembered: {slow} of 20 waited for the others");
    drop(node);
}

#[test]
fn a_check_sees_what_requests_meet() {
    // so short a time that a check of the deaf address alone would use it up
    let cluster = "timeouts = { connect = \"2s\" }\nhealth = { interval = \"100ms\", timeout = \"2s\", rise = 1, fall = 1 }";
    let Some((proxy, node, _deaf)) = behind_deaf_addresses(1, cluster) else { return };
    until("the node serves", || (Client::new(proxy.addr).get("/").status == 200).then_some(()));
    // now nobody serves at any of its addresses, and both say so
    drop(node);
    until("the check says so", || {
        proxy.log.all().iter().any(|line| line.contains("n1 is down")).then_some(())
    });
    assert_eq!(Client::new(proxy.addr).get("/").status, 503);
}

/// Two nodes at the same port of two addresses, and a proxy for which `app.test` is the first of them.
fn at_one_of_two(cluster: &str) -> Option<(Proxy, [Origin; 2])> {
    let first = Origin::on("127.0.0.2:0", "n1", Sessions::None);
    let port = first.url().rsplit_once(':').unwrap().1.to_owned();
    let second = Origin::on(&format!("127.0.0.3:{port}"), "n2", Sessions::None);
    let conf = Conf::over([]).node("n", &format!("\"http://app.test:{port}\"")).cluster(cluster);
    let proxy = Proxy::start_knowing("127.0.0.2 app.test\n", &conf.text())?;
    until("the node serves", || (Client::new(proxy.addr).get("/").status == 200).then_some(()));
    Some((proxy, [first, second]))
}

/// From now on the name stands for the second. Without a cause it would be looked up 30 s after the last time.
fn move_on(proxy: &Proxy) {
    std::fs::write(proxy.conf().with_file_name("hosts"), "127.0.0.3 app.test\n").unwrap();
}

const SOON: Duration = Duration::from_secs(15);

fn is_known(proxy: &Proxy) {
    within(SOON, "the new address is known", || {
        let lines = proxy.log.all();
        lines.iter().any(|line| line.contains("app.test is now 127.0.0.3, was 127.0.0.2")).then_some(())
    });
}

#[test]
fn a_refused_connection_looks_the_name_up_again() {
    let lines = "health = { kind = \"off\" }\nretries = 0\npassive = { failures = 0 }";
    let Some((proxy, [first, _second])) = at_one_of_two(lines) else { return };
    move_on(&proxy);
    first.kill();
    let answer = within(SOON, "the node serves where it is now", || {
        Some(Client::new(proxy.addr).get("/")).filter(|answer| answer.status == 200)
    });
    assert_eq!(answer.node(), "n2");
    is_known(&proxy);
}

#[test]
fn a_check_that_fails_looks_the_name_up_again() {
    let lines = "health = { path = \"/hz\", interval = \"100ms\", rise = 1, fall = 1 }";
    let Some((proxy, [first, second])) = at_one_of_two(lines) else { return };
    move_on(&proxy);
    // the address is taken by something else, which answers
    first.check_says(404);
    is_known(&proxy);
    within(SOON, "the node serves where it is now", || {
        (Client::new(proxy.addr).get("/").node() == second.name()).then_some(())
    });
}

#[test]
fn a_reload_looks_names_up_again() {
    let Some((proxy, _nodes)) = at_one_of_two("health = { kind = \"off\" }") else { return };
    move_on(&proxy);
    let reload = proxy.reloads(|| proxy.signal("HUP"));
    assert!(reload.applied(), "{reload:?}");
    is_known(&proxy);
}
