//! Answers that come before the request is through: neither the answer nor the next request is lost.

use crate::support::wire::{Head, read_head};
use crate::support::{Client, Conf, Origin, Proxy, free_addr, h2, until};
use bytes::Bytes;
use std::io::{ErrorKind, Read};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One node, and beside it a host without a rule and one whose node is not there.
fn one(listener: &str) -> (Origin, Proxy) {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]).affinity("\"cookie\"").listener(listener).rule("host = \"app.test\"");
    let gone =
        format!("[cluster.gone]\nretries = 0\n[cluster.gone.nodes]\nn1 = \"http://{}\"\n", free_addr());
    let proxy = Proxy::start(
        &conf.more(&format!("[[rule]]\ncluster = \"gone\"\nhost = \"gone.test\"\n{gone}")).text(),
    );
    (node, proxy)
}

/// Reads an answer whose body has a length, and gives its head.
fn answer(client: &mut Client) -> std::io::Result<Head> {
    let wire = client.open()?;
    let head = read_head(wire)?.ok_or(ErrorKind::UnexpectedEof)?;
    let mut body = vec![0; head.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
    wire.read_exact(&mut body)?;
    Ok(head)
}

/// Sends a head, waits for the answer to it, and only then sends the body and another request behind it.
fn answered_first(client: &mut Client, host: &str, path: &str, chunked: bool) -> (u16, bool) {
    let framing = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 100" };
    let body = "a".repeat(100);
    let body =
        if chunked { format!("40\r\n{}\r\n24\r\n{}\r\n0\r\n\r\n", &body[..64], &body[64..]) } else { body };
    client
        .write(format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n").as_bytes())
        .expect("sent");
    let head = answer(client).expect("an answer");
    if !head.says("connection", "close") {
        client.write(body.as_bytes()).expect("the body is taken");
        client.write(b"GET /visit HTTP/1.1\r\nHost: app.test\r\n\r\n").expect("sent");
        let next = answer(client).unwrap_or_else(|e| panic!("the request behind {host}{path} is lost: {e}"));
        assert_eq!(next.status(), 200, "{host}{path}");
    }
    (head.status(), !head.says("connection", "close"))
}

#[test]
fn the_request_behind_a_body_that_was_answered_early_is_not_lost() {
    let (_node, proxy) = one("");
    let cases = [
        (401, "app.test", "/at-once?then=read"),
        (401, "app.test", "/at-once?then=close"),
        (401, "app.test", "/at-once?then=read&late=1"),
        (413, "app.test", "/unread"),
        (404, "nobody.test", "/"),
        (503, "gone.test", "/"),
    ];
    for (status, host, path) in cases {
        for chunked in [false, true] {
            let mut client = Client::new(proxy.addr);
            for _ in 0..3 {
                assert_eq!(
                    answered_first(&mut client, host, path, chunked),
                    (status, true),
                    "{host}{path} chunked {chunked}"
                );
            }
            assert_eq!(client.connections, 1);
        }
    }
    // it broke off without an answer: what it took of the body is gone, the rest is still to come
    let mut client = Client::new(proxy.addr);
    for chunked in [false, true] {
        assert_eq!(answered_first(&mut client, "app.test", "/reset", chunked), (502, true));
    }
}

#[test]
fn a_body_too_large_to_be_waited_for_ends_the_connection_with_a_word() {
    let (_node, proxy) = one("");
    for (host, path) in [("app.test", "/at-once?then=close"), ("app.test", "/unread"), ("nobody.test", "/")] {
        let mut client = Client::new(proxy.addr);
        let body = vec![7; 8 << 20];
        // one that reads nothing before all is written: its answer must outlast that
        client
            .write(
                format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len())
                    .as_bytes(),
            )
            .expect("sent");
        client.write(&body).unwrap_or_else(|e| panic!("{host}{path}: reset within the body: {e}"));
        let head = answer(&mut client).unwrap_or_else(|e| panic!("{host}{path}: no answer: {e}"));
        // nobody can know of a node that it will close unsaid
        assert!(head.says("connection", "close") || path.contains("at-once"), "{host}{path}: {head:?}");
        let mut rest = Vec::new();
        client
            .open()
            .expect("still open")
            .read_to_end(&mut rest)
            .unwrap_or_else(|e| panic!("{host}{path}: no clean end: {e}"));
        assert!(rest.is_empty());
    }
}

#[test]
fn a_node_that_answers_first_and_reads_then_gets_all_of_it() {
    let (node, proxy) = one("");
    for (chunked, close) in [(false, false), (true, false), (false, true), (true, true)] {
        let before = node.state.body_bytes.load(Ordering::SeqCst);
        let mut client = Client::new(proxy.addr);
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", 40 * (64 << 10))
        };
        let connection = if close { "close" } else { "keep-alive" };
        let head = format!(
            "POST /at-once HTTP/1.1\r\nHost: app.test\r\nConnection: {connection}\r\n{framing}\r\n\r\n"
        );
        client.write(head.as_bytes()).expect("sent");
        assert_eq!(answer(&mut client).expect("an answer").status(), 401);
        let piece = vec![7; 64 << 10];
        for _ in 0..40 {
            let (begin, end) = if chunked { (&b"10000\r\n"[..], &b"\r\n"[..]) } else { (&b""[..], &b""[..]) };
            client.write(&[begin, &piece, end].concat()).expect("taken");
        }
        if chunked {
            client.write(b"0\r\n\r\n").expect("taken");
        }
        until("all of it is at the node", || {
            (node.state.body_bytes.load(Ordering::SeqCst) - before == 40 << 16).then_some(())
        });
        if !close {
            assert_eq!(client.get_with("/visit", &[("Host", "app.test")]).status, 200);
            assert_eq!(client.connections, 1);
        }
    }
}

/// A client that writes all of its body before it reads, a node that reads nothing of it, and an answer that
/// fills every buffer.
#[test]
fn a_long_answer_does_not_wait_for_a_body_that_nobody_reads() {
    let (_node, proxy) = one("");
    let mut client = Client::new(proxy.addr);
    client.write(b"POST /at-once?says=close&n=8000000 HTTP/1.1\r\nHost: app.test\r\nContent-Length: 200000\r\n\r\n").expect("sent");
    client.write(&[7; 200_000]).expect("all of it is taken");
    assert_eq!(answer(&mut client).expect("an answer").status(), 401);
    assert_eq!(client.get_with("/visit", &[("Host", "app.test")]).status, 200);
}

#[test]
fn clients_that_never_send_the_rest_hold_no_connection() {
    let (node, proxy) = one("idle-timeout = \"1s\"");
    let sockets =
        || std::fs::read_dir(format!("/proc/{}/fd", proxy.pid)).expect("a running process has files").count();
    Client::new(proxy.addr).get("/visit");
    let before = sockets();
    let mut stay = Vec::new();
    for path in ["/at-once?then=read", "/at-once?then=close", "/at-once?late=1", "/unread"] {
        for n in 0..6 {
            let mut client = Client::new(proxy.addr);
            let framing = if n % 2 == 0 { "Content-Length: 1000" } else { "Transfer-Encoding: chunked" };
            client
                .write(format!("POST {path} HTTP/1.1\r\nHost: app.test\r\n{framing}\r\n\r\n").as_bytes())
                .expect("sent");
            assert!(answer(&mut client).expect("an answer").status() > 400);
            stay.push(client);
        }
    }
    // the node's own connections are kept, up to a few
    until("they are cut", || (sockets() <= before + 4).then_some(()));
    drop((stay, node));
}

#[test]
fn http_2_clients_are_told_that_the_rest_is_not_wanted() {
    let (_node, proxy) = one("");
    h2::run(async {
        let send = h2::connect_bare(proxy.addr).await;
        for (path, host, status) in [
            ("/at-once?then=close", "app.test", 401),
            ("/", "nobody.test", 404),
            ("/unread", "app.test", 413),
        ] {
            let mut send = send.clone().ready().await.expect("open");
            let request = hyper::Request::post(format!("http://{host}{path}")).body(()).expect("a request");
            let (answer, mut stream) = send.send_request(request, false).expect("sent");
            let (head, mut body) = answer.await.expect("an answer").into_parts();
            assert_eq!(head.status.as_u16(), status, "{host}{path}");
            while let Some(data) = body.data().await {
                let data = data.unwrap_or_else(|e| panic!("{host}{path}: the answer broke off: {e}"));
                body.flow_control().release_capacity(data.len()).expect("room again");
            }
            // complete: RFC 9113 section 8.1 lets the server end the request with NO_ERROR
            let reason = async {
                loop {
                    stream.reserve_capacity(16 << 10);
                    let reset = std::future::poll_fn(|cx| stream.poll_reset(cx));
                    tokio::select! {
                        reason = reset => break reason.expect("a reset, not the end of the connection"),
                        () = tokio::time::sleep(Duration::from_millis(5)) => {
                            let _ = stream.send_data(Bytes::from_static(b"more"), false);
                        }
                    }
                }
            };
            assert_eq!(reason.await, ::h2::Reason::NO_ERROR, "{host}{path}");
        }
        let get = hyper::Request::get("http://app.test/visit").body(()).expect("a request");
        assert_eq!(h2::ask(&send, get, None).await.1.status(), 200);
    });
}
