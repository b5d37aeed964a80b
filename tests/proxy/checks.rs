//! A check goes the way of requests: a node that passes it serves, and one that serves passes it, whatever it
//! answers.

use crate::support::h2_node::{Opens, Then};
use crate::support::relay::tls_in_front;
use crate::support::{Certs, Client, Conf, H2Node, Origin, Proxy, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// A node that answers whatever it is asked with these bytes, and closes.
fn says(answer: &[u8]) -> SocketAddr {
    let (listener, answer) = (TcpListener::bind("127.0.0.1:0").expect("a port"), answer.to_owned());
    let addr = listener.local_addr().expect("a bound socket has an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut asked, mut part) = (Vec::new(), [0; 4096]);
            while !asked.ends_with(b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(read) if read > 0 => asked.extend_from_slice(&part[..read]),
                    _ => break,
                }
            }
            // who reads no more of it has closed
            let _ = stream.write_all(&answer);
        }
    });
    addr
}

/// What becomes of nodes by their checks and of requests to them: one cluster each, with further lines.
fn alike(nodes: &[(&str, String, bool)], lines: &str) {
    let cluster = "health = { path = \"/\", interval = \"1h\" }\npassive = { failures = 0 }";
    let origin = Origin::start("last");
    let more = nodes.iter().enumerate().map(|(n, (_, url, _))| {
        format!(
            "[[rule]]\npath = \"/{n}/\"\ncluster = \"c{n}\"\n[cluster.c{n}]\n{cluster}\n{lines}\n[cluster.c{n}.nodes]\nn1 = \"{url}\"\n"
        )
    });
    let mut conf = Conf::over([&origin]);
    conf.rule = "path = \"/last/\"".into();
    let proxy = Proxy::start(&conf.more(&more.collect::<String>()).text());
    for (n, (what, _, serves)) in nodes.iter().enumerate() {
        let line = until("the first check", || {
            let lines = proxy.log.all();
            lines.into_iter().find(|line| line.contains(&format!("cluster c{n} node n1 is ")))
        });
        let status = Client::new(proxy.addr).get(&format!("/{n}/")).status;
        assert_eq!((line.contains(" is up"), status == 200), (*serves, *serves), "{what}: {status}, {line}");
    }
}

#[test]
fn a_node_passes_its_check_as_it_serves() {
    let long =
        |bytes: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(bytes));
    let lines =
        |count: usize| format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: y\r\n".repeat(count));
    let cases = [
        ("as usual", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), true),
        ("bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 0\n\n".into(), true),
        ("a folded line", "HTTP/1.1 200 OK\r\nX: one\r\n two\r\nContent-Length: 0\r\n\r\n".into(), true),
        ("empty lines before", "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into(), true),
        (
            "hints before",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into(),
            true,
        ),
        ("chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), true),
        ("a length twice", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n".into(), true),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\nx".into(), false),
        ("a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n".into(), false),
        ("a blank before the colon", "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n".into(), false),
        ("a zero byte", "HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n".into(), false),
        ("a large head", long(40 << 10), true),
        ("a head over the limit", long(300 << 10), false),
        ("many lines", lines(150), true),
        ("too many lines", lines(1100), false),
        ("no HTTP", "SSH-2.0-OpenSSH_9\r\n\r\n".into(), false),
        ("half a head", "HTTP/1.1 200 O".into(), false),
        ("nothing", String::new(), false),
    ];
    let nodes =
        cases.map(|(what, answer, serves)| (what, format!("http://{}", says(answer.as_bytes())), serves));
    alike(&nodes, "");
}

#[test]
fn a_node_of_http_2_passes_its_check_as_it_serves() {
    let always = |then: Then| H2Node::start("n1", Opens::Settings(None), move |_| then);
    let (good, old) = (H2Node::good("n1"), H2Node::start("n1", Opens::Http1, |_| Then::Answer));
    let (bad, ends, closes) = (always(Then::BadHead), always(Then::BadFrame), always(Then::Close));
    let wants = H2Node::start("n1", Opens::Either, |_| Then::WantsHttp1);
    let nodes = [
        ("HTTP/2", &good, true),
        ("HTTP/2 that wants these requests over HTTP/1.1", &wants, true),
        ("HTTP/1.1 alone", &old, false),
        ("a malformed head", &bad, false),
        ("frames out of order", &ends, false),
        ("no answer", &closes, false),
    ];
    alike(&nodes.map(|(what, node, serves)| (what, format!("http://{}", node.addr), serves)), "http2 = true");

    let (certs, origin) = (Certs::new(), Origin::start("n1"));
    let over = |alpn: &[&[u8]], addr| {
        let mut tls = (*certs.server("node.test")).clone();
        tls.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        format!("https://{}", tls_in_front(Arc::new(tls), addr))
    };
    let nodes = [
        ("HTTP/2 in TLS", over(&[b"h2"], good.addr), true),
        ("HTTP/1.1 in TLS that agrees on nothing", over(&[], origin.addr), false),
        ("HTTP/1.1 in TLS that agrees on it", over(&[b"http/1.1"], origin.addr), false),
    ];
    alike(&nodes, "http2 = true\ntls = { verify = false }");
}
