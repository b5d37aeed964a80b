//! Clients that close their side, and those that are gone; nodes that never come to the point.

use crate::support::wire::{Wire, read_head};
use crate::support::{Certs, Client, Conf, Origin, Proxy, free_addr, h2, until, ws};
use bytes::Bytes;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const HINT: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A node of HTTP/1 that does this with each request; beside its address, how many have come.
fn node(answer: impl Fn(&mut Wire<TcpStream>) + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("a bound socket has an address");
    let (answer, asked) = (Arc::new(answer), Arc::<AtomicUsize>::default());
    let count = asked.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (answer, count) = (answer.clone(), count.clone());
            std::thread::spawn(move || {
                let mut wire = BufReader::new(socket);
                while let Ok(Some(_)) = read_head(&mut wire) {
                    count.fetch_add(1, SeqCst);
                    answer(&mut wire);
                }
            });
        }
    });
    (addr, asked)
}

fn conf(node: SocketAddr) -> Conf {
    let conf = Conf::over(std::iter::empty::<&Origin>()).cluster("health = { kind = \"off\" }\nretries = 0");
    conf.node("n1", &format!("{{ url = \"http://{node}\", max-requests = 1 }}"))
}

/// A node that answers once it may.
fn patient() -> (SocketAddr, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let go_on = Arc::<AtomicBool>::default();
    let may = go_on.clone();
    let (addr, asked) = node(move |wire| {
        while !may.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = wire.get_mut().write_all(ANSWER);
    });
    (addr, asked, go_on)
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n").into_bytes()
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("the listener accepts");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    stream
}

/// Closes it so that the other side hears of it at once.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("it can be");
}

/// Until all workers have looked at whatever is there.
fn seen_by(proxy: &Proxy) {
    for _ in 0..20 {
        assert_eq!(Client::new(proxy.addr).get("/nobody").status, 404);
    }
}

fn rest(stream: &mut impl Read) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_client_that_closes_its_side_gets_its_answers() {
    let (certs, secure) = (Certs::new(), free_addr());
    let folder = tempfile::tempdir().expect("a temporary folder");
    certs.write(&folder.path().join("certs"), &["app.test"]);
    let socket = folder.path().join("web.sock");
    let (addr, asked, go_on) = patient();
    let more = format!(
        "[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}\n[listener.unix]\nbind = {:?}",
        format!("unix:{}", socket.display())
    );
    let text =
        conf(addr).rule("path = \"/x\"").more(&more).text().replace("max-requests = 1", "weight = 100");
    std::fs::write(folder.path().join("homing.toml"), text).expect("written");
    let proxy = Proxy::start_in(folder, "homing.toml");

    let mut tcp = connect(proxy.addr);
    tcp.write_all(&[get("/x/1"), get("/x/2")].concat()).expect("sent");
    tcp.shutdown(Shutdown::Write).expect("closed");
    let mut unix = UnixStream::connect(&socket).expect("the listener accepts");
    unix.write_all(&get("/x/3")).expect("sent");
    unix.shutdown(Shutdown::Write).expect("closed");
    let session = || {
        let name = rustls::pki_types::ServerName::try_from("app.test").expect("a name");
        let session =
            rustls::ClientConnection::new(certs.trust(&[], &["http/1.1"]), name).expect("a session");
        let mut tls = rustls::StreamOwned::new(session, connect(secure));
        tls.write_all(&get("/x/4")).expect("sent");
        tls.flush().expect("sent");
        tls
    };
    // one says so in TLS alone, one in both, one in TCP alone
    let [mut says_so, mut both, mut says_nothing] = [session(), session(), session()];
    for tls in [&mut says_so, &mut both] {
        tls.conn.send_close_notify();
        tls.flush().expect("sent");
    }
    for tls in [&both, &says_nothing] {
        tls.sock.shutdown(Shutdown::Write).expect("closed");
    }
    until("all of them are at the node", || (asked.load(SeqCst) == 5).then_some(()));
    seen_by(&proxy);
    go_on.store(true, SeqCst);
    assert_eq!(rest(&mut tcp).matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(rest(&mut unix).matches("HTTP/1.1 200 OK").count(), 1);
    for (what, tls) in [("TLS", &mut says_so), ("both", &mut both), ("TCP", &mut says_nothing)] {
        assert_eq!(rest(tls).matches("HTTP/1.1 200 OK").count(), 1, "{what}");
    }
    for path in ["/x/1", "/x/2", "/x/3"] {
        assert_eq!(proxy.access_of(path, 1)[0]["status"], 200, "{path}");
    }
}

#[test]
fn a_client_that_is_gone_frees_its_place() {
    let (addr, asked, go_on) = patient();
    let proxy = Proxy::start(&conf(addr).rule("path = \"/x\"").text());
    let mut only = Client::new(proxy.addr);
    only.host = "app.test".into();
    for (at, half_first) in [(0, false), (1, true)] {
        let mut gone = connect(proxy.addr);
        gone.write_all(&get("/x/gone")).expect("sent");
        until("it is at the node", || (asked.load(SeqCst) == at + 1).then_some(()));
        if half_first {
            gone.shutdown(Shutdown::Write).expect("closed");
            seen_by(&proxy);
        }
        reset(gone);
        let line = proxy.access_of("/x/gone", at + 1).pop().expect("a line");
        assert_eq!(line["status"], 499, "closed before: {half_first}: {line}");
    }
    h2::run(async {
        let send = h2::connect_bare(proxy.addr).await;
        let request = hyper::Request::get("http://app.test/x/reset").body(()).expect("a request");
        let (answer, mut stream) =
            send.clone().ready().await.expect("open").send_request(request, true).expect("sent");
        while asked.load(SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stream.send_reset(::h2::Reason::CANCEL);
        drop(answer);
        tokio::task::spawn_blocking({
            let lines = move || proxy.access_of("/x/reset", 1);
            move || assert_eq!(lines()[0]["status"], 499)
        })
        .await
        .expect("it is given up");
    });
    go_on.store(true, SeqCst);
}

#[test]
fn with_abort_on_close_a_client_that_closes_its_side_has_left() {
    let (addr, asked, go_on) = patient();
    let proxy = Proxy::start(&conf(addr).cluster("abort-on-close = true").text());
    let mut leaves = connect(proxy.addr);
    leaves.write_all(&get("/x")).expect("sent");
    until("it is at the node", || (asked.load(SeqCst) == 1).then_some(()));
    leaves.shutdown(Shutdown::Write).expect("closed");
    let line = proxy.access_of("/x", 1).pop().expect("a line");
    assert_eq!((&line["status"], rest(&mut leaves)), (&499.into(), String::new()), "{line}");
    go_on.store(true, SeqCst);
}

/// Opens a WebSocket to a node that does this with it.
fn web_socket(with: impl Fn(&mut Wire<TcpStream>) + Send + Sync + 'static) -> (Proxy, Wire<TcpStream>) {
    let (addr, _) = node(move |wire| {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        wire.get_mut().write_all(switch.as_bytes()).expect("sent");
        with(wire);
    });
    let proxy = Proxy::start(&conf(addr).text());
    let mut client = BufReader::new(connect(proxy.addr));
    let ask = "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    client.get_mut().write_all(ask.as_bytes()).expect("sent");
    assert_eq!(read_head(&mut client).expect("a head").expect("one").status(), 101);
    (proxy, client)
}

#[test]
fn what_a_node_sends_after_its_web_sockets_client_has_closed_is_delivered() {
    let (proxy, mut client) = web_socket(|wire| {
        assert_eq!(ws::read(wire).expect("a close frame").kind, ws::CLOSE);
        assert_eq!(wire.read(&mut [0; 9]).expect("the client's end is passed on"), 0);
        for text in ["one", "two"] {
            std::thread::sleep(Duration::from_millis(50));
            wire.get_mut().write_all(&ws::encode(ws::TEXT, text.as_bytes(), false)).expect("taken");
        }
        wire.get_mut().shutdown(Shutdown::Both).expect("closed");
    });
    client.get_mut().write_all(&ws::encode(ws::CLOSE, &[3, 232], true)).expect("sent");
    client.get_mut().shutdown(Shutdown::Write).expect("closed");
    let heard: Vec<_> = (0..2).map(|_| ws::read(&mut client).expect("a frame").payload).collect();
    assert_eq!(heard, [b"one", b"two"]);
    assert_eq!(rest(&mut client), "", "and its end");
    assert_eq!(proxy.access_of("/ws", 1)[0]["note"], "tunnel-closed-by-client");
}

#[test]
fn what_a_client_sends_after_its_web_sockets_node_has_closed_is_delivered() {
    let told = Arc::<AtomicBool>::default();
    let heard = told.clone();
    let (proxy, mut client) = web_socket(move |wire| {
        wire.get_mut().write_all(&ws::encode(ws::CLOSE, &[3, 232], false)).expect("taken");
        wire.get_mut().shutdown(Shutdown::Write).expect("closed");
        heard.store(ws::read(wire).is_ok_and(|frame| frame.kind == ws::CLOSE), SeqCst);
    });
    assert_eq!(ws::read(&mut client).expect("a frame").kind, ws::CLOSE);
    assert_eq!(rest(&mut client), "", "the node's end is passed on");
    client.get_mut().write_all(&ws::encode(ws::CLOSE, &[3, 232], true)).expect("sent");
    until("the node has heard the answer", || told.load(SeqCst).then_some(()));
    drop(client);
    assert_eq!(proxy.access_of("/ws", 1)[0]["note"], "tunnel-closed-by-node");
}

#[test]
fn a_client_that_stops_reading_is_cut() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).listener("idle-timeout = \"1s\"").text());
    // each look at the connection used to begin its waiting anew: hints of the node, and frames of the client
    let mut unread = connect(proxy.addr);
    unread.write_all(&get("/big?n=50000000")).expect("sent");
    let cut = std::thread::spawn(move || {
        // what is sent ahead wakes the connection
        while unread.write_all(b"\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let line = proxy.access_of("/big?n=50000000", 1).pop().or_else(|| proxy.access_of("/big", 1).pop());
    let line = line.expect("a line");
    assert!(line["duration_ms"].as_f64().is_some_and(|ms| ms < 15_000.0), "{line}");
    cut.join().expect("it ends");
}

#[test]
fn pings_do_not_keep_an_http_2_client_that_stops_reading() {
    use std::sync::atomic::AtomicU64;
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).listener("idle-timeout = \"1s\"").text());
    let mut unread = connect(proxy.addr);
    socket2::SockRef::from(&unread).set_recv_buffer_size(4096).expect("it can be");
    // a window as large as can be, a request, and pings for as long as they are taken
    let window = [&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4][..], &[0x7f, 0xff, 0xff, 0xff]].concat();
    let more = [&[0, 0, 4, 8, 0, 0, 0, 0, 0][..], &[0x7f, 0, 0, 0]].concat();
    let fields = [&[0x82, 0x86, 0x41, 8][..], b"app.test", &[0x04, 15], b"/big?n=50000000"].concat();
    let head = [&[0, 0, fields.len() as u8, 1, 5, 0, 0, 0, 1][..], &fields].concat();
    unread
        .write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &window[..], &more, &head].concat())
        .expect("sent");
    let pings = AtomicU64::new(0);
    let begun = std::time::Instant::now();
    while unread.write_all(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).is_ok() {
        pings.fetch_add(1, SeqCst);
        assert!(begun.elapsed() < Duration::from_secs(25), "it is never cut");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(pings.load(SeqCst) > 5, "{pings:?}");
}

#[test]
fn an_http_2_client_that_opens_no_window_is_cut_and_its_pings_do_not_count() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).listener("idle-timeout = \"1s\"").text());
    h2::run(async {
        let stream = tokio::net::TcpStream::connect(proxy.addr).await.expect("the listener accepts");
        let (send, mut connection) = ::h2::client::Builder::new()
            .initial_window_size(0)
            .handshake::<_, Bytes>(stream)
            .await
            .expect("an HTTP/2 handshake");
        let mut pings = connection.ping_pong().expect("nobody else has it");
        tokio::spawn(connection);
        tokio::spawn(async move {
            while pings.ping(::h2::Ping::opaque()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let request = hyper::Request::get("http://app.test/visit").body(()).expect("a request");
        let (answer, _) =
            send.clone().ready().await.expect("open").send_request(request, true).expect("sent");
        let mut body = answer.await.expect("an answer").into_body();
        let end = body.data().await.expect("it does not end well").expect_err("no byte may come");
        assert_eq!(end.reason(), Some(::h2::Reason::CANCEL));
    });
}

#[test]
fn a_node_that_only_ever_says_that_it_is_about_to_answer_has_not() {
    // as fast as they are taken, and one after the other
    for (pause, status, word) in [(0, 502, "interim answers"), (20, 504, "within 1s")] {
        let (addr, _) = node(move |wire| {
            while wire.get_mut().write_all(HINT).is_ok() {
                std::thread::sleep(Duration::from_millis(pause));
            }
        });
        let proxy = Proxy::start(&conf(addr).cluster("timeouts = { response = \"1s\" }").text());
        let answer = Client::new(proxy.addr).get("/x");
        assert_eq!((answer.status, answer.early.len()), (status, 16), "{}", answer.text());
        let line = proxy.access_of("/x", 1).pop().expect("a line");
        assert!(line["note"].as_str().is_some_and(|note| note.contains(word)), "{line}");
    }
}

#[test]
fn a_client_that_leaves_a_node_that_is_always_about_to_answer_is_noticed() {
    let (addr, asked) = node(|wire| {
        while wire.get_mut().write_all(HINT).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let proxy = Proxy::start(&conf(addr).text());
    let mut gone = connect(proxy.addr);
    gone.write_all(&get("/x")).expect("sent");
    until("it is at the node", || (asked.load(SeqCst) == 1).then_some(()));
    reset(gone);
    assert_eq!(proxy.access_of("/x", 1)[0]["status"], 499);
}
