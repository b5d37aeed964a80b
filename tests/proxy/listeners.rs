//! The ways in: HTTP/1.0, 1.1 and 2, unix sockets, the PROXY protocol, and the limits that keep the slow and
//! the large out.

use crate::support::client::raw;
use crate::support::wire::pattern;
use crate::support::{Client, Conf, Origin, Proxy, free_addr, h2, until};
use bytes::Bytes;
use http_body_util::Full;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PLAIN: &str = r#""cookie""#;
const QUIET: Duration = Duration::from_secs(30);

fn one(listener: &str) -> (Origin, Proxy) {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(PLAIN).listener(listener).text());
    (node, proxy)
}

#[test]
fn http_1_0() {
    let (_node, proxy) = one("");
    let plain = raw(proxy.addr, b"GET /visit HTTP/1.0\r\n\r\n", QUIET);
    assert!(plain.status() == 200 && plain.closed, "{plain:?}");
    let body = raw(proxy.addr, b"GET /chunked HTTP/1.0\r\nHost: a\r\n\r\n", QUIET);
    assert!(
        body.closed && body.text.ends_with("\r\n\r\none two three"),
        "HTTP/1.0 knows no chunks: {body:?}"
    );
    let mut client = Client::new(proxy.addr);
    client.write(b"GET /visit HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").expect("sent");
    let answer = client.answer("GET").expect("an answer");
    assert!(answer.status == 200 && answer.head.get("content-length").is_some(), "{:?}", answer.head);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_node, proxy) = one("");
    let mut client = Client::new(proxy.addr);
    let requests: String =
        (0..20).map(|i| format!("GET /status?code={} HTTP/1.1\r\nHost: a\r\n\r\n", 200 + i)).collect();
    client.write(requests.replace("code=204", "code=244").as_bytes()).expect("sent");
    for i in 0..20 {
        let want = if i == 4 { 244 } else { 200 + i };
        assert_eq!(client.answer("GET").expect("an answer").status, want);
    }
}

#[test]
fn http_2_with_prior_knowledge() {
    let (_node, proxy) = one("");
    h2::run(async {
        let mut send = h2::connect(proxy.addr).await;
        let answer = h2::fetch(&mut send, h2::get("http", "app.test", "/visit")).await;
        assert_eq!((answer.status().as_u16(), answer.version()), (200, hyper::Version::HTTP_2));
        let big = h2::fetch(&mut send, h2::get("http", "app.test", "/big?n=3000000")).await;
        assert!(big.body() == &pattern(3_000_000), "3 MB over HTTP/2");
        let post = hyper::Request::post("http://app.test/upload")
            .body(Full::new(Bytes::from(pattern(1_000_000))))
            .expect("a request");
        let up = h2::fetch(&mut send, post).await;
        assert!(up.body().starts_with(b"{\"bytes\":1000000,"), "{:?}", up.body());
        let headers = h2::fetch(&mut send, h2::get("http", "app.test", "/headers")).await;
        let text = String::from_utf8_lossy(headers.body()).to_ascii_lowercase();
        assert!(text.contains(r#"["host","app.test"]"#), ":authority becomes Host: {text}");
        let chunked = h2::fetch(&mut send, h2::get("http", "app.test", "/chunked")).await;
        assert_eq!(chunked.body().as_ref(), b"one two three");
    });
}

#[test]
fn a_websocket_over_http_1() {
    let (_node, proxy) = one("");
    let mut socket = crate::support::socket::Socket::connect(proxy.addr).expect("a WebSocket opens");
    for i in 0..100 {
        assert!(socket.says(&format!("message {i}")));
    }
}

#[test]
fn a_websocket_over_http_2() {
    let (_node, proxy) = one("");
    let back = h2::run(async {
        let mut send = h2::connect(proxy.addr).await;
        h2::web_socket(&mut send, "app.test", "/ws", "over one stream").await
    });
    assert_eq!(back, b"over one stream");
}

#[test]
fn a_websocket_keeps_its_session() {
    let nodes = Origin::several(3);
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(PLAIN).text());
    for _ in 0..20 {
        let mut client = Client::with_jar(proxy.addr);
        let home = client.get("/").node().to_owned();
        let socket = crate::support::socket::Socket::open(&mut client, "/ws").expect("a WebSocket opens");
        assert_eq!(socket.node.as_deref(), Some(home.as_str()));
    }
}

#[test]
fn a_unix_socket() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]).affinity(PLAIN).more("[listener.local]\nbind = \"unix:homing.sock\"");
    let proxy = Proxy::start(&conf.text());
    let mut client = Client::unix(&proxy.folder().join("homing.sock"));
    assert_eq!(client.get("/visit").node(), "n1");
    assert_eq!(client.get("/big?n=100000").body, pattern(100_000));
    assert_eq!(client.connections, 1);
}

/// A PROXY protocol header of version 2 for a TCP connection over IPv4, with one TLV behind the addresses.
fn version_2(from: [u8; 4], port: u16) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    bytes.extend(17u16.to_be_bytes());
    bytes.extend(from);
    bytes.extend([10, 0, 0, 1]);
    bytes.extend(port.to_be_bytes());
    bytes.extend(80u16.to_be_bytes());
    bytes.extend([0x04, 0, 2, 1, 2]);
    bytes
}

#[test]
fn the_proxy_protocol_tells_the_client() {
    let (node, proxy) = one("proxy-protocol = true\ntrusted-proxies = [\"127.0.0.0/8\"]");
    let request = b"GET /headers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let one = [b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n".as_slice(), request].concat();
    let two = [version_2([203, 0, 113, 8], 4712).as_slice(), request].concat();
    for (bytes, client) in [(one, "203.0.113.7"), (two, "203.0.113.8")] {
        let back = raw(proxy.addr, &bytes, QUIET);
        assert_eq!(back.status(), 200, "{}", back.text);
        assert!(
            back.text.to_ascii_lowercase().contains(&format!(r#"["x-forwarded-for","{client}"]"#)),
            "{}",
            back.text
        );
    }
    let local = [b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0".as_slice(), request].concat();
    assert!(
        raw(proxy.addr, &local, QUIET).text.contains("127.0.0.1"),
        "a LOCAL connection is the sender's own"
    );
    let hits = node.hits();
    let bare = raw(proxy.addr, request, QUIET);
    assert!(bare.closed && bare.status() != 200, "without the header nothing is served: {bare:?}");
    let broken = raw(proxy.addr, &[b"PROXY TCP4 nonsense\r\n".as_slice(), request].concat(), QUIET);
    assert!(broken.closed && broken.status() != 200, "{broken:?}");
    assert_eq!(node.hits(), hits);
}

#[test]
fn slow_headers_are_cut() {
    let (node, proxy) = one("header-timeout = \"300ms\"");
    let mut threads = Vec::new();
    for begin in ["", "GET /slow-header HT", "GET /slow-header HTTP/1.1\r\nHost: a\r\nX-A: "] {
        let addr = proxy.addr;
        threads.push(std::thread::spawn(move || raw(addr, begin.as_bytes(), QUIET)));
    }
    for thread in threads {
        let back = thread.join().expect("no panic");
        assert!(back.closed && matches!(back.status(), 0 | 408), "{back:?}");
    }
    assert_eq!(node.hits(), 0);
}

#[test]
fn a_header_that_drips_is_cut() {
    let (_node, proxy) = one("header-timeout = \"500ms\"");
    let mut stream = TcpStream::connect(proxy.addr).expect("the listener accepts");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").expect("sent");
    // Each byte is progress, but the header as a whole has a limit: this is how slowloris works.
    until("the dripping client is cut", || {
        std::thread::sleep(Duration::from_millis(50));
        stream.write_all(b"X").err()
    });
}

#[test]
fn idle_connections_are_closed() {
    let (_node, proxy) = one("idle-timeout = \"500ms\"");
    let mut client = Client::new(proxy.addr);
    client.get("/");
    let wire = client.open().expect("still open");
    let mut rest = Vec::new();
    wire.read_to_end(&mut rest).expect("the end comes");
    assert_eq!(rest, b"", "without a word");
}

#[test]
fn large_headers_are_431() {
    let (node, proxy) = one("max-header-size = \"8KiB\"\nmax-headers = 20");
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "x".repeat(10_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Many: 1\r\n".repeat(30));
    for request in [large, many] {
        let back = raw(proxy.addr, request.as_bytes(), QUIET);
        assert!(back.status() == 431 && back.closed, "{back:?}");
    }
    let long =
        raw(proxy.addr, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(10_000)).as_bytes(), QUIET);
    assert!(matches!(long.status(), 414 | 431) && long.closed, "{long:?}");
    assert_eq!(node.hits(), 0);
    let fine =
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Large: {}\r\n\r\n", "x".repeat(6_000));
    assert_eq!(raw(proxy.addr, fine.as_bytes(), QUIET).status(), 200);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]).affinity(PLAIN).server("max-connections = 4");
    let proxy = Proxy::start(&conf.text());
    until("the probe of the start is forgotten", || {
        let mut held: Vec<Client> = (0..4).map(|_| Client::new(proxy.addr)).collect();
        held.iter_mut().for_each(|c| c.patience = Duration::from_secs(1));
        held.iter_mut().all(|c| c.send("GET", "/", &[], b"").is_ok()).then_some(())
    });
    let mut held: Vec<Client> = (0..4).map(|_| Client::new(proxy.addr)).collect();
    held.iter_mut().for_each(|c| assert_eq!(c.get("/held").status, 200));
    let addr = proxy.addr;
    let waiting = std::thread::spawn(move || Client::new(addr).get("/waited").status);
    held.iter_mut().for_each(|c| assert_eq!(c.get("/held").status, 200));
    assert!(!waiting.is_finished(), "the fifth waits");
    held.pop().expect("one of four").hang_up();
    assert_eq!(waiting.join().expect("no panic"), 200, "and is served when there is room");
}

#[test]
fn several_addresses_and_listeners() {
    let (node, second, third) = (Origin::start("n1"), free_addr(), free_addr());
    let conf = Conf::over([&node])
        .affinity(PLAIN)
        .more(&format!("[listener.more]\nbind = [\"{second}\", \"{third}\"]"));
    let _proxy = Proxy::start(&conf.text());
    for addr in [second, third] {
        assert_eq!(Client::new(addr).get("/").status, 200);
    }
}

#[test]
fn a_request_refused_at_the_door_is_logged_with_what_is_known_of_it() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(PLAIN).listener("max-headers = 5").text());
    let request = |method: &str, target: &str, headers: &[(&str, &str)]| {
        let request = hyper::Request::builder().method(method).uri(target);
        headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value))
            .body(())
            .expect("a request")
    };
    let many: Vec<(String, String)> = (0..9).map(|at| (format!("x-{at}"), "1".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let cases = [
        ("GET", "http://app.test/host-twice", vec![("host", "app.test"), ("host", "app.test")], 400),
        (
            "POST",
            "http://app.test:81/length-twice",
            vec![("content-length", "0"), ("content-length", "0")],
            400,
        ),
        ("GET", "http://app.test/many?of=them", many, 431),
        ("GET", "http://app.test/other-host", vec![("host", "other.test")], 400),
        ("GET", "http://user:secret@app.test/user", vec![], 400),
    ];
    h2::run(async {
        let send = h2::connect_bare(proxy.addr).await;
        for (method, target, headers, status) in &cases {
            let answer = h2::ask(&send, request(method, target, headers), None).await.1;
            assert_eq!(answer.status(), *status, "{target}");
        }
    });
    for (method, target, _, status) in &cases {
        let path = &target[target.rfind("test").unwrap()..].split_once('/').unwrap().1;
        let line = proxy.access_of(&format!("/{path}"), 1).remove(0);
        let said = serde_json::json!([line["version"], line["method"], line["host"], line["status"]]);
        assert_eq!(said, serde_json::json!(["HTTP/2.0", method, "app.test", status]), "{line}");
        assert!(!line.to_string().contains("secret"), "{line}");
    }
}
