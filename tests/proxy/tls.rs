//! TLS towards clients: names, versions, resumption, client certificates.

use crate::support::{Certs, Conf, Origin, Proxy, free_addr, h2, proxy::replace};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, HandshakeKind, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

struct Secure {
    certs: Certs,
    addr: SocketAddr,
    proxy: Proxy,
    _node: Origin,
}

/// A TLS listener with certificates for these names, one file each.
fn secure(names: &[&[&str]], tls: &str) -> Secure {
    secure_with(names, tls, "")
}

/// The same with more said in the rule.
fn secure_with(names: &[&[&str]], tls: &str, rule: &str) -> Secure {
    let (certs, node, addr) = (Certs::new(), Origin::start("n1"), free_addr());
    let folder = tempfile::tempdir().expect("a temporary folder");
    names.iter().for_each(|names| certs.write(&folder.path().join("certs"), names));
    std::fs::write(folder.path().join("ca.crt"), certs.ca()).expect("the authority is written");
    let conf = Conf::over([&node])
        .affinity(r#""cookie""#)
        .rule(rule)
        .more(&format!("[listener.secure]\nbind = \"{addr}\"\ntls = {{ certs = [\"certs\"]{tls} }}"));
    replace(&folder.path().join("homing.toml"), &conf.text());
    Secure { certs, addr, proxy: Proxy::start_in(folder, "homing.toml"), _node: node }
}

#[test]
fn http_1_over_tls() {
    let s = secure(&[&["app.test"]], "");
    let mut client = s.certs.client(s.addr, "app.test");
    for _ in 0..10 {
        assert_eq!(client.get("/visit").node(), "n1");
    }
    assert_eq!(client.get("/headers").seen("x-forwarded-proto"), ["https"]);
    assert_eq!(client.get("/big?n=3000000").body.len(), 3_000_000);
    assert_eq!(client.connections, 1);
}

#[test]
fn http_2_over_tls() {
    let s = secure(&[&["app.test"]], "");
    h2::run(async {
        let mut send = h2::connect_tls(s.addr, s.certs.trust(&[], &["h2", "http/1.1"]), "app.test").await;
        let answer = h2::fetch(&mut send, h2::get("https", "app.test", "/visit")).await;
        assert_eq!((answer.status().as_u16(), h2::node(&answer).as_str()), (200, "n1"));
        let back = h2::web_socket(&mut send, "app.test", "/ws", "sealed").await;
        assert_eq!(back, b"sealed");
    });
}

#[test]
fn the_certificate_is_chosen_by_name() {
    let s = secure(&[&["a.test"], &["b.test"], &["wild.test", "*.wild.test"]], "");
    // A client checks the name against the certificate, so an answer means that the right one was shown.
    for name in ["a.test", "b.test", "wild.test", "any.wild.test"] {
        assert_eq!(s.certs.client(s.addr, name).get("/").status, 200, "{name}");
    }
    assert_ne!(
        s.certs.shown(s.addr, "a.test").expect("shown"),
        s.certs.shown(s.addr, "b.test").expect("shown")
    );
}

#[test]
fn the_oldest_version_is_a_setting() {
    let s = secure(&[&["app.test"]], "");
    let old =
        Certs::client_with(s.certs.trust(&[&TLS12], &[]), s.addr, "app.test").send("GET", "/", &[], b"");
    assert_eq!(old.expect("TLS 1.2 is offered by default").status, 200);
    let s = secure(&[&["app.test"]], ", min-version = \"1.3\"");
    assert!(
        Certs::client_with(s.certs.trust(&[&TLS12], &[]), s.addr, "app.test")
            .send("GET", "/", &[], b"")
            .is_err()
    );
    assert_eq!(Certs::client_with(s.certs.trust(&[&TLS13], &[]), s.addr, "app.test").get("/").status, 200);
}

#[test]
fn sessions_are_resumed() {
    let s = secure(&[&["app.test"]], "");
    for version in [&TLS12, &TLS13] {
        let config = s.certs.trust(&[version], &["http/1.1"]);
        let kinds: Vec<_> = (0..10)
            .map(|_| {
                let name = ServerName::try_from("app.test").expect("a name");
                let session = ClientConnection::new(config.clone(), name).expect("a session");
                let mut stream =
                    StreamOwned::new(session, TcpStream::connect(s.addr).expect("the listener accepts"));
                stream
                    .write_all(b"GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n")
                    .expect("sent");
                // The tickets of TLS 1.3 come with the answer.
                let _ = stream.read_to_end(&mut Vec::new());
                stream.conn.handshake_kind().expect("it is over")
            })
            .collect();
        let resumed = kinds.iter().filter(|k| **k == HandshakeKind::Resumed).count();
        assert!(resumed >= 9, "{version:?}: whichever worker accepts, it knows the ticket: {kinds:?}");
    }
}

#[test]
fn client_certificates_are_asked_for() {
    let s = secure(&[&["app.test"]], ", client-ca = \"ca.crt\"");
    assert!(
        s.certs.client(s.addr, "app.test").send("GET", "/", &[], b"").is_err(),
        "without one the handshake fails"
    );
    let pair = s.certs.pair(&["user.test"]);
    let known = s.certs.trust_as(&[], &["http/1.1"], Some(pair));
    assert_eq!(Certs::client_with(known, s.addr, "app.test").get("/").status, 200);
    let stranger = s.certs.trust_as(&[], &["http/1.1"], Some(Certs::new().pair(&["user.test"])));
    assert!(Certs::client_with(stranger, s.addr, "app.test").send("GET", "/", &[], b"").is_err());
    let s = secure(&[&["app.test"]], ", client-ca = \"ca.crt\", client-auth = \"optional\"");
    assert_eq!(s.certs.client(s.addr, "app.test").get("/").status, 200);
}

#[test]
fn a_renewed_authority_of_client_certificates_counts_at_once() {
    let s = secure(&[&["app.test"]], ", client-ca = \"ca.crt\"");
    let others = Certs::new();
    let ask = |pair| {
        Certs::client_with(s.certs.trust_as(&[], &["http/1.1"], Some(pair)), s.addr, "app.test").send(
            "GET",
            "/",
            &[],
            b"",
        )
    };
    assert!(ask(s.certs.pair(&["user.test"])).is_ok() && ask(others.pair(&["user.test"])).is_err());
    let word = s.proxy.reloads(|| replace(&s.proxy.folder().join("ca.crt"), others.ca()));
    assert!(word.applied(), "{word:?}");
    assert!(ask(s.certs.pair(&["user.test"])).is_err() && ask(others.pair(&["user.test"])).is_ok());
}

#[test]
fn a_node_is_told_who_the_client_certificate_says_it_is() {
    let rule = r#"request-headers = { set = { X-Subject = "{tls.client.subject}", X-Print = "{tls.client.fingerprint}" } }"#;
    let s = secure_with(&[&["app.test"]], ", client-ca = \"ca.crt\", client-auth = \"optional\"", rule);
    let (cert, key) = s.certs.pair_of("Zoë, of Sales", &[]);
    let der = CertificateDer::from_pem_slice(cert.as_bytes()).expect("a certificate");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    let print: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let known = s.certs.trust_as(&[], &["http/1.1"], Some((cert, key)));
    let mut client = Certs::client_with(known, s.addr, "app.test");
    for _ in 0..2 {
        let answer = client.get_with("/headers", &[("X-Subject", "CN=forged")]);
        assert_eq!(answer.seen("x-subject"), [r"CN=Zo\c3\ab\, of Sales"]);
        assert_eq!(answer.seen("x-print"), [print.as_str()]);
        // resumed the next time, and still known
        client.hang_up();
    }
    let nobody = s
        .certs
        .client(s.addr, "app.test")
        .get_with("/headers", &[("X-Subject", "CN=forged"), ("X-Print", print.as_str())]);
    assert_eq!(
        (nobody.seen("x-subject"), nobody.seen("x-print")),
        (vec![], vec![]),
        "what a client says of itself is taken off"
    );
}

#[test]
fn noise_on_the_tls_port_harms_nobody() {
    let s = secure(&[&["app.test"]], "");
    for noise in
        [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), b"\x16\x03\x01\xff\xff", b"\0\0\0\0\0\0\0\0"]
    {
        let mut stream = TcpStream::connect(s.addr).expect("the listener accepts");
        stream.write_all(noise).expect("sent");
    }
    assert_eq!(s.certs.client(s.addr, "app.test").get("/").status, 200);
}
