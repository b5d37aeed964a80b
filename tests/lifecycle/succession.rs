//! One process ends and another begins on the same conf: the second serves while the first still has requests
//! in flight, and knows all that the first knew.

use crate::support::client::Answer;
use crate::support::socket::Socket;
use crate::support::{Client, Conf, DEADLINE, Origin, Proxy, until};
use crate::window::Window;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::JoinHandle;
use std::time::Duration;

const LEARNED: &str = r#"{ learn = "PHPSESSID" }"#;

/// Users with a session each, and where it is.
fn users(proxy: &Proxy, count: usize) -> Vec<(Client, String)> {
    let user = |_| {
        let mut client = Client::with_jar(proxy.addr);
        let home = client.get("/visit").node().to_owned();
        client.get("/visit");
        (client, home)
    };
    (0..count).map(user).collect()
}

/// A request that its node answers when the test says so.
fn long_poll(nodes: &[Origin], mut client: Client) -> JoinHandle<(Client, Answer)> {
    let hits = || nodes.iter().map(Origin::hits).sum::<usize>();
    let before = hits();
    let poll = std::thread::spawn(move || {
        let answer = client.send("GET", "/early-hints?n=0&wait=1", &[], b"").expect("an answer");
        (client, answer)
    });
    until("the long poll is at a node", || (hits() > before).then_some(()));
    poll
}

fn answer_long_polls(nodes: &[Origin]) {
    nodes.iter().for_each(|node| node.state.go_on.store(true, SeqCst));
}

/// Tells a process to end, and starts the next at once. It listens when this returns.
fn succeed(first: &Proxy) -> Proxy {
    first.signal("TERM");
    let second = first.successor();
    let begun = second.log.wait(0, DEADLINE, |line| line.contains("listens on"));
    assert!(begun.is_some(), "{:?}", second.log.all());
    second
}

#[test]
fn a_second_process_serves_the_sessions_of_the_first_while_that_still_answers_a_long_poll() {
    let nodes = Origin::phps(4);
    let window = Window::with(Conf::over(&nodes).affinity(LEARNED).server("shutdown-grace = \"10m\""));
    window.all_ready();
    let first = &window.proxy;
    assert_eq!(window.homing(&["drain", "app/n1", "--then", "keep"]).code, 0);
    let mut users = users(first, 20);
    let polls: Vec<_> = (0..8).map(|_| long_poll(&nodes, Client::with_jar(first.addr))).collect();
    let (client, home) = &mut users[0];
    let mut socket = Socket::open(client, "/ws").expect("a WebSocket opens");
    assert!(socket.says("hello") && socket.node.as_ref() == Some(home));

    let second = succeed(first);
    assert!(first.ended().is_none(), "it has requests in flight");
    for (client, home) in &mut users {
        client.hang_up();
        assert_eq!(client.get("/visit").node(), home);
    }
    let found = window.node_is("n1", "drained");
    assert!(found["why"].as_str().unwrap().contains("the operator drains it"), "{found}");
    assert_eq!(socket.next(DEADLINE).expect("a frame").code(), Some(1012), "come again");
    let (client, home) = &mut users[0];
    let mut socket = Socket::open(client, "/ws").expect("it comes again");
    assert!(socket.says("hello") && socket.node.as_ref() == Some(home));

    // what the first learns now, the second knows
    answer_long_polls(&nodes);
    let mut late: Vec<_> = polls.into_iter().map(|poll| poll.join().expect("no panic")).collect();
    assert_eq!(first.exit(DEADLINE).code(), Some(0));
    until("the second has taken what the first learned last", || {
        let left = std::fs::read_dir(first.folder().join("state")).unwrap().flatten();
        let mut names = left.map(|entry| entry.file_name().into_string().unwrap());
        (!names.any(|name| name.contains("late"))).then_some(())
    });
    for (client, answer) in &mut late {
        client.hang_up();
        assert_eq!(client.get("/visit").node(), answer.node());
    }
    second.signal("TERM");
    assert_eq!(second.exit(DEADLINE).code(), Some(0));
}

#[test]
fn what_is_learned_after_the_folder_was_given_up_is_known_to_whoever_starts_later() {
    let nodes = Origin::phps(4);
    let mut window = Window::with(Conf::over(&nodes).affinity(LEARNED).server("shutdown-grace = \"10m\""));
    window.all_ready();
    let polls: Vec<_> = (0..8).map(|_| long_poll(&nodes, Client::with_jar(window.proxy.addr))).collect();
    window.proxy.signal("TERM");
    let free = window.proxy.log.wait(0, DEADLINE, |line| line.contains("free for another process"));
    assert!(free.is_some(), "{:?}", window.proxy.log.all());
    answer_long_polls(&nodes);
    let mut late: Vec<_> = polls.into_iter().map(|poll| poll.join().expect("no panic")).collect();
    assert_eq!(window.proxy.exit(DEADLINE).code(), Some(0));
    window.start_again();
    for (client, answer) in &mut late {
        client.hang_up();
        assert_eq!(client.get("/visit").node(), answer.node());
    }
}

#[test]
fn a_process_that_is_not_told_to_end_is_not_waited_for_without_end() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let said = crate::support::proxy::refused_start_beside(&window.proxy);
    assert_eq!(said.0, Some(1), "{}", said.1);
    let pid = format!("process {}", window.proxy.pid);
    assert!(said.1.contains("waiting 5s for its end") && said.1.contains(&pid), "{}", said.1);
    assert_eq!(window.get("/ping").status, 200);
}

#[test]
fn the_end_does_not_wait_for_half_a_head_or_for_who_says_nothing() {
    let nodes = Origin::several(1);
    // nothing but the end itself cuts them
    let conf = Conf::over(&nodes)
        .server("shutdown-grace = \"10m\"")
        .listener("header-timeout = \"10m\"\nidle-timeout = \"10m\"");
    let proxy = Proxy::start(&conf.text());
    let mut all: Vec<TcpStream> =
        (0..4).map(|_| TcpStream::connect(proxy.addr).expect("a connection")).collect();
    all[1].write_all(b"GET / HTTP/1.1\r\nHost: app").unwrap();
    all[2].write_all(b"PRI * HTTP/2.0\r\n").unwrap();
    all[3].write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").unwrap();
    assert!(all[3].read(&mut [0; 16]).unwrap() > 0);
    all[3].write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    proxy.signal("TERM");
    assert_eq!(proxy.exit(DEADLINE).code(), Some(0));
    for mut connection in all {
        connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let _ = connection.read_to_end(&mut Vec::new());
    }
}
