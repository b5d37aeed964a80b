//! What is refused before a rule is found, and what is not: whoever is refused hears why, and so does the log.

use crate::support::client::raw;
use crate::support::{Certs, Conf, H2Node, Origin, Proxy, free_addr, h2};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const QUIET: Duration = Duration::from_secs(10);

/// Waits for the one line of this status, and gives its note and id.
fn line(proxy: &Proxy, status: u16) -> (String, String) {
    let lines = crate::support::until("there is a line", || {
        let lines: Vec<Value> = proxy.access().into_iter().filter(|line| line["status"] == status).collect();
        (!lines.is_empty()).then_some(lines)
    });
    let text = |key: &str| lines[0][key].as_str().unwrap_or_default().to_owned();
    (text("note"), text("id"))
}

#[test]
fn what_is_refused_before_a_rule_has_a_body_an_id_and_a_reason_in_the_log() {
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(30));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000));
    let cases: [(&str, u16, &str); 12] = [
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "more than one Host"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad-host"),
        ("GET / HTTP/1.1\r\nHost: [::zz]\r\n\r\n", 400, "bad-host"),
        ("GET app.test:80 HTTP/1.1\r\nHost: app.test:80\r\n\r\n", 400, "malformed target"),
        ("GET ftp://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n", 400, "malformed target"),
        ("PRI * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed target"),
        ("GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed request line"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, "connect"),
        (&many, 431, "too many header lines"),
        (&long, 431, "header too large"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX-Cu", 408, "the rest of the header did not come in time"),
        ("G", 408, "the rest of the header did not come in time"),
    ];
    let node = Origin::start("n1");
    for (request, status, note) in cases {
        let conf = Conf::over([&node]).listener("header-timeout = \"1s\"\nmax-headers = 20");
        let proxy = Proxy::start(&conf.text());
        let back = raw(proxy.addr, request.as_bytes(), QUIET);
        let (said, id) = line(&proxy, status);
        assert_eq!((back.status(), &*said, back.closed), (status, note, true), "{request:?}: {}", back.text);
        assert!(
            !id.is_empty() && back.text.ends_with(&format!("\nRequest {id}\n")),
            "{request:?}: {}",
            back.text
        );
    }
    assert_eq!(node.hits(), 0);
}

#[test]
fn a_head_that_breaks_off_is_told_of() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).text());
    // one that says nothing leaves no line
    for begins in ["", "\r\n", "GET / HTTP/1.1\r\nHos"] {
        let mut client = TcpStream::connect(proxy.addr).expect("the listener accepts");
        client.write_all(begins.as_bytes()).expect("sent");
        client.shutdown(Shutdown::Write).expect("closed");
        let mut heard = String::new();
        client.read_to_string(&mut heard).expect("an end");
        assert_eq!(heard.starts_with("HTTP/1.1 400 "), begins.starts_with('G'), "{begins:?}: {heard}");
    }
    assert_eq!(line(&proxy, 400).0, "the connection was closed within the header");
    assert_eq!(raw(proxy.addr, b"G:T / HTTP/1.1\r\nHost: a\r\n\r\n", QUIET).status(), 400);
    let lines =
        crate::support::until("the next line", || Some(proxy.access()).filter(|lines| lines.len() > 1));
    assert_eq!(lines.len(), 2, "who says nothing leaves no line: {lines:?}");
}

#[test]
fn http_2_requests_are_refused_in_the_same_words() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).listener("max-headers = 20").text());
    h2::run(async {
        let send = h2::connect_bare(proxy.addr).await;
        let get = || hyper::Request::get("http://app.test/visit");
        let many = (0..30).fold(get(), |request, at| request.header(format!("x-{at}"), "1"));
        let scheme = hyper::Request::get("ftp://app.test/visit");
        for (request, status) in
            [(many, 431), (get().header("host", "app.test").header("host", "app.test"), 400), (scheme, 400)]
        {
            let (_, answer) = h2::ask(&send, request.body(()).expect("a request"), None).await;
            let text = String::from_utf8_lossy(answer.body()).into_owned();
            assert_eq!(answer.status(), status, "{text}");
            assert!(
                text.starts_with(&format!("{status} The request cannot be read: "))
                    && text.contains("\nRequest "),
                "{text}"
            );
        }
        assert_eq!(h2::ask(&send, get().body(()).expect("a request"), None).await.1.status(), 200);
    });
    let notes = ["too many header lines", "more than one Host", "malformed target"];
    for note in notes {
        crate::support::until(note, || proxy.access().into_iter().find(|line| line["note"] == note));
    }
}

#[test]
fn characters_that_servers_take_reach_the_node_and_are_seen_escaped() {
    let (node, two) = (Origin::start("n1"), H2Node::good("n2"));
    let more = format!(
        "[[rule]]\npath = \"/two\"\ncluster = \"two\"\n[cluster.two]\nhttp2 = true\nhealth = {{ kind = \"off\" }}\n[cluster.two.nodes]\nn2 = {}",
        two.url()
    );
    let conf = Conf::over([&node])
        .affinity("{ route = \"JSESSIONID\" }")
        .rule("path = \"/app/a<b\"\nstrip-prefix = \"/app\"");
    let proxy = Proxy::start(&conf.more(&more).text());
    let target = "/app/a<b/`;jsessionid=x.n1?q=\"<c>\"";
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(raw(proxy.addr, request.as_bytes(), QUIET).status(), 200);
    assert_eq!(
        raw(proxy.addr, b"GET /two/<\xe9> HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", QUIET).status(),
        200
    );
    let lines: Vec<String> = node.seen().into_iter().map(|seen| seen.head.line).collect();
    assert_eq!(lines[0], format!("GET {} HTTP/1.1", target.replacen("/app", "", 1)));
    let line = crate::support::until("there is a line", || {
        proxy
            .access()
            .into_iter()
            .find(|line| line["path"].as_str().is_some_and(|path| path.contains("jsessionid")))
    });
    assert_eq!(
        (&line["path"], &line["why"]),
        (&"/app/a%3Cb/%60;jsessionid=x.n1?q=%22%3Cc%3E%22".into(), &"route".into()),
        "{line}"
    );
}

#[test]
fn the_proxy_chooses_the_cipher() {
    let (certs, node, secure) = (Certs::new(), Origin::start("n1"), free_addr());
    let folder = tempfile::tempdir().expect("a temporary folder");
    certs.write(&folder.path().join("certs"), &["app.test"]);
    let more = format!("[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}");
    std::fs::write(folder.path().join("homing.toml"), Conf::over([&node]).more(&more).text())
        .expect("written");
    let _proxy = Proxy::start_in(folder, "homing.toml");
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let chosen = [false, true].map(|turned| {
            let mut provider = rustls::crypto::aws_lc_rs::default_provider();
            if turned {
                provider.cipher_suites.reverse();
            }
            let root = CertificateDer::from_pem_slice(certs.ca().as_bytes()).expect("a certificate");
            let mut roots = rustls::RootCertStore::empty();
            roots.add(root).expect("our root is a root");
            let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                .with_protocol_versions(versions)
                .expect("the provider knows them")
                .with_root_certificates(roots)
                .with_no_client_auth();
            let name = rustls::pki_types::ServerName::try_from("app.test").expect("a name");
            let mut session = rustls::ClientConnection::new(Arc::new(config), name).expect("a session");
            let mut sock = TcpStream::connect(secure).expect("the listener accepts");
            while session.is_handshaking() {
                session.complete_io(&mut sock).expect("a handshake");
            }
            session.negotiated_cipher_suite().expect("one").suite()
        });
        assert_eq!(chosen[0], chosen[1]);
    }
}
