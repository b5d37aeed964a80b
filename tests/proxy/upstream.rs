//! Between proxy and node: no avoidable failure, nothing sent twice that could do harm, every byte as it was.

use crate::support::load::failures;
use crate::support::wire::{Sum, pattern};
use crate::support::{Client, Conf, Load, Origin, Proxy, free_addr};
use std::sync::atomic::{AtomicUsize, Ordering};

const PLAIN: &str = r#""cookie""#;

fn one() -> (Origin, Proxy) {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(PLAIN).text());
    (node, proxy)
}

/// Sends `each` requests on each of 8 connections; every request has an id of its own. Statuses other than 200 and errors.
fn rush(proxy: &Proxy, method: &'static str, path: &'static str, each: usize) -> Vec<String> {
    let addr = proxy.addr;
    let threads: Vec<_> = (0..8)
        .map(|t| {
            std::thread::spawn(move || {
                let mut client = Client::with_jar(addr);
                let mut failed = Vec::new();
                for i in 0..each {
                    let id = format!("{method}-{t}-{i}");
                    let body: &[u8] = if method == "POST" { b"order=1" } else { b"" };
                    match client.send(method, path, &[("x-test-id", &id)], body) {
                        Ok(answer) if answer.status == 200 => {}
                        Ok(answer) => failed.push(format!("{id}: {} {}", answer.status, answer.text())),
                        Err(error) => {
                            failed.push(format!("{id}: {error}"));
                            client.hang_up();
                        }
                    }
                }
                failed
            })
        })
        .collect();
    threads.into_iter().flat_map(|t| t.join().expect("no panic")).collect()
}

#[test]
fn a_node_that_closes_after_each_answer_costs_nothing() {
    let (node, proxy) = one();
    assert_eq!(rush(&proxy, "GET", "/close", 250), [""; 0]);
    assert_eq!(rush(&proxy, "POST", "/close", 50), [""; 0]);
    for t in 0..8 {
        for i in 0..50 {
            assert_eq!(node.arrivals(&format!("POST-{t}-{i}")), 1, "a POST arrives exactly once");
        }
    }
}

#[test]
fn a_node_that_closes_idle_connections_costs_nothing() {
    let (node, proxy) = one();
    node.state.idle_ms.store(3, Ordering::SeqCst);
    let pace = AtomicUsize::new(0);
    let addr = proxy.addr;
    // Pauses around the node's own limit make its close and the next request meet on the wire.
    let pace = std::sync::Arc::new(pace);
    let load = Load::start(
        8,
        move |_| Client::with_jar(addr),
        move |client, _| {
            let n = pace.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_micros(2_500 + (n as u64 * 37) % 1_000));
            client.send("GET", "/visit", &[], b"")
        },
    );
    load.wait(2_000);
    assert_eq!(failures(&load.stop()), [""; 0]);
}

#[test]
fn a_post_arrives_at_most_once_when_the_node_hangs_up() {
    let nodes = Origin::several(2);
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(PLAIN).cluster("passive = { failures = 0 }").text());
    let mut client = Client::new(proxy.addr);
    for i in 0..20 {
        let id = format!("reset-{i}");
        let answer = client.send("POST", "/reset", &[("x-test-id", &id)], b"order=1").expect("an answer");
        assert_eq!(answer.status, 502);
        assert_eq!(nodes.iter().map(|n| n.arrivals(&id)).sum::<usize>(), 1, "{id} must not be sent again");
    }
}

#[test]
fn a_get_is_tried_again_elsewhere_and_not_for_ever() {
    let nodes = Origin::several(3);
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(PLAIN).cluster("retries = 2\npassive = { failures = 0 }").text());
    let answer = Client::new(proxy.addr).get_with("/reset", &[("x-test-id", "again")]);
    assert_eq!(answer.status, 502);
    assert_eq!(nodes.iter().map(|n| n.arrivals("again")).sum::<usize>(), 3, "the first try and two retries");
}

#[test]
fn a_post_that_never_left_moves_on() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]).affinity(PLAIN).cluster("balance = \"first\"\nhealth = { kind = \"off\" }\npassive = { failures = 0 }");
    let dead = format!("\"http://{}\"", free_addr());
    let mut conf = conf.node("dead", &dead);
    conf.nodes.rotate_right(1);
    let proxy = Proxy::start(&conf.text());
    for i in 0..20 {
        let id = format!("moved-on-{i}");
        let answer = Client::new(proxy.addr).send("POST", "/upload", &[("x-test-id", &id)], b"order=1").expect("an answer");
        assert_eq!((answer.status, answer.node()), (200, "n1"), "no connection means nothing was sent");
        assert_eq!(node.arrivals(&id), 1);
    }
}

#[test]
fn bodies_pass_byte_for_byte() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    let size = 10 << 20;
    let body = pattern(size);
    let down = client.get(&format!("/big?n={size}"));
    assert!(down.body == body, "10 MiB down: {} bytes came", down.body.len());
    let up = client.post("/upload", &body).json();
    assert_eq!((up["bytes"].as_u64(), up["sum"].as_u64()), (Some(size as u64), Some(Sum::of(&body))), "10 MiB up");
    let mut chunks = Vec::new();
    for (i, piece) in body[..1 << 20].chunks(50_000).enumerate() {
        let extension = if i % 2 == 0 { "" } else { ";x=y" };
        chunks.extend(format!("{:X}{extension}\r\n", piece.len()).bytes());
        chunks.extend(piece);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    let up = client.send("POST", "/upload", &[("Transfer-Encoding", "chunked")], &chunks).expect("an answer").json();
    assert_eq!((up["bytes"].as_u64(), up["sum"].as_u64()), (Some(1 << 20), Some(Sum::of(&body[..1 << 20]))), "1 MiB up in chunks");
    assert_eq!(client.connections, 1);
}

#[test]
fn trailers_pass_both_ways() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    let down = client.get_with("/chunked", &[("TE", "trailers")]);
    assert_eq!(down.text(), "one two three");
    assert_eq!(down.trailers, [("X-Sum".to_owned(), "42".to_owned())].map(|(n, v)| (n.to_ascii_lowercase(), v)), "lower case is fine");
    let body = b"3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";
    let up = client.send("POST", "/trailers", &[("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")], body).expect("an answer");
    assert!(up.text().to_ascii_lowercase().contains(r#"["x-sum","7"]"#), "{}", up.text());
}

#[test]
fn the_client_that_waits_for_100_is_told_to_go_on() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    let head = "POST /upload HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    client.write(head.as_bytes()).expect("the head is sent");
    let wire = client.open().expect("still open");
    let early = crate::support::wire::read_head(wire).expect("a head").expect("not the end");
    assert_eq!(early.status(), 100);
    client.write(b"body").expect("the body is sent");
    assert_eq!(client.answer("POST").expect("an answer").json()["bytes"], 4);
}

/// hyper's server cannot send a 103 of its own, so hints end at the proxy; the answer behind them must not suffer.
#[test]
fn early_hints_do_not_disturb_the_answer() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    for _ in 0..3 {
        assert_eq!(client.get("/early-hints").status, 200);
    }
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    for _ in 0..3 {
        let head = client.send("HEAD", "/visit", &[], b"").expect("an answer");
        assert_eq!(head.status, 200);
        assert!(head.head.get("content-length").is_some_and(|n| n != "0"), "HEAD tells the length: {:?}", head.head);
        assert_eq!(client.get("/status?code=204").status, 204);
        let same = client.get("/status?code=304");
        assert_eq!((same.status, same.head.get("etag")), (304, Some("\"x\"")));
        assert_eq!(client.get("/visit").status, 200);
    }
    assert_eq!(client.connections, 1);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_whole() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    for _ in 0..3 {
        assert_eq!(client.get("/until-close").text(), "all of it");
    }
}

#[test]
fn an_early_refusal_of_a_large_body_reaches_the_client() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    client.write(b"POST /unread HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10000000\r\n\r\nthe beginning").expect("sent");
    assert_eq!(client.answer("POST").expect("an answer").status, 413);
}
