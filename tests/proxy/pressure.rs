//! Pressure: slow readers, silent nodes, clients that go away.

use crate::support::h2_node::{Opens, Then};
use crate::support::{Client, Conf, H2Node, Origin, Proxy, h2, until};
use bytes::Bytes;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const PLAIN: &str = r#""cookie""#;

#[test]
fn a_slow_reader_stops_the_node_and_not_the_memory() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(PLAIN).text());
    Client::new(proxy.addr).get("/warm-up");
    let before = proxy.memory();
    let size = 200 << 20;
    let mut slow: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(proxy.addr).expect("the listener accepts");
            write!(stream, "GET /big?n={size} HTTP/1.1\r\nHost: app.test\r\n\r\n").expect("sent");
            let mut first = [0; 1000];
            stream.read_exact(&mut first).expect("the answer begins");
            stream
        })
        .collect();
    // The node writes until every buffer on the way is full; from then on its count stands still.
    let mut last = (0, Instant::now());
    until("the node is stopped by back-pressure", || {
        let sent = node.state.body_bytes.load(Ordering::Relaxed);
        if sent != last.0 {
            last = (sent, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(500)).then_some(())
    });
    let grown = proxy.memory().saturating_sub(before);
    let sent = node.state.body_bytes.load(Ordering::Relaxed);
    assert!(grown < 16 << 20, "four stalled readers cost {grown} bytes; the node had sent {sent}");
    assert!(sent < 4 * size, "it did not send all of it, but {sent}");
    let mut piece = vec![0; 1 << 20];
    slow[0].read_exact(&mut piece).expect("and the flow goes on when the reader does");
}

#[test]
fn a_slow_node_stops_the_sender_and_not_the_memory() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(PLAIN).text());
    Client::new(proxy.addr).get("/warm-up");
    node.stall();
    let before = proxy.memory();
    let mut stream = std::net::TcpStream::connect(proxy.addr).expect("the listener accepts");
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout can be set");
    let size = 200 << 20;
    write!(stream, "POST /upload HTTP/1.1\r\nHost: app.test\r\nContent-Length: {size}\r\n\r\n")
        .expect("sent");
    let piece = vec![7; 1 << 20];
    let written = (0..200).take_while(|_| stream.write_all(&piece).is_ok()).count();
    assert!(written < 200, "the sender is stopped");
    let grown = proxy.memory().saturating_sub(before);
    assert!(grown < 16 << 20, "{written} MiB taken from the sender cost {grown} bytes");
}

#[test]
fn a_silent_node_is_504_in_time() {
    let node = Origin::start("n1");
    let conf =
        Conf::over([&node]).affinity(PLAIN).cluster("timeouts = { response = \"300ms\" }\nretries = 0");
    let proxy = Proxy::start(&conf.text());
    node.stall();
    let answer = Client::new(proxy.addr).post("/upload", b"x");
    assert_eq!(answer.status, 504);
    node.resume();
    assert_eq!(Client::new(proxy.addr).get("/").status, 200, "and the node is not lost");
}

/// The node's time to answer begins when it has the request: a client on a slow line may take longer than
/// that to send it.
#[test]
fn a_slow_upload_is_no_late_answer() {
    let node = Origin::start("n1");
    let conf =
        Conf::over([&node]).affinity(PLAIN).cluster("timeouts = { response = \"300ms\" }\nretries = 0");
    let proxy = Proxy::start(&conf.text());
    let mut stream = TcpStream::connect(proxy.addr).expect("a connection");
    stream
        .write_all(
            b"POST /upload HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nContent-Length: 4\r\n\r\n",
        )
        .expect("the head goes out");
    for piece in [b"a", b"b", b"c", b"d"] {
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(piece).expect("a piece goes out");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_tunnel_without_a_byte_is_closed() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]).affinity(PLAIN).cluster("timeouts = { tunnel-idle = \"500ms\" }");
    let proxy = Proxy::start(&conf.text());
    let mut socket = crate::support::socket::Socket::connect(proxy.addr).expect("a WebSocket opens");
    assert!(socket.says("hello"));
    let end = socket.next(Duration::from_secs(10));
    let timed_out = matches!(&end, Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
    assert!(!timed_out, "it is closed, not forgotten");
}

#[test]
fn a_client_that_goes_away_frees_its_place_at_the_node() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]).affinity(PLAIN).with(&node, "max-requests = 1");
    let proxy = Proxy::start(&conf.text());
    for i in 0..5 {
        let mut gone = Client::new(proxy.addr);
        gone.write(format!("GET /slow/{i}?ms=300 HTTP/1.1\r\nHost: app.test\r\n\r\n").as_bytes())
            .expect("sent");
        until("the request is at the node", || (node.hits() > i * 2).then_some(()));
        gone.hang_up();
        let next = Client::new(proxy.addr).get("/next");
        assert_eq!(next.status, 200, "the place is free again: {} {:?}", next.text(), proxy.access());
    }
}

#[test]
fn an_answer_cut_short_is_cut_short_for_the_client_too() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(PLAIN).text());
    let mut client = Client::new(proxy.addr);
    client.write(b"GET /big?n=500000000 HTTP/1.1\r\nHost: app.test\r\n\r\n").expect("sent");
    let wire = client.open().expect("still open");
    let head = crate::support::wire::read_head(wire).expect("a head").expect("not the end");
    assert_eq!(head.status(), 200);
    node.kill();
    let mut rest = Vec::new();
    let _ = wire.read_to_end(&mut rest);
    assert!(rest.len() < 500_000_000, "the client can tell that the answer is not whole");
}

#[test]
fn a_stream_that_nobody_reads_is_cut() {
    let node = Origin::start("n1");
    let proxy =
        Proxy::start(&Conf::over([&node]).affinity(PLAIN).listener("idle-timeout = \"500ms\"").text());
    h2::run(async {
        let send = h2::connect_bare(proxy.addr).await;
        let get =
            |path: &str| hyper::Request::get(format!("http://app.test{path}")).body(()).expect("a request");
        let (answer, _) = send
            .clone()
            .ready()
            .await
            .expect("open")
            .send_request(get("/big?n=50000000"), true)
            .expect("sent");
        let mut body = answer.await.expect("an answer").into_body();
        // what came is not given back to the window, which is how a client does not read
        let end = loop {
            if let Err(error) = body.data().await.expect("it does not end well") {
                break error;
            }
        };
        assert_eq!(end.reason(), Some(::h2::Reason::CANCEL));
        assert_eq!(
            h2::ask(&send, get("/status?code=204"), None).await.1.status(),
            204,
            "the others on the connection go on"
        );
    });
}

/// Uploads that stall on one connection, another request on it that ends meanwhile, and an upload that goes
/// on.
#[test]
fn each_upload_that_stalls_is_cut_by_its_own_deadline() {
    for (stalled, other, ends_with) in
        [(4, "http://x@app.test/", 400), (1, "http://app.test/status?code=204", 204)]
    {
        let node = Origin::start("n1");
        let conf = Conf::over([])
            .with(&node, "max-requests = 6")
            .affinity(PLAIN)
            .cluster("health = { kind = \"off\" }");
        let proxy = Proxy::start(&conf.listener("idle-timeout = \"1500ms\"").text());
        h2::run(async {
            let send = h2::connect_bare(proxy.addr).await;
            let begin = async |path: &str| {
                let post =
                    hyper::Request::post(format!("http://app.test{path}")).body(()).expect("a request");
                let (answer, mut stream) =
                    send.clone().ready().await.expect("open").send_request(post, false).expect("sent");
                stream.send_data(Bytes::from_static(&[7; 10]), false).expect("taken");
                (answer, stream)
            };
            let mut uploads = Vec::new();
            for _ in 0..stalled {
                uploads.push(begin("/upload/stalled").await);
            }
            let (answer, mut drips) = begin("/upload/drips").await;
            while node.hits() <= stalled {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(
                h2::ask(&send, hyper::Request::get(other).body(()).expect("a request"), None)
                    .await
                    .1
                    .status(),
                ends_with
            );
            for (mut answer, _stream) in uploads {
                let status = loop {
                    match tokio::time::timeout(Duration::from_millis(50), &mut answer).await {
                        Ok(answer) => break answer.expect("an answer").status(),
                        Err(_) => drips.send_data(Bytes::from_static(b"7"), false).expect("taken"),
                    }
                };
                assert_eq!(status, 408);
            }
            drips.send_data(Bytes::from_static(b"7"), true).expect("taken");
            assert_eq!(answer.await.expect("an answer").status(), 200, "who goes on is not cut");
        });
        for line in proxy.access_of("/upload/stalled", stalled) {
            assert_eq!((&line["status"], &line["node"]), (&408.into(), &"n1".into()), "{line}");
            assert!(line["note"].as_str().is_some_and(|note| note.contains("1.5s")), "{line}");
        }
    }
}

#[test]
fn answers_that_cannot_be_read_do_not_add_up_to_the_end_of_a_connection() {
    let node = H2Node::start("n1", Opens::Settings(None), |_| Then::BadHead);
    let conf = Conf::over(std::iter::empty::<&Origin>()).node("n1", &node.url());
    let proxy = Proxy::start(&conf.cluster("http2 = true\nhealth = { kind = \"off\" }").text().replacen(
        "workers = 2\n",
        "workers = 1\n",
        1,
    ));
    let mut client = Client::new(proxy.addr);
    assert!((0..1100).all(|_| client.get("/").status == 502));
    assert_eq!((node.asked().0, node.connections()), (1100, 1));
}

#[test]
fn requests_that_wait_long_for_their_second_answer_leave_connections_to_others() {
    let node = H2Node::start("n1", Opens::Settings(None), |asked| match asked {
        _ if asked.post => Then::Answer,
        _ if (asked.connection, asked.at) == (0, 2) => Then::BadFrame,
        _ => Then::Never,
    });
    let lines =
        "http2 = true\nhealth = { kind = \"off\" }\npool = { http2-connections = 2 }\nqueue-timeout = \"1s\"";
    let conf = Conf::over(std::iter::empty::<&Origin>()).node("n1", &node.url()).cluster(lines);
    let proxy = Proxy::start(&conf.text().replacen("workers = 2\n", "workers = 1\n", 1));
    let _waiting = [1, 2, 5].map(|asked| {
        let mut stream = TcpStream::connect(proxy.addr).expect("the listener accepts");
        write!(stream, "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n").expect("sent");
        until("it is at the node, and those that the third one ended are there again", || {
            (node.asked().0 >= asked).then_some(())
        });
        stream
    });
    assert_eq!(Client::new(proxy.addr).post("/", b"a body").status, 200);
}

#[test]
fn an_answer_that_breaks_off_right_after_its_head_is_told_of_as_far_as_it_came() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("\"http://{}\"", listener.local_addr().expect("a bound socket has an address"));
    std::thread::spawn(move || {
        let (mut node, _) = listener.accept().expect("the proxy comes");
        assert!(node.read(&mut [0; 4096]).expect("a request") > 0);
        node.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok").expect("sent");
    });
    let conf =
        Conf::over(std::iter::empty::<&Origin>()).node("n1", &url).cluster("health = { kind = \"off\" }");
    let proxy = Proxy::start(&conf.text());
    let mut stream = TcpStream::connect(proxy.addr).expect("the listener accepts");
    write!(stream, "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 0\r\n\r\n").expect("sent");
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    assert!(
        heard.starts_with(b"HTTP/1.1 200 OK\r\n") && heard.ends_with(b"\r\n\r\nok"),
        "{}",
        String::from_utf8_lossy(&heard)
    );
}
