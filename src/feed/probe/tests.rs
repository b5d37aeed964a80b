use super::*;
use crate::upstream::addresses::Addresses;
use crate::upstream::tls::NodeTls;
use crate::wire::protocol::NodeProtocol;
use arc_swap::ArcSwap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

/// A link as the table makes it, in clear text.
pub fn link_to(url: &str) -> Arc<Link> {
    Arc::new(link_of(url))
}

fn link_of(url: &str) -> Link {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 40);
    let url: crate::config::address::NodeUrl = url.parse().unwrap();
    let literal = url.host.parse().map(|ip| std::net::SocketAddr::new(ip, url.port));
    Link {
        id: NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
        authority: url.authority().parse().unwrap(),
        url,
        addresses: ArcSwap::from_pointee(Addresses::new(literal)),
        looked_up: tokio::sync::Notify::new(),
        doubted: tokio::sync::Notify::new(),
        reuse_ms: AtomicU64::new(1000),
        proven_us: AtomicU64::new(0),
        tls: None,
        protocol: NodeProtocol::Http1,
        server_name: None,
        reach: crate::upstream::own_addresses::LinkReach::Written,
        homeward: std::sync::atomic::AtomicBool::new(false),
        usage: std::sync::Arc::default(),
    }
}

fn http() -> Health {
    Health {
        path: Some("/healthz?deep=1".into()),
        timeout: crate::base::units::Duration::millis(300),
        ..Health::default()
    }
}

fn tcp() -> Health {
    Health { path: None, ..http() }
}

/// A node that answers every connection with these bytes and then keeps it open or closes it; what it was
/// asked is kept.
async fn node(answer: &'static [u8], close: bool) -> (Arc<Link>, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&format!("http://{}", listener.local_addr().unwrap()));
    let asked = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let n = stream.read(&mut head).await.unwrap_or(0);
            *heard.lock().unwrap() = String::from_utf8_lossy(&head[..n]).into_owned();
            stream.write_all(answer).await.ok();
            if !close {
                open.push(stream);
            }
        }
    });
    (link, asked)
}

async fn why(link: &Arc<Link>, health: &Health) -> (String, Meaning) {
    let failure = probe(link, health).await.unwrap_err();
    (failure.why, failure.meaning)
}

#[tokio::test]
async fn a_good_answer_is_seen_without_its_body() {
    let (link, asked) = node(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome", false).await;
    let seen = probe(&link, &http()).await.unwrap().words;
    assert!(seen.starts_with("check 200 in ") && seen.ends_with(" ms"), "{seen}");
    let asked = asked.lock().unwrap().to_lowercase();
    assert!(asked.starts_with("get /healthz?deep=1 http/1.1\r\n"), "{asked}");
    for line in [
        &format!("host: {}\r\n", link.url.authority()),
        "connection: close\r\n",
        "user-agent: homing-check\r\n",
    ] {
        assert!(asked.contains(line), "{asked}");
    }
}

#[tokio::test]
async fn the_host_of_the_conf_is_sent() {
    let (link, asked) = node(b"HTTP/1.0 204 No Content\r\n\r\n", true).await;
    probe(&link, &Health { host: Some("shop.example.com".into()), ..http() }).await.unwrap();
    assert!(asked.lock().unwrap().contains("shop.example.com\r\n"));
}

#[tokio::test]
async fn bad_answers_are_told_in_words() {
    for (answer, close, words, meaning) in [
        (&b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"[..], true, "status 503", Meaning::Definite),
        (b"HTTP/1.1 404 No\r\n\r\n", true, "status 404", Meaning::Definite),
        (b"", true, "closes the connection without an answer", Meaning::Definite),
        (b"HTTP/1.1 200 O", true, "closes the connection without an answer", Meaning::Definite),
        (
            b"SSH-2.0-OpenSSH_9\r\n\r\n",
            false,
            "answers, but not in HTTP: invalid HTTP version",
            Meaning::Definite,
        ),
        (b"", false, "no answer within 300ms", Meaning::Silent),
        (b"HTTP/1.1 200 OK\r\nX: ", false, "no answer within 300ms", Meaning::Silent),
    ] {
        let (link, _) = node(answer, close).await;
        assert_eq!(
            why(&link, &http()).await,
            (words.to_owned(), meaning),
            "{}",
            String::from_utf8_lossy(answer)
        );
    }
}

#[tokio::test]
async fn an_endless_head_is_not_read_to_its_end() {
    let endless: &'static [u8] =
        Box::leak([&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; 1 << 20]].concat().into_boxed_slice());
    let (link, _) = node(endless, false).await;
    assert_eq!(why(&link, &http()).await.0, "answers with a head that is too large");
}

/// An address that refuses for as long as the socket is held: it is bound and does not listen.
fn refusing() -> (socket2::Socket, std::net::SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[tokio::test]
async fn connections_are_told_in_words() {
    let (link, _) = node(b"", false).await;
    assert!(probe(&link, &tcp()).await.unwrap().words.starts_with("connects in "));

    let (_held, free) = refusing();
    let refused = ("connection refused".to_owned(), Meaning::Refused);
    assert_eq!(why(&link_to(&format!("http://{free}")), &tcp()).await, refused);
    assert_eq!(why(&link_to(&format!("http://{free}")), &http()).await, refused);

    let nowhere = ("name app.internal does not resolve".to_owned(), Meaning::Refused);
    assert_eq!(why(&link_to("http://app.internal:80"), &tcp()).await, nowhere);
}

#[tokio::test]
async fn the_first_address_that_works_is_taken() {
    let (link, _) = node(b"HTTP/1.1 200 OK\r\n\r\n", true).await;
    let good = link.addresses.load()[0];
    let (_held, bad) = refusing();
    link.addresses.store(Arc::new(Addresses::new([bad, good])));
    probe(&link, &http()).await.unwrap();
}

#[tokio::test]
async fn a_unix_socket_is_checked_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.sock");
    let link = link_to(&format!("unix:{}", path.display()));
    assert_eq!(why(&link, &tcp()).await, (format!("no socket at {}", path.display()), Meaning::Refused));
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    assert!(probe(&link, &http()).await.unwrap().words.starts_with("check 200"));
}

#[tokio::test]
async fn tls_is_part_of_the_check() {
    let made = rcgen::generate_simple_self_signed(vec!["app.example".into()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = NodeTls::new(&client.with_root_certificates(roots).with_no_client_auth());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut link = link_of(&format!("https://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await.ok();
                stream.shutdown().await.ok();
            }
        }
    });
    link.tls = Some(client);
    link.server_name = Some("app.example".try_into().unwrap());
    let mut link = Arc::new(link);
    assert!(probe(&link, &http()).await.unwrap().words.starts_with("check 200"));
    assert!(probe(&link, &tcp()).await.unwrap().words.starts_with("connects"));
    // one that takes connections and says nothing in them is no better than one that takes none
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = link.addresses.load()[0];
    link.addresses.store(Arc::new(Addresses::new([silent.local_addr().unwrap(), good])));
    let patient = Health { timeout: crate::base::units::Duration::secs(60), ..http() };
    assert!(probe(&link, &patient).await.unwrap().words.starts_with("check 200"));
    assert_eq!(link.addresses.load().in_turn().next(), Some(good));
    link.addresses.store(Arc::new(Addresses::new([good])));
    Arc::get_mut(&mut link).unwrap().server_name = Some("other.example".try_into().unwrap());
    let (words, meaning) = why(&link, &tcp()).await;
    assert!(words.starts_with("TLS: invalid peer certificate"), "{words}");
    assert_eq!(meaning, Meaning::Definite);

    let (plain, _) = node(b"HTTP/1.1 200 OK\r\n\r\n", true).await;
    link.addresses.store(plain.addresses.load_full());
    assert!(why(&link, &tcp()).await.0.starts_with("TLS: "), "clear text behind https");
}

#[tokio::test]
async fn any_answer_shows_that_a_node_does_not_hang() {
    let answers: [(&[u8], bool, bool); 4] = [
        (b"HTTP/1.1 503 No\r\n\r\n", false, true),
        (b"nonsense\r\n\r\n", true, true),
        (b"", true, true),
        (b"", false, false),
    ];
    for (answer, close, alive) in answers {
        let (link, asked) = node(answer, close).await;
        let found = ask_for_any(&link, &tcp(), Duration::from_millis(300)).await;
        assert_eq!(found.is_ok(), alive, "{found:?}");
        assert!(asked.lock().unwrap().starts_with("GET / HTTP/1.1\r\n"));
        if let Err(failure) = found {
            assert_eq!((failure.why.as_str(), failure.meaning), ("no answer within 300ms", Meaning::Silent));
        }
    }
    let nobody = ask_for_any(&link_to("http://127.0.0.1:1"), &tcp(), Duration::from_secs(5)).await;
    assert_eq!(nobody.unwrap_err().meaning, Meaning::Refused);
}
