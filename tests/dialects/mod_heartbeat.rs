//! Datagrams and POSTs of Apache's mod_heartbeat and Tomcat's HeartbeatListener.

use crate::support::{Client, Conf, DEADLINE, Origin, Reload, free_addr, until};
use crate::window::Window;
use serde_json::Value;
use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

const ADVERTISEMENT: &str = "HTTP/1.0 200 OK\r\nDate: Tue, 09 Jun 2026 12:00:00 GMT\r\nSequence: 1\r\n\r\n";

fn conf(nodes: &[Origin], heard: SocketAddr, keys: &str) -> Conf {
    let line =
        format!("mod-heartbeat = {{ bind = \"{heard}\", from = [\"127.0.0.1\", \"127.0.0.2\"]{keys} }}");
    Conf::over(nodes).affinity(r#"{ cookie = "HOMING" }"#).server(&line)
}

fn window(nodes: &[Origin], heard: SocketAddr, keys: &str) -> Window {
    let window = Window::with(conf(nodes, heard, keys));
    window.all_ready();
    window
}

/// Sends a datagram from an address of this machine.
fn send(from: &str, to: SocketAddr, text: &str) {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.send_to(text.as_bytes(), to).unwrap();
}

fn beat(ready: u32, busy: u32, port: u16) -> String {
    format!("v=1&ready={ready}&busy={busy}&port={port}")
}

/// Posts a message with the very bytes that Tomcat's TcpSender writes; all that comes back until the end.
fn post(from: &str, to: SocketAddr, message: &str) -> String {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&format!("{from}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    let head = format!("POST /HeartbeatListener HTTP/1.0\r\nContent-Length: {}\r\n", message.len());
    let head = head + "User-Agent: HeartbeatListener/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    stream.write_all(format!("{head}{message}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the connection ends in order, whatever was not read");
    answer
}

fn load_is(window: &Window, node: &str, load: u64) {
    until(&format!("{node} tells of a load of {load}"), || {
        let node = window.get(&format!("/api/clusters/app/nodes/{node}")).json();
        (node["load"] == load).then_some(())
    });
}

fn counted(window: &Window) -> Value {
    window.status()["heartbeats"]["mod-heartbeat"].clone()
}

fn counted_are(window: &Window, expected: Value) {
    let mut last = Value::Null;
    until(&format!("{expected} are counted"), || {
        let now = counted(window);
        if now != last {
            last = now.clone();
            eprintln!("counted: {now}");
        }
        (now == expected).then_some(())
    });
}

#[test]
fn two_nodes_on_one_address_are_told_apart() {
    let nodes = Origin::several(2);
    let heard = free_addr();
    let window = window(&nodes, heard, "");
    send("127.0.0.1", heard, &beat(75, 25, nodes[0].addr.port()));
    send("127.0.0.1", heard, &beat(10, 90, nodes[1].addr.port()));
    load_is(&window, nodes[0].name(), 25);
    load_is(&window, nodes[1].name(), 90);
    // a port that is nobody's, with two nodes there, says nothing; nor does none
    send("127.0.0.1", heard, &beat(1, 1, 1));
    send("127.0.0.1", heard, "v=1&ready=1&busy=1");
    counted_are(&window, serde_json::json!({"taken": 2, "unknown": 2}));
    load_is(&window, nodes[0].name(), 25);
    let metric = "homing_heartbeats_total{dialect=\"mod-heartbeat\",result=\"taken\"}";
    assert_eq!(window.metric(metric) as u64, 2);
}

#[test]
fn a_node_alone_on_its_address_is_known_without_its_port() {
    let nodes = Origin::several(1);
    let heard = free_addr();
    let window = window(&nodes, heard, "");
    send("127.0.0.1", heard, "v=1&ready=75&busy=25");
    load_is(&window, nodes[0].name(), 25);
    // Tomcat tells the port of its AJP connector unless it is told otherwise
    send("127.0.0.1", heard, &beat(50, 50, 8009));
    load_is(&window, nodes[0].name(), 50);
}

#[test]
fn a_server_that_is_a_node_of_two_clusters_is_heard_in_both() {
    let nodes = Origin::several(1);
    let heard = free_addr();
    let more =
        format!("[cluster.other]\naffinity = \"cookie\"\n[cluster.other.nodes]\nsame = {:?}", nodes[0].url());
    let window = Window::with(conf(&nodes, heard, "").more(&more));
    send("127.0.0.1", heard, &beat(75, 25, nodes[0].addr.port()));
    load_is(&window, nodes[0].name(), 25);
    assert_eq!(window.get("/api/clusters/other/nodes/same").json()["load"], 25);
}

#[test]
fn a_post_is_answered_byte_by_byte_as_tomcat_reads_it() {
    let nodes = Origin::several(2);
    let heard = free_addr();
    let window = window(&nodes, heard, "");
    let answer = post("127.0.0.1", heard, &beat(60, 40, nodes[0].addr.port()));
    assert_eq!(
        answer,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"
    );
    load_is(&window, nodes[0].name(), 40);
    let answer = post("127.0.0.1", heard, "v=1&busy=3");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("no `ready`"), "{answer}");
    let answer = post("127.0.0.2", heard, &beat(60, 40, 8009));
    assert!(
        answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.ends_with("no node is at 127.0.0.2:8009"),
        "{answer}"
    );
    counted_are(&window, serde_json::json!({"taken": 1, "malformed": 1, "unknown": 1}));
}

#[test]
fn a_sender_that_stops_half_way_keeps_nobody_else_and_is_let_go() {
    let nodes = Origin::several(1);
    let heard = free_addr();
    let window = window(&nodes, heard, "");
    let mut slow: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(heard).unwrap()).collect();
    slow.iter_mut().for_each(|stream| {
        stream.write_all(b"POST /HeartbeatListener HTTP/1.0\r\nContent-Length: 31\r\n\r\nv=1&").unwrap()
    });
    assert!(post("127.0.0.1", heard, &beat(60, 40, nodes[0].addr.port())).starts_with("HTTP/1.1 200 "));
    for mut stream in slow {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it is closed, and not by force");
        assert!(answer.is_empty(), "half a message has no answer");
    }
    counted_are(&window, serde_json::json!({"taken": 1}));
}

#[test]
fn a_stranger_changes_nothing_and_is_counted() {
    let nodes = Origin::several(1);
    let heard = free_addr();
    let window = window(&nodes, heard, ", cluster = \"app\"");
    send("127.0.0.9", heard, &beat(0, 200, nodes[0].addr.port()));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.9:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&heard.into()).unwrap();
    let mut end = Vec::new();
    let _ = TcpStream::from(socket).read_to_end(&mut end);
    assert!(end.is_empty(), "who may not speak is not spoken to");
    counted_are(&window, serde_json::json!({"denied": 2}));
    send("127.0.0.1", heard, "v=1&nonsense");
    send("127.0.0.1", heard, &"v=1&ready=1&busy=1&".repeat(100));
    send("127.0.0.1", heard, ADVERTISEMENT);
    counted_are(&window, serde_json::json!({"denied": 2, "malformed": 2}));
    // what comes last is heard last: the advertisement was not counted
    send("127.0.0.1", heard, &beat(80, 20, nodes[0].addr.port()));
    counted_are(&window, serde_json::json!({"denied": 2, "malformed": 2, "taken": 1}));
    let nodes = window.get("/api/clusters/app/nodes").json();
    assert_eq!((nodes.as_array().unwrap().len(), nodes[0]["load"].as_u64()), (1, Some(20)));
    window.proxy.log.says("a heartbeat from");
    let lines: Vec<String> =
        window.proxy.log.all().into_iter().filter(|line| line.contains("a heartbeat from")).collect();
    assert!(
        lines.len() == 1 && lines[0].contains("127.0.0.9 is refused: the address is in no network"),
        "{lines:?}"
    );
}

#[test]
fn a_node_at_an_unknown_address_waits_and_serves_once_accepted() {
    let nodes = Origin::several(2);
    let heard = free_addr();
    let conf = conf(&nodes[..1], heard, ", cluster = \"app\"");
    let window = Window::with(conf);
    window.all_ready();
    let name = format!("127.0.0.1-{}", nodes[1].addr.port());
    let message = beat(90, 10, nodes[1].addr.port());
    assert!(post("127.0.0.1", heard, &message).starts_with("HTTP/1.1 200 "));
    window.node_is(&name, "pending");
    let said = window.homing(&["accept", &format!("app/{name}")]);
    assert_eq!(said.code, 0, "{said:?}");
    window.node_is(&name, "ready");
    send("127.0.0.1", heard, &message);
    load_is(&window, &name, 10);
    // without a port there is no address that it could be reached at
    let answer = post("127.0.0.2", heard, "v=1&ready=1&busy=1");
    assert!(answer.starts_with("HTTP/1.1 409 ") && answer.contains("does not say its port"), "{answer}");
}

#[test]
fn a_node_that_tells_a_port_of_ours_is_not_let_in() {
    let nodes = Origin::several(1);
    let heard = free_addr();
    let conf = conf(&nodes, heard, ", cluster = \"app\"").cluster("join = { admit = [\"127.0.0.0/8\"] }");
    let window = Window::with(conf);
    window.all_ready();
    for ours in [window.admin, window.proxy.addr, heard] {
        let answer = post("127.0.0.1", heard, &beat(75, 0, ours.port()));
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("this proxy itself"), "{answer}");
        send("127.0.0.2", heard, &beat(75, 0, ours.port()));
    }
    counted_are(&window, serde_json::json!({"refused": 6}));
    assert_eq!(window.get("/api/clusters/app/nodes").json().as_array().unwrap().len(), 1);
}

#[test]
fn a_node_of_an_admitted_network_joins_at_once_and_is_given_sessions_by_its_room() {
    let nodes = Origin::several(2);
    let heard = free_addr();
    let line = format!("mod-heartbeat = {{ bind = \"{heard}\", from = [\"127.0.0.1\"], cluster = \"app\" }}");
    let conf = Conf::over(&nodes[..0]).affinity(r#"{ cookie = "HOMING" }"#).server(&line);
    let conf =
        conf.cluster("balance = \"heartbeat\"\nslow-start = \"0s\"\njoin = { admit = [\"127.0.0.0/8\"] }");
    let window = Window::with(conf);
    let name = |node: &Origin| format!("127.0.0.1-{}", node.addr.port());
    for (node, busy) in nodes.iter().zip([20, 80]) {
        let message = beat(100 - busy, busy, node.addr.port());
        assert!(post("127.0.0.1", heard, &message).starts_with("HTTP/1.1 200 "));
        window.node_is(&name(node), "ready");
        load_is(&window, &name(node), busy.into());
    }
    let mut given = [0, 0];
    for _ in 0..50 {
        let answer = Client::new(window.proxy.addr).get("/");
        given[nodes.iter().position(|node| node.name() == answer.node()).unwrap()] += 1;
    }
    // of two draws, one in four falls on the fuller twice: 12.5 of 50 with a deviation of 3.1, 13 in a
    // million are out of this
    assert!((25..50).contains(&given[0]), "room of 80 and of 20: {given:?}");
}

/// A socket that sends to groups over the loopback, if this machine lets it: whether a datagram comes back is
/// tried first.
fn multicaster(group: Ipv4Addr) -> Option<UdpSocket> {
    let probe = free_addr();
    let receiver = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    receiver.bind(&SocketAddr::from((group, probe.port())).into()).unwrap();
    let joined = receiver.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Address(Ipv4Addr::LOCALHOST));
    let sender = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    sender.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    let (sender, receiver) = (UdpSocket::from(sender), UdpSocket::from(receiver));
    receiver.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let sent = joined.and_then(|()| sender.send_to(b"?", (group, probe.port())));
    match sent.and_then(|_| receiver.recv(&mut [0; 8])) {
        Ok(_) => Some(sender),
        Err(error) => {
            eprintln!("skipped: this machine does not multicast over its loopback: {error}");
            None
        }
    }
}

#[test]
fn a_group_is_heard_beside_the_address_and_each_datagram_once() {
    let group = Ipv4Addr::new(239, 77, 1, 105);
    let Some(sender) = multicaster(group) else { return };
    let nodes = Origin::several(1);
    // bound to one address, and to all of them
    for ip in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        let heard = SocketAddr::from((ip, free_addr().port()));
        let direct = SocketAddr::from((Ipv4Addr::LOCALHOST, heard.port()));
        let window = window(&nodes, heard, &format!(", groups = [\"{group}\"]"));
        let port = nodes[0].addr.port();
        sender.send_to(beat(70, 30, port).as_bytes(), (group, heard.port())).unwrap();
        load_is(&window, nodes[0].name(), 30);
        send("127.0.0.1", direct, &beat(60, 40, port));
        load_is(&window, nodes[0].name(), 40);
        assert_eq!(counted(&window), serde_json::json!({"taken": 2}), "{ip}");
    }
}

#[test]
fn a_reload_moves_the_address_and_narrows_the_networks() {
    let nodes = Origin::several(1);
    let (first, second) = (free_addr(), free_addr());
    let window = window(&nodes, first, "");
    let port = nodes[0].addr.port();
    let text = window.conf.text();
    send("127.0.0.1", first, &beat(90, 10, port));
    load_is(&window, nodes[0].name(), 10);
    // an address that is taken refuses the reload, and the old one goes on
    let taken = UdpSocket::bind(second).unwrap();
    let moved = text.replace(&first.to_string(), &second.to_string());
    match window.proxy.reload_to(&moved) {
        Reload::Refused(line) => assert!(line.contains("server.mod-heartbeat: cannot listen on"), "{line}"),
        Reload::Applied(line) => panic!("{line}"),
    }
    send("127.0.0.1", first, &beat(80, 20, port));
    load_is(&window, nodes[0].name(), 20);
    drop(taken);
    assert!(window.proxy.reloads(|| window.proxy.signal("HUP")).applied());
    send("127.0.0.1", second, &beat(70, 30, port));
    load_is(&window, nodes[0].name(), 30);
    until("nobody is at the old address", || UdpSocket::bind(first).is_ok().then_some(()));
    assert!(window.proxy.reload_to(&moved.replace("from = [\"127.0.0.1\", ", "from = [")).applied());
    let before = counted(&window);
    send("127.0.0.1", second, &beat(60, 40, port));
    counted_are(&window, serde_json::json!({"taken": before["taken"], "denied": 1}));
    let gone: String = moved
        .lines()
        .filter(|line| !line.starts_with("mod-heartbeat"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(window.proxy.reload_to(&gone).applied());
    until("nobody is at the address", || UdpSocket::bind(second).is_ok().then_some(()));
}
