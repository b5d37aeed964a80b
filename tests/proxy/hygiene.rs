//! Ambiguous requests never reach a node; headers that are not the client's business are replaced.

use crate::support::client::raw;
use crate::support::{Client, Conf, Origin, Proxy, h2};
use std::time::Duration;

const QUIET: Duration = Duration::from_secs(10);

/// Requests that two parsers could read in two ways. The smuggled one asks for /smuggled.
const AMBIGUOUS: &[(&str, &str)] = &[
    (
        "both lengths",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    ),
    (
        "both lengths, other order",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG",
    ),
    ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\nabcd"),
    ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"),
    ("a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc"),
    ("a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc"),
    (
        "a length beyond 64 bits",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551619\r\n\r\nabc",
    ),
    ("an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (
        "chunked not last",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    ),
    ("chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (
        "chunked in two lines",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked with a vertical tab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    ("chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (
        "a space before the colon",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    ("a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n"),
    ("a folded first line", "GET / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n"),
    ("bare LF between lines", "GET / HTTP/1.1\nHost: a\n\n"),
    ("bare LF in the header", "GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n"),
    ("bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rX-B: c\r\n\r\n"),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("the same host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("no host", "GET / HTTP/1.1\r\nX-A: b\r\n\r\n"),
    ("a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("a host with a user", "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"),
    ("an empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
    ("a name with a space", "GET / HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n"),
    ("a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a control byte in the target", "GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a wrong version", "GET / HTTP/1.9\r\nHost: a\r\n\r\n"),
    ("a method with a colon", "G:T / HTTP/1.1\r\nHost: a\r\n\r\n"),
];

/// Chunked bodies that are broken; the head alone is fine, so they may reach the node as far as they made
/// sense.
const BROKEN_BODIES: &[(&str, &str)] = &[
    ("a size that is no number", "zz\r\nabc\r\n0\r\n\r\n"),
    ("a size with a sign", "+3\r\nabc\r\n0\r\n\r\n"),
    ("a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
    ("a size beyond 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("a bare LF after the size", "3\nabc\r\n0\r\n\r\n"),
    ("a chunk longer than its size", "3\r\nabcd\r\n0\r\n\r\n"),
    ("a bare LF after the data", "3\r\nabc\n0\r\n\r\n"),
    ("a bare CR in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n"),
];

fn one() -> (Origin, Proxy) {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(r#""cookie""#).text());
    (node, proxy)
}

#[test]
fn ambiguous_requests_are_refused_and_the_connection_closed() {
    let (node, proxy) = one();
    let mut wrong = Vec::new();
    for (what, request) in AMBIGUOUS {
        let smuggled = format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        let before = node.hits();
        let back = raw(proxy.addr, smuggled.as_bytes(), QUIET);
        let reached = node.hits() - before;
        let refused = (400..=505).contains(&back.status()) && ![404, 408].contains(&back.status());
        if !refused || !back.closed || back.answers() != 1 || reached > 0 {
            wrong.push(format!(
                "{what}: {reached} reached the node, closed: {}, answer: {:?}",
                back.closed, back.text
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(Client::new(proxy.addr).get("/").status, 200, "and the next client is served");
}

#[test]
fn broken_chunks_end_the_connection() {
    let (node, proxy) = one();
    let mut wrong = Vec::new();
    for (what, body) in BROKEN_BODIES {
        let head = "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let back = raw(
            proxy.addr,
            format!("{head}{body}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
            QUIET,
        );
        let smuggled = node.seen().iter().any(|s| s.head.line.contains("smuggled"));
        if !back.closed || smuggled || back.status() == 200 {
            wrong.push(format!(
                "{what}: smuggled: {smuggled}, closed: {}, answer: {:?}",
                back.closed, back.text
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_upgrade_to_h2c_is_not_forwarded() {
    let (_node, proxy) = one();
    let headers = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
    ];
    let answer = Client::new(proxy.addr).get_with("/headers", &headers);
    assert_eq!(answer.status, 200);
    for name in ["upgrade", "http2-settings"] {
        assert_eq!(answer.seen(name), [""; 0]);
    }
}

#[test]
fn an_absolute_target_names_the_host() {
    let (_node, proxy) = one();
    let mut client = Client::new(proxy.addr);
    let answer = client.send("GET", "http://b.test/headers", &[("Host", "a.test")], b"").expect("an answer");
    assert!(
        answer.status == 400 || answer.seen("host") == ["b.test"],
        "never the other one: {}",
        answer.text()
    );
}

#[test]
fn a_fragment_does_not_reach_the_node() {
    let (node, proxy) = one();
    let back = raw(proxy.addr, b"GET /a#/../b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", QUIET);
    assert!(matches!(back.status(), 200 | 400), "{}", back.text);
    assert!(node.seen().iter().all(|s| !s.head.line.contains('#')), "{:?}", node.seen());
}

#[test]
fn hop_by_hop_headers_stop_here() {
    let (_node, proxy) = one();
    let headers = [
        ("Connection", "close, X-Secret, keep-alive"),
        ("X-Secret", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("TE", "gzip, trailers"),
        ("X-Kept", "1"),
    ];
    let answer = Client::new(proxy.addr).get_with("/headers", &headers);
    for name in ["x-secret", "keep-alive", "proxy-connection", "proxy-authorization"] {
        assert_eq!(answer.seen(name), [""; 0], "{name}");
    }
    assert!(answer.seen("te").iter().all(|v| v == "trailers"), "{:?}", answer.seen("te"));
    assert_eq!(answer.seen("x-kept"), ["1"]);
    assert!(
        !answer.seen("connection").iter().any(|v| v.contains("close") || v.contains("Secret")),
        "{:?}",
        answer.seen("connection")
    );
}

#[test]
fn the_word_of_strangers_on_who_they_are_is_replaced() {
    let (_node, proxy) = one();
    let headers = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.test"),
        ("Forwarded", "for=6.6.6.6;proto=https"),
        ("Host", "app.test"),
    ];
    let answer = Client::new(proxy.addr).get_with("/headers", &headers);
    assert_eq!(answer.seen("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(answer.seen("x-forwarded-proto"), ["http"]);
    assert_eq!(answer.seen("x-forwarded-host"), ["app.test"]);
    assert_eq!(answer.seen("forwarded"), [""; 0]);
    assert_eq!(answer.seen("host"), ["app.test"]);
}

#[test]
fn the_word_of_trusted_proxies_is_carried_on() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]).affinity(r#""cookie""#).listener("trusted-proxies = [\"127.0.0.0/8\"]");
    let proxy = Proxy::start(&conf.text());
    let headers = [("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Proto", "https")];
    let answer = Client::new(proxy.addr).get_with("/headers", &headers);
    assert_eq!(answer.seen("x-forwarded-for").join(", "), "9.9.9.9, 127.0.0.1");
    assert_eq!(answer.seen("x-forwarded-proto"), ["https"]);
    let line = &proxy.access_of("/headers", 1)[0];
    assert!(line["client"].as_str().is_some_and(|c| c.starts_with("9.9.9.9")), "{line}");
}

#[test]
fn every_request_carries_one_id_to_node_and_log() {
    let (_node, proxy) = one();
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..20 {
        Client::new(proxy.addr).get("/id");
    }
    for line in proxy.access_of("/id", 20) {
        ids.insert(line["id"].as_str().expect("a line has an id").to_owned());
    }
    assert_eq!(ids.len(), 20, "each its own: {ids:?}");
}

#[test]
fn cookies_of_an_http2_client_are_one_line() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(r#"{ cookie = "HOMING" }"#).text());
    h2::run(async {
        let mut send = h2::connect(proxy.addr).await;
        let mut request = h2::get("http", "app.test", "/cookies");
        for crumb in ["a=1", "HOMING=none", "homing-admin=P", "b=2", "c=3"] {
            request.headers_mut().append("cookie", crumb.parse().expect("a value"));
        }
        assert_eq!(h2::fetch(&mut send, request).await.status(), 200);
    });
    Client::new(proxy.addr).get_with(
        "/cookies",
        &[("Cookie", "a=1"), ("Cookie", "homing-admin=P"), ("Cookie", "b=2; homing-admin=P")],
    );
    let seen = node.seen();
    let cookies: Vec<Vec<&str>> = seen.iter().map(|seen| seen.head.all("cookie").collect()).collect();
    assert_eq!(cookies, [["a=1; b=2; c=3"], ["a=1; b=2"]], "without ours, and of HTTP/1 too");
}

#[test]
fn an_upgrade_with_a_body_is_an_ordinary_request() {
    let (node, proxy) = one();
    let head = "POST /upload HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n";
    let back = raw(
        proxy.addr,
        format!("{head}helloGET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes(),
        QUIET,
    );
    assert_eq!((back.status(), back.answers()), (200, 2), "{}", back.text);
    assert!(back.text.contains("\"bytes\":5"), "with its body: {}", back.text);
    let lines: Vec<String> = node.seen().into_iter().map(|seen| seen.head.line).collect();
    assert_eq!(lines, ["POST /upload HTTP/1.1", "GET /next HTTP/1.1"]);
}

#[test]
fn half_a_handshake_is_an_ordinary_request() {
    let (node, proxy) = one();
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    for (path, headers) in [
        (
            "/keyless",
            &[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")][..],
        ),
        ("/empty", &[("Connection", "Upgrade"), ("Upgrade", "WebSocket"), ("Sec-WebSocket-Key", "")]),
        ("/unconnected", &[("Upgrade", "websocket"), key]),
        ("/kept", &[("Connection", "keep-alive"), ("Upgrade", "websocket"), key]),
    ] {
        let mut client = Client::new(proxy.addr);
        assert_eq!(client.get_with(path, headers).status, 200, "{path}");
        assert_eq!(client.get("/next").status, 200, "{path}: and the connection goes on");
        assert_eq!(proxy.access_of(path, 1)[0]["status"], 200, "{path}: no socket in the log");
    }
    for seen in node.seen() {
        assert_eq!(
            (seen.head.get("upgrade"), seen.head.says("connection", "upgrade")),
            (None, false),
            "{}",
            seen.head.line
        );
    }
}
