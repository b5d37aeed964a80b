//! Nodes that speak otherwise than plain HTTP/1.1 over TCP: TLS, HTTP/2, unix sockets.

use crate::support::relay::{h2_node, tls_in_front, unix_in_front};
use crate::support::wire::pattern;
use crate::support::{Certs, Client, Conf, Origin, Proxy, free_addr, proxy::replace};

#[test]
fn a_node_behind_tls_is_verified() {
    let (certs, strangers, node) = (Certs::new(), Certs::new(), Origin::start("n1"));
    let (good, bad) = (
        tls_in_front(certs.server("node.test"), node.addr),
        tls_in_front(strangers.server("node.test"), node.addr),
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("ca.pem"), certs.ca()).expect("the authority is written");
    let base = Conf::over(std::iter::empty::<&Origin>()).affinity(r#""cookie""#);
    let conf = |addr: std::net::SocketAddr, tls: &str| {
        let conf = base.clone().node("n1", &format!("\"https://{addr}\""));
        conf.cluster(&format!(
            "tls = {{ {tls} }}\nhealth = {{ kind = \"off\" }}\npassive = {{ failures = 0 }}"
        ))
    };
    replace(
        &folder.path().join("homing.toml"),
        &conf(good, "ca = \"ca.pem\", server-name = \"node.test\"").text(),
    );
    let proxy = Proxy::start_in(folder, "homing.toml");
    assert_eq!(Client::new(proxy.addr).get("/big?n=1000000").body, pattern(1_000_000));
    assert_eq!(
        Client::new(proxy.addr).get("/headers").seen("x-forwarded-proto"),
        ["http"],
        "the client's scheme, not the node's"
    );
    for (what, addr, tls) in [
        ("a stranger's certificate", bad, "ca = \"ca.pem\", server-name = \"node.test\""),
        ("another name", good, "ca = \"ca.pem\", server-name = \"other.test\""),
        ("an authority that nobody named", good, "server-name = \"node.test\""),
    ] {
        let hits = node.hits();
        let word = proxy.reload_to(&conf(addr, tls).text());
        assert!(word.applied(), "{what}: {word:?}");
        let answer = Client::new(proxy.addr).get("/");
        assert!(matches!(answer.status, 502 | 503), "{what}: {}", answer.status);
        assert_eq!(node.hits(), hits, "{what}: nothing was sent");
    }
}

#[test]
fn a_node_that_speaks_http_2() {
    let addr = h2_node("n1");
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(r#""cookie""#)
        .cluster("http2 = true")
        .node("n1", &format!("\"http://{addr}\""));
    let proxy = Proxy::start(&conf.text());
    let mut client = Client::with_jar(proxy.addr);
    for _ in 0..50 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.node(), answer.text().as_str()), (200, "n1", "HTTP/2.0 0"));
    }
    let body = vec![b'x'; 300_000];
    assert_eq!(client.post("/", &body).text(), "HTTP/2.0 300000");
}

#[test]
fn a_second_try_is_http_2_as_well() {
    let (gone, good) = (free_addr(), h2_node("n2"));
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(r#""cookie""#)
        .cluster("http2 = true\nhealth = { kind = \"off\" }");
    let conf = conf.cluster("balance = \"round-robin\"\npassive = { failures = 0 }");
    let proxy = Proxy::start(
        &conf.node("n1", &format!("\"http://{gone}\"")).node("n2", &format!("\"http://{good}\"")).text(),
    );
    for _ in 0..10 {
        assert_eq!(Client::new(proxy.addr).get("/").text(), "HTTP/2.0 0");
        assert_eq!(Client::new(proxy.addr).post("/", b"four").text(), "HTTP/2.0 4");
    }
}

#[test]
fn a_node_on_a_unix_socket() {
    let node = Origin::start("n1");
    let folder = tempfile::tempdir().expect("a temporary folder");
    unix_in_front(&folder.path().join("node.sock"), node.addr);
    let url = format!("\"unix:{}\"", folder.path().join("node.sock").display());
    let proxy = Proxy::start(
        &Conf::over(std::iter::empty::<&Origin>()).affinity(r#""cookie""#).node("n1", &url).text(),
    );
    let mut client = Client::with_jar(proxy.addr);
    for _ in 0..50 {
        assert_eq!(client.get("/").node(), "n1");
    }
    let mut socket = crate::support::socket::Socket::connect(proxy.addr).expect("a WebSocket opens");
    assert!(socket.says("through a unix socket"));
}
