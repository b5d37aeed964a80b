//! From the start to the end of the process, and what its signals do.

use crate::support::socket::Socket;
use crate::support::{Client, Conf, DEADLINE, Origin, Proxy, h2, proxy::refused_start, until};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PLAIN: &str = r#""cookie""#;

fn one(server: &str) -> (Origin, Proxy) {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(PLAIN).server(server).text());
    (node, proxy)
}

fn until_refused(proxy: &Proxy) {
    until("new connections are refused", || TcpStream::connect(proxy.addr).is_err().then_some(()));
}

#[test]
fn term_finishes_what_was_begun() {
    let (node, proxy) = one("");
    let mut idle = Client::new(proxy.addr);
    idle.get("/");
    let addr = proxy.addr;
    let slow = std::thread::spawn(move || Client::new(addr).get("/slow?ms=1500"));
    until("the slow request is at the node", || (node.hits() == 2).then_some(()));
    proxy.signal("TERM");
    until_refused(&proxy);
    assert!(proxy.ended().is_none(), "it waits for the slow request");
    let answer = slow.join().expect("no panic");
    assert_eq!(answer.status, 200);
    assert!(answer.head.says("connection", "close"), "the client is told: {:?}", answer.head);
    assert_eq!(proxy.exit(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn term_finishes_http_2_streams() {
    let (node, proxy) = one("");
    h2::run(async {
        let mut send = h2::connect(proxy.addr).await;
        let slow = tokio::spawn({
            let mut send = send.clone();
            async move { h2::fetch(&mut send, h2::get("http", "app.test", "/slow?ms=1000")).await.status() }
        });
        while node.hits() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        proxy.signal("TERM");
        assert_eq!(slow.await.expect("no panic"), 200);
        // After GOAWAY the connection takes no more and ends.
        while send.ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(proxy.exit(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn term_loses_no_connection_it_had_accepted() {
    for _ in 0..5 {
        let (node, proxy) = one("");
        let addr = proxy.addr;
        let stop = Arc::new(AtomicBool::new(false));
        let users: Vec<_> = (0..6)
            .map(|_| {
                let stop = stop.clone();
                std::thread::spawn(move || {
                    let mut lost = Vec::new();
                    while !stop.load(Ordering::SeqCst) && TcpStream::connect(addr).is_ok() {
                        let mut client = Client::new(addr);
                        // Refused is fine: the client knows that nothing was taken. Anything after that is a
                        // loss.
                        if client.open().is_err() {
                            break;
                        }
                        match client.send("GET", "/", &[], b"") {
                            Ok(answer) if answer.status == 200 => {}
                            Ok(answer) => lost.push(answer.status.to_string()),
                            Err(error) => lost.push(error.to_string()),
                        }
                    }
                    lost
                })
            })
            .collect();
        until("users are at work", || (node.hits() > 100).then_some(()));
        proxy.signal("TERM");
        until_refused(&proxy);
        stop.store(true, Ordering::SeqCst);
        let lost: Vec<String> = users.into_iter().flat_map(|u| u.join().expect("no panic")).collect();
        assert_eq!(lost, [""; 0]);
        assert_eq!(proxy.exit(DEADLINE).code(), Some(0));
    }
}

#[test]
fn the_grace_is_bounded() {
    let (node, proxy) = one("shutdown-grace = \"500ms\"");
    node.stall();
    let addr = proxy.addr;
    let stuck = std::thread::spawn(move || Client::new(addr).send("GET", "/", &[], b"").map(|a| a.status));
    until("the request is at the node", || (node.hits() == 1).then_some(()));
    let start = Instant::now();
    proxy.signal("TERM");
    proxy.exit(DEADLINE);
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert!(!matches!(stuck.join().expect("no panic"), Ok(200)));
}

#[test]
fn a_second_term_ends_at_once() {
    let (node, proxy) = one("shutdown-grace = \"1m\"");
    node.stall();
    let addr = proxy.addr;
    let stuck = std::thread::spawn(move || Client::new(addr).send("GET", "/", &[], b"").map(|a| a.status));
    until("the request is at the node", || (node.hits() == 1).then_some(()));
    proxy.signal("TERM");
    until_refused(&proxy);
    proxy.signal("TERM");
    proxy.exit(DEADLINE);
    let _ = stuck.join();
}

#[test]
fn websockets_are_told_to_go() {
    let (_node, proxy) = one("shutdown-grace = \"5s\"");
    let mut socket = Socket::connect(proxy.addr).expect("a WebSocket opens");
    assert!(socket.says("hello"));
    proxy.signal("TERM");
    let frame = socket.next(Duration::from_secs(10)).expect("a frame before the end");
    assert!(frame.code() == Some(1012), "{frame:?}");
    assert_eq!(proxy.exit(DEADLINE).code(), Some(0));
}

#[test]
fn usr1_opens_the_access_log_anew() {
    let (_node, proxy) = one("access-log = { to = \"access.log\" }");
    let (log, old) = (proxy.folder().join("access.log"), proxy.folder().join("access.old"));
    let holds = |file: &std::path::Path, text: &str| {
        std::fs::read_to_string(file).is_ok_and(|t| t.contains(text)).then_some(())
    };
    Client::new(proxy.addr).get("/before");
    until("the first line is written", || holds(&log, "/before"));
    std::fs::rename(&log, &old).expect("rotated");
    proxy.signal("USR1");
    until("the new file is there", || log.exists().then_some(()));
    Client::new(proxy.addr).get("/after");
    until("the next line is in the new file", || holds(&log, "/after"));
    assert!(holds(&old, "/after").is_none());
}

#[test]
fn a_wrong_file_stops_the_start_and_says_where() {
    let node = Origin::start("n1");
    let text = Conf::over([&node]).cluster("balence = \"first\"").text();
    let line = 1 + text.lines().position(|l| l.starts_with("balence")).expect("the mistake is in it");
    let (code, said) = refused_start(&text);
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("homing.toml:{line}:1")) && said.contains("balance"), "{said}");
}

#[test]
fn an_address_in_use_stops_the_start() {
    let node = Origin::start("n1");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port of ours");
    let addr = taken.local_addr().expect("its address");
    let (code, said) = refused_start(&Conf { web: addr, ..Conf::over([&node]) }.text());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&addr.to_string()), "{said}");
}

#[test]
fn a_name_that_does_not_resolve_is_a_node_that_is_down() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]).affinity(PLAIN).node("n2", "\"http://no-such-host.invalid:8080\"");
    let proxy = Proxy::start(&conf.text());
    for _ in 0..20 {
        assert_eq!(Client::new(proxy.addr).get("/").node(), "n1");
    }
}

#[test]
fn a_name_that_resolves_is_a_node() {
    let node = Origin::start("n1");
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(PLAIN)
        .node("n1", &format!("\"http://localhost:{}\"", node.addr.port()));
    let proxy = Proxy::start(&conf.text());
    until("the name is resolved", || (Client::new(proxy.addr).get("/").node() == "n1").then_some(()));
}

#[test]
fn int_and_quit_are_graceful_ends_too() {
    for name in ["INT", "QUIT"] {
        let (node, proxy) = one("");
        let addr = proxy.addr;
        let slow = std::thread::spawn(move || Client::new(addr).get("/early-hints?n=0&wait=1").status);
        until("the slow request is at the node", || (node.hits() == 1).then_some(()));
        proxy.signal(name);
        until_refused(&proxy);
        node.state.go_on.store(true, Ordering::SeqCst);
        assert_eq!(slow.join().expect("no panic"), 200);
        assert_eq!(proxy.exit(DEADLINE).code(), Some(0));
    }
}

#[test]
fn usr2_is_a_warning_and_nothing_more() {
    let (_node, proxy) = one("");
    proxy.signal("USR2");
    let told = proxy.log.wait(0, DEADLINE, |line| line.contains("WARN") && line.contains("USR2"));
    assert!(told.is_some_and(|line| line.contains("TERM")), "{:?}", proxy.log.all());
    assert_eq!(Client::new(proxy.addr).get("/").status, 200);
}
