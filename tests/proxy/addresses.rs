//! Nodes whose name has several addresses, of which some do not serve.

use crate::support::{Client, Conf, Origin, Proxy, Sessions, until};
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
