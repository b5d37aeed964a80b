//! Between proxy and node: no avoidable failure, nothing sent twice that could do harm, every byte as it was.

use crate::support::client::raw;
use crate::support::load::failures;
use crate::support::wire::{Head, Sum, pattern, read_head};
use crate::support::{Client, Conf, Load, Origin, Proxy, free_addr, h2, until};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PLAIN: &str = r#""cookie""#;

fn one() -> (Origin, Proxy) {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(PLAIN).text());
    (node, proxy)
}

/// Sends `each` requests on each of 8 connections; every request has an id of its own. Statuses other than
/// 200 and errors.
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
    let proxy =
        Proxy::start(&Conf::over(&nodes).affinity(PLAIN).cluster("passive = { failures = 0 }").text());
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
    let proxy = Proxy::start(
        &Conf::over(&nodes).affinity(PLAIN).cluster("retries = 2\npassive = { failures = 0 }").text(),
    );
    let answer = Client::new(proxy.addr).get_with("/reset", &[("x-test-id", "again")]);
    assert_eq!(answer.status, 502);
    assert_eq!(nodes.iter().map(|n| n.arrivals("again")).sum::<usize>(), 3, "the first try and two retries");
}

#[test]
fn a_post_that_never_left_moves_on() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node])
        .affinity(PLAIN)
        .cluster("balance = \"first\"\nhealth = { kind = \"off\" }\npassive = { failures = 0 }");
    let dead = format!("\"http://{}\"", free_addr());
    let mut conf = conf.node("dead", &dead);
    conf.nodes.rotate_right(1);
    let proxy = Proxy::start(&conf.text());
    for i in 0..20 {
        let id = format!("moved-on-{i}");
        let answer = Client::new(proxy.addr)
            .send("POST", "/upload", &[("x-test-id", &id)], b"order=1")
            .expect("an answer");
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
    assert_eq!(
        (up["bytes"].as_u64(), up["sum"].as_u64()),
        (Some(size as u64), Some(Sum::of(&body))),
        "10 MiB up"
    );
    let mut chunks = Vec::new();
    for (i, piece) in body[..1 << 20].chunks(50_000).enumerate() {
        let extension = if i % 2 == 0 { "" } else { ";x=y" };
        chunks.extend(format!("{:X}{extension}\r\n", piece.len()).bytes());
        chunks.extend(piece);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    let up = client
        .send("POST", "/upload", &[("Transfer-Encoding", "chunked")], &chunks)
        .expect("an answer")
        .json();
    assert_eq!(
        (up["bytes"].as_u64(), up["sum"].as_u64()),
        (Some(1 << 20), Some(Sum::of(&body[..1 << 20]))),
        "1 MiB up in chunks"
    );
    assert_eq!(client.connections, 1);
}

#[test]
fn trailers_pass_both_ways() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    let down = client.get_with("/chunked", &[("TE", "trailers")]);
    assert_eq!(down.text(), "one two three");
    assert_eq!(
        down.trailers,
        [("X-Sum".to_owned(), "42".to_owned())].map(|(n, v)| (n.to_ascii_lowercase(), v)),
        "lower case is fine"
    );
    let body = b"3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";
    let up = client
        .send("POST", "/trailers", &[("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")], body)
        .expect("an answer");
    assert!(up.text().to_ascii_lowercase().contains(r#"["x-sum","7"]"#), "{}", up.text());
}

/// Sends the head of an upload whose body waits for leave.
fn ask_leave(client: &mut Client, path: &str) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    );
    client.write(head.as_bytes()).expect("the head is sent");
}

fn head_of(client: &mut Client) -> Head {
    read_head(client.open().expect("still open")).expect("a head").expect("not the end")
}

#[test]
fn a_body_waits_until_the_node_wants_it() {
    let (node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    for _ in 0..3 {
        node.stall();
        let hits = node.hits();
        ask_leave(&mut client, "/upload");
        until("the node has the head", || (node.hits() > hits).then_some(()));
        assert!(
            node.seen().last().expect("it came").head.says("expect", "100-continue"),
            "the node is asked"
        );
        let quiet = client.open().expect("open").get_mut().limit(Duration::from_millis(100));
        quiet.expect("a limit");
        assert!(read_head(client.open().expect("open")).is_err(), "nobody else says that it may come");
        node.resume();
        client.open().expect("open").get_mut().limit(Duration::from_secs(10)).expect("a limit");
        assert_eq!(head_of(&mut client).status(), 100);
        client.write(b"body").expect("the body is sent");
        assert_eq!(client.answer("POST").expect("an answer").json()["bytes"], 4);
    }
    assert_eq!(client.connections, 1);
}

#[test]
fn a_body_that_the_node_does_not_want_is_not_asked_for() {
    let (node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    for path in ["/too-large", "/upload"] {
        ask_leave(&mut client, path);
        let head = head_of(&mut client);
        if path == "/upload" {
            assert_eq!(
                head.status(),
                100,
                "the connection to the node that was promised a body is not used again"
            );
            client.write(b"body").expect("the body is sent");
            assert_eq!(client.answer("POST").expect("an answer").json()["bytes"], 4);
            continue;
        }
        assert_eq!(head.status(), 417);
        assert!(head.says("connection", "close"), "{head:?}");
        let mut rest = Vec::new();
        client.open().expect("open").read_to_end(&mut rest).expect("the end comes");
        assert_eq!(rest, b"not that much");
        client.hang_up();
    }
    assert_eq!(node.state.body_bytes.load(Ordering::SeqCst), 4);
}

#[test]
fn a_node_that_knows_no_expect_gets_the_body_after_a_while() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    let start = Instant::now();
    ask_leave(&mut client, "/knows-no-expect");
    assert_eq!(head_of(&mut client).status(), 100);
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "not before the node had its chance: {:?}",
        start.elapsed()
    );
    client.write(b"body").expect("the body is sent");
    assert_eq!(client.answer("POST").expect("an answer").json()["bytes"], 4);
}

#[test]
fn a_body_that_waits_is_still_whole_for_another_node() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node])
        .affinity(PLAIN)
        .cluster("balance = \"first\"\nhealth = { kind = \"off\" }\npassive = { failures = 0 }");
    let mut conf = conf.node("dead", &format!("\"http://{}\"", free_addr()));
    conf.nodes.rotate_right(1);
    let proxy = Proxy::start(&conf.text());
    let mut client = Client::new(proxy.addr);
    ask_leave(&mut client, "/upload");
    assert_eq!(head_of(&mut client).status(), 100);
    client.write(b"body").expect("the body is sent");
    assert_eq!(client.answer("POST").expect("an answer").json()["bytes"], 4);
}

#[test]
fn early_hints_come_before_the_answer() {
    let (node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    for _ in 0..3 {
        let answer = client.get("/early-hints?n=3");
        let links: Vec<_> = answer
            .early
            .iter()
            .map(|h| (h.status(), h.get("link"), h.get("x-hop"), h.get("connection")))
            .collect();
        let want = ["</0.css>; rel=preload", "</1.css>; rel=preload", "</2.css>; rel=preload"];
        assert_eq!(links, want.map(|l| (103, Some(l), None, None)));
        assert_eq!(answer.status, 200);
    }
    client.write(b"GET /early-hints?wait=1 HTTP/1.1\r\nHost: app.test\r\n\r\n").expect("sent");
    assert_eq!(head_of(&mut client).status(), 103, "while the node still works");
    node.state.go_on.store(true, Ordering::SeqCst);
    assert_eq!(client.answer("GET").expect("an answer").status, 200);
    let flood = client.get("/early-hints?n=1000");
    assert_eq!((flood.status, flood.early.len()), (200, 16), "a node cannot flood");
    assert_eq!(client.connections, 1);
}

#[test]
fn early_hints_stay_in_order_between_pipelined_answers() {
    let (node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    let requests =
        "GET /big?n=3000000 HTTP/1.1\r\nHost: a\r\n\r\nGET /early-hints?n=2 HTTP/1.1\r\nHost: a\r\n\r\n"
            .repeat(5);
    client.write(requests.as_bytes()).expect("sent");
    // not read at first: the proxy must not write a hint into the answer before it
    until("the first answer is under way", || {
        (node.state.body_bytes.load(Ordering::SeqCst) > 1_000_000).then_some(())
    });
    for _ in 0..5 {
        assert!(client.answer("GET").expect("an answer").body == pattern(3_000_000));
        let hinted = client.answer("GET").expect("an answer");
        assert!(hinted.status == 200 && hinted.early.len() <= 2, "{:?}", hinted.early);
    }
}

/// An upload whose body waits for leave.
fn patient(path: &str) -> hyper::Request<()> {
    let request = hyper::Request::post(format!("http://app.test{path}")).header("expect", "100-continue");
    request.header("content-length", 4).body(()).expect("a request")
}

/// What an HTTP/2 client is told through this proxy.
fn told_over_http_2(proxy: &Proxy) {
    h2::run(async {
        let send = h2::connect_bare(proxy.addr).await;
        let get = hyper::Request::get("http://app.test/early-hints?n=3").body(()).expect("a request");
        let (early, answer) = h2::ask(&send, get, None).await;
        let links: Vec<_> = early
            .iter()
            .map(|e| (e.status().as_u16(), e.headers()["link"].to_str().expect("text")))
            .collect();
        let want = ["</0.css>; rel=preload", "</1.css>; rel=preload", "</2.css>; rel=preload"];
        assert_eq!(links, want.map(|l| (103, l)));
        assert!(early.iter().all(|e| e.headers().len() == 1), "{early:?}");
        assert_eq!(answer.status(), 200);
        let flood = hyper::Request::get("http://app.test/early-hints?n=1000").body(()).expect("a request");
        let (early, answer) = h2::ask(&send, flood, None).await;
        assert_eq!((early.len(), answer.status().as_u16()), (16, 200), "a node cannot flood");
        let statuses =
            |early: Vec<hyper::Response<()>>| early.iter().map(|e| e.status().as_u16()).collect::<Vec<_>>();
        let (early, answer) = h2::ask(&send, patient("/upload"), Some("body")).await;
        assert_eq!((statuses(early), answer.status().as_u16()), (vec![100], 200));
        assert!(answer.body().starts_with(b"{\"bytes\":4,"), "{answer:?}");
        let (early, answer) = h2::ask(&send, patient("/too-large"), Some("body")).await;
        assert_eq!(
            (statuses(early), answer.status().as_u16(), answer.body().as_ref()),
            (vec![], 417, b"not that much".as_slice())
        );
        let (early, answer) = h2::ask(&send, patient("/knows-no-expect"), Some("body")).await;
        assert_eq!((statuses(early), answer.status().as_u16()), (vec![100], 200));
    });
}

#[test]
fn interim_answers_reach_http_2_clients() {
    let (_node, proxy) = one();
    told_over_http_2(&proxy);
}

/// The node is a second Homing, which passes on what its own node says.
#[test]
fn interim_answers_come_from_http_2_nodes() {
    let (node, inner) = one();
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(PLAIN).cluster("http2 = true");
    let outer = Proxy::start(&conf.node("n1", &format!("\"http://{}\"", inner.addr)).text());
    told_over_http_2(&outer);
    let mut client = Client::new(outer.addr);
    assert_eq!(client.get("/early-hints?n=3").early.len(), 3);
    ask_leave(&mut client, "/upload");
    assert_eq!(head_of(&mut client).status(), 100);
    client.write(b"body").expect("the body is sent");
    assert_eq!(client.answer("POST").expect("an answer").json()["bytes"], 4);
    let bytes = node.state.body_bytes.load(Ordering::SeqCst);
    ask_leave(&mut client, "/too-large");
    assert_eq!(
        (client.answer("POST").expect("an answer").status, node.state.body_bytes.load(Ordering::SeqCst)),
        (417, bytes)
    );
}

#[test]
fn bodies_and_trailers_pass_over_http_2_on_both_sides() {
    let (_node, inner) = one();
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(PLAIN).cluster("http2 = true");
    let outer = Proxy::start(&conf.node("n1", &format!("\"http://{}\"", inner.addr)).text());
    let body = pattern(5 << 20);
    h2::run(async {
        let mut send = h2::connect(outer.addr).await;
        let down = h2::fetch(&mut send, h2::get("http", "app.test", &format!("/big?n={}", body.len()))).await;
        assert!(down.body().as_ref() == body, "{} bytes came", down.body().len());
        let post = hyper::Request::post("http://app.test/upload")
            .body(Full::new(Bytes::from(body.clone())))
            .expect("a request");
        let up = h2::fetch(&mut send, post).await;
        let up: serde_json::Value = serde_json::from_slice(up.body()).expect("JSON");
        assert_eq!(
            (up["bytes"].as_u64(), up["sum"].as_u64()),
            (Some(body.len() as u64), Some(Sum::of(&body)))
        );
        let head = hyper::Request::head("http://app.test/visit").body(Full::default()).expect("a request");
        let head = h2::fetch(&mut send, head).await;
        assert!(head.headers()["content-length"] != "0" && head.body().is_empty(), "{head:?}");
        let chunked = hyper::Request::get("http://app.test/chunked")
            .header("te", "trailers")
            .body(Full::default())
            .expect("a request");
        let (head, body) = send.send_request(chunked).await.expect("an answer").into_parts();
        let whole = body.collect().await.expect("the whole body");
        assert_eq!(
            (head.status.as_u16(), whole.trailers().map(|t| t["x-sum"].clone())),
            (200, Some("42".parse().expect("a value")))
        );
        assert_eq!(whole.to_bytes().as_ref(), b"one two three");
    });
}

#[test]
fn slow_readers_of_an_http_2_node_do_not_hold_back_others() {
    let (_node, inner) = one();
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(PLAIN)
        .server("workers = 1")
        .cluster("http2 = true");
    let text = conf.node("n1", &format!("\"http://{}\"", inner.addr)).text().replacen("workers = 2\n", "", 1);
    let outer = Proxy::start(&text);
    let mut slow: Vec<Client> = (0..20).map(|_| Client::new(outer.addr)).collect();
    slow.iter_mut().for_each(|c| c.write(b"GET /big?n=20000000 HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent"));
    slow.iter_mut().for_each(|c| assert_eq!(head_of(c).status(), 200, "begun, and not read"));
    assert_eq!(Client::new(outer.addr).get("/big?n=3000000").body, pattern(3_000_000));
}

#[test]
fn early_hints_are_not_for_http_1_0() {
    let (_node, proxy) = one();
    let back = raw(proxy.addr, b"GET /early-hints HTTP/1.0\r\nHost: a\r\n\r\n", Duration::from_secs(10));
    assert_eq!((back.status(), back.answers()), (200, 1), "{}", back.text);
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    for _ in 0..3 {
        let head = client.send("HEAD", "/visit", &[], b"").expect("an answer");
        assert_eq!(head.status, 200);
        assert!(
            head.head.get("content-length").is_some_and(|n| n != "0"),
            "HEAD tells the length: {:?}",
            head.head
        );
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
    client
        .write(b"POST /unread HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10000000\r\n\r\nthe beginning")
        .expect("sent");
    assert_eq!(client.answer("POST").expect("an answer").status, 413);
}
