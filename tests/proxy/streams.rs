//! Nodes that speak HTTP/2: what fails on the way is as good as over HTTP/1.1, and streams that run out are
//! waited for.

use crate::support::h2_node::{Asked, Opens, Then};
use crate::support::relay::tls_in_front;
use crate::support::wire::pattern;
use crate::support::{Certs, Client, Conf, H2Node, Origin, Proxy, free_addr, h2, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const SEALED: &str = r#"{ cookie = "HOMING" }"#;

/// Whose clients are who they say.
const BEHIND: &str = "trusted-proxies = [\"127.0.0.0/8\"]";

const HTTP2: &str =
    "http2 = true\nhealth = { kind = \"off\" }\nbalance = \"round-robin\"\npassive = { failures = 0 }";

fn conf(nodes: &[&H2Node]) -> Conf {
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(SEALED).cluster(HTTP2);
    nodes.iter().enumerate().fold(conf, |conf, (at, node)| conf.node(&format!("n{}", at + 1), &node.url()))
}

/// Does it for the first request that it is asked about.
fn once(then: Then) -> impl Fn(Asked) -> Then + Send + Sync + 'static {
    let asked = AtomicUsize::new(0);
    move |_| if asked.fetch_add(1, SeqCst) == 0 { then } else { Then::Answer }
}

type Script = Box<dyn Fn(Asked) -> Then + Send + Sync>;
type Case = (&'static str, Opens, fn() -> Script);

#[test]
fn what_goes_wrong_at_one_node_is_mended_for_get_and_post() {
    let any = Opens::Settings(None);
    let cases: [Case; 13] = [
        ("the preface is refused", Opens::Closes, || Box::new(|_| Then::Answer)),
        ("it speaks HTTP/1.1 alone", Opens::Http1, || Box::new(|_| Then::Answer)),
        ("its SETTINGS are late", Opens::Late(Duration::from_millis(300)), || Box::new(|_| Then::Answer)),
        ("it takes one stream at a time", Opens::Settings(Some(1)), || Box::new(|_| Then::Answer)),
        ("one stream is refused", any, || Box::new(once(Then::Refuse))),
        ("every second stream is refused", any, || {
            Box::new(|a| if a.at % 2 == 1 { Then::Refuse } else { Then::Answer })
        }),
        ("every stream is refused", any, || Box::new(|_| Then::Refuse)),
        ("one goes away", any, || Box::new(once(Then::GoAway))),
        ("each second one goes away", any, || {
            Box::new(|a| if a.at == 1 { Then::GoAway } else { Then::Answer })
        }),
        ("every one goes away", any, || Box::new(|_| Then::GoAway)),
        ("each answer is the connection's last", any, || Box::new(|_| Then::Last)),
        ("each third answer is the connection's last", any, || {
            Box::new(|a| if a.at == 2 { Then::Last } else { Then::Answer })
        }),
        // as nodes do that do not wait for long: over HTTP/1.1 as well it is a race that POST must not take
        // part in
        ("it closes where a second request comes", any, || {
            Box::new(|a| if a.at > 0 { Then::Close } else { Then::Answer })
        }),
    ];
    let nodes =
        cases.map(|(what, opens, script)| (what, H2Node::start("n1", opens, script()), H2Node::good("n2")));
    let clusters = nodes.iter().enumerate().map(|(at, (_, first, second))| {
        format!(
            "[[rule]]\nhost = \"c{at}\"\ncluster = \"c{at}\"\n[cluster.c{at}]\naffinity = {SEALED}\n{HTTP2}\n\
             [cluster.c{at}.nodes]\nn1 = {}\nn2 = {}\n",
            first.url(),
            second.url()
        )
    });
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .rule("host = \"none\"")
        .node("n1", "\"http://127.0.0.1:1\"");
    let proxy = Proxy::start(&conf.more(&clusters.collect::<String>()).text());
    for (case, (what, ..)) in nodes.iter().enumerate() {
        for at in 0..10 {
            let mut client = Client::new(proxy.addr);
            client.host = format!("c{case}");
            let (get, post) = (client.get("/"), client.post("/", b"a body"));
            assert_eq!(
                (get.status, post.status),
                (200, 200),
                "{what}, {at}: {} {} {:?}",
                get.text(),
                post.text(),
                proxy.access()
            );
        }
    }
}

#[test]
fn a_post_that_may_have_been_worked_on_is_sent_once() {
    let node = H2Node::start("n1", Opens::Settings(None), |_| Then::Close);
    let proxy = Proxy::start(&conf(&[&node]).text());
    assert_eq!(Client::new(proxy.addr).post("/", b"a body").status, 502);
    assert_eq!(node.asked(), (1, 1));
    assert_eq!(Client::new(proxy.addr).get("/").status, 502);
    assert_eq!(node.asked(), (4, 1), "GET has its retries");
}

#[test]
fn a_pinned_session_moves_when_its_node_has_died() {
    let nodes = [H2Node::good("n1"), H2Node::good("n2")];
    let proxy = Proxy::start(&conf(&[&nodes[0], &nodes[1]]).text());
    let mut users: Vec<Client> = (0..10).map(|_| Client::with_jar(proxy.addr)).collect();
    let homes: Vec<String> = users.iter_mut().map(|user| user.get("/").node().to_owned()).collect();
    assert_eq!(homes.iter().filter(|home| *home == "n1").count(), 5, "{homes:?}");
    nodes[0].kill();
    for (at, user) in users.iter_mut().enumerate() {
        let answer = if at % 2 == 0 { user.get("/") } else { user.post("/", b"a body") };
        assert_eq!((answer.status, answer.node()), (200, "n2"), "user {at}");
        assert_eq!(user.get("/").node(), "n2");
    }
}

#[test]
fn requests_in_flight_at_a_node_that_dies_are_saved_if_they_may_be_repeated() {
    let (first, second) = (H2Node::start("n1", Opens::Settings(None), |_| Then::Never), H2Node::good("n2"));
    let proxy = Proxy::start(&conf(&[&first, &second]).text());
    let ask = |post: bool| {
        let addr = proxy.addr;
        std::thread::spawn(move || {
            let mut client = Client::new(addr);
            if post { client.post("/", b"a body").status } else { client.get("/").status }
        })
    };
    let gets: Vec<_> = (0..12).map(|_| ask(false)).collect();
    until("half of them are at the first node", || (first.asked().0 == 6).then_some(()));
    let posts: Vec<_> = (0..4).map(|_| ask(true)).collect();
    until("half of these too, and nothing is under way", || {
        (first.asked().1 == 2 && second.asked().1 == 2).then_some(())
    });
    first.kill();
    assert!(gets.into_iter().all(|get| get.join().unwrap() == 200));
    let mut statuses: Vec<u16> = posts.into_iter().map(|post| post.join().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
    assert_eq!(second.asked().1, 2, "none was sent twice");
}

/// Statuses of so many requests at the same time, each from a client of its own.
fn at_once(proxy: &Proxy, count: usize) -> Vec<u16> {
    let addr = proxy.addr;
    let asking: Vec<_> =
        (0..count).map(|_| std::thread::spawn(move || Client::new(addr).get("/").status)).collect();
    asking.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn a_cold_node_with_few_streams_serves_a_crowd() {
    for streams in [1, 2, 3] {
        let node = H2Node::start("n1", Opens::Settings(Some(streams)), |_| Then::Late(30));
        let proxy = Proxy::start(&conf(&[&node]).text());
        for _ in 0..2 {
            let statuses = at_once(&proxy, 20);
            assert!(
                statuses.iter().all(|status| *status == 200),
                "{streams} streams: {statuses:?} {:?}",
                proxy.access()
            );
        }
        assert!(node.peak() <= streams as usize, "{streams} streams are allowed, {} were seen", node.peak());
        assert_eq!(node.asked().0, 40, "{streams} streams: none was refused");
    }
}

/// A proxy that has two connections of four streams to a node, and believes clients who they are.
fn eight_streams(node: &H2Node, queue: &str) -> Proxy {
    let conf = conf(&[node]).cluster(&format!(
        "pool = {{ http2-connections = 2 }}\nqueue-timeout = {queue:?}\nabort-on-close = true"
    ));
    Proxy::start(&conf.listener(BEHIND).text().replacen("workers = 2\n", "workers = 1\n", 1))
}

/// A client with a connection of its own, at one of several addresses, which has asked.
fn asking(proxy: &Proxy, path: &str, address: usize) -> Client {
    let mut client = Client::new(proxy.addr);
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.{address}\r\n\r\n");
    client.write(head.as_bytes()).expect("sent");
    client
}

#[test]
fn one_machine_with_many_connections_leaves_streams_to_others() {
    let node =
        H2Node::start(
            "n1",
            Opens::Settings(Some(4)),
            |asked| if asked.post { Then::Answer } else { Then::Never },
        );
    let proxy = eight_streams(&node, "2s");
    let held: Vec<_> = (0..40).map(|_| asking(&proxy, "/held", 1)).collect();
    until("it has nearly all streams, since nobody else wants them", || (node.asked().0 >= 7).then_some(()));
    for _ in 0..10 {
        let other = Client::new(proxy.addr)
            .send("POST", "/other", &[("X-Forwarded-For", "10.0.0.2")], b"a body")
            .expect("an answer");
        assert_eq!(other.status, 200, "{}", other.text());
    }
    assert_eq!(node.asked(), (17, 10));
    drop(held);
}

#[test]
fn who_has_fewer_streams_does_not_wait_for_all_of_who_has_more() {
    let node = H2Node::start("n1", Opens::Settings(Some(4)), |_| Then::Late(100));
    let proxy = eight_streams(&node, "30s");
    let _many: Vec<_> = (0..80).map(|_| asking(&proxy, "/many", 1)).collect();
    until("they wait", || (node.asked().0 >= 7).then_some(()));
    let few: Vec<_> = (0..4).map(|_| asking(&proxy, "/few", 2)).collect();
    proxy.access_of("/few", 4);
    let before = proxy.access().iter().filter(|line| line["path"] == "/many").count();
    assert!(before < 50, "{before} of 80 came before the last of 4");
    drop(few);
}

#[test]
fn streams_that_run_out_open_connections_up_to_a_limit() {
    let (release, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (go, count) = (release.clone(), seen.clone());
    let node = H2Node::start("n1", Opens::Settings(Some(4)), move |_| {
        count.fetch_add(1, SeqCst);
        if go.load(SeqCst) > 0 { Then::Answer } else { Then::Never }
    });
    let proxy = eight_streams(&node, "2s");
    let addr = proxy.addr;
    let held: Vec<_> = (0..8).map(|at| asking(&proxy, "/held", at)).collect();
    until("all streams are taken", || (seen.load(SeqCst) == 8).then_some(()));
    assert_eq!(node.connections(), 2);
    let late = Client::new(addr).get("/late");
    assert_eq!((late.status, late.head.get("retry-after")), (503, Some("5")), "{}", late.text());
    let line = &proxy.access_of("/late", 1)[0];
    assert!(line["note"].as_str().is_some_and(|note| note.starts_with("no stream")), "{line}");
    // a wait is no failure, and ends when a stream does
    release.store(1, SeqCst);
    let waits = std::thread::spawn(move || Client::new(addr).get("/waits").status);
    drop(held);
    assert_eq!(waits.join().unwrap(), 200);
    assert_eq!(node.connections(), 2);
}

#[test]
fn a_client_that_leaves_its_answers_unread_holds_up_itself_alone() {
    let (_node, inner) = big_node(4);
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(SEALED)
        .cluster("http2 = true\npool = { http2-connections = 2 }");
    let conf = conf.server("workers = 1").listener(BEHIND).node("n1", &format!("\"http://{}\"", inner.addr));
    let outer = Proxy::start(&conf.text().replacen("workers = 2\n", "", 1));
    // or the first of them may not be the first to be let go when the node is known
    assert_eq!(Client::new(outer.addr).get("/").status, 200);
    h2::run(async {
        let send = h2::connect_bare(outer.addr).await;
        let get = || hyper::Request::get("http://app.test/big?n=20000000").body(()).expect("a request");
        let mut unread = Vec::new();
        for _ in 0..20 {
            unread.push(send.clone().ready().await.expect("open").send_request(get(), true).expect("sent"));
        }
        let first = (&mut unread[0].0).await.expect("an answer");
        assert_eq!(first.status(), 200);
        let addr = outer.addr;
        let other = tokio::task::spawn_blocking(move || {
            let mut client = Client::new(addr);
            client.get_with("/big?n=300000", &[("X-Forwarded-For", "10.0.0.9")]).body == pattern(300_000)
        });
        assert!(other.await.expect("it ends"), "another client is served");
        drop(first);
    });
}

/// A second proxy as the node, which allows so many streams and has large answers.
fn big_node(streams: u32) -> (Origin, Proxy) {
    let node = Origin::start("n1");
    let inner = Proxy::start(
        &Conf::over([&node]).affinity(SEALED).listener(&format!("max-streams = {streams}")).text(),
    );
    (node, inner)
}

#[test]
fn a_web_socket_reaches_a_node_that_agrees_on_http_2_for_requests() {
    let (certs, node, addr) = (Certs::new(), Origin::start("n1"), free_addr());
    let folder = tempfile::tempdir().expect("a temporary folder");
    certs.write(&folder.path().join("certs"), &["node.test"]);
    let secure = format!("[listener.secure]\nbind = \"{addr}\"\ntls = {{ certs = [\"certs\"] }}");
    std::fs::write(
        folder.path().join("homing.toml"),
        Conf::over([&node]).affinity(SEALED).more(&secure).text(),
    )
    .expect("written");
    let _inner = Proxy::start_in(folder, "homing.toml");
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("ca.pem"), certs.ca()).expect("the authority is written");
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .affinity(SEALED)
        .cluster("http2 = true\ntls = { ca = \"ca.pem\", server-name = \"node.test\" }");
    std::fs::write(folder.path().join("homing.toml"), conf.node("n1", &format!("\"https://{addr}\"")).text())
        .expect("written");
    let proxy = Proxy::start_in(folder, "homing.toml");
    assert_eq!(Client::new(proxy.addr).get("/").status, 200);
    let mut socket = crate::support::socket::Socket::connect(proxy.addr).expect("a WebSocket opens");
    assert!(socket.says("hello"));
    assert_eq!(Client::new(proxy.addr).get("/").status, 200);
}

#[test]
fn a_web_socket_reaches_a_node_of_http_2_alone_that_offers_it() {
    let (certs, node) = (Certs::new(), Origin::start("n1"));
    let inner = Proxy::start(&Conf::over([&node]).rule("path = \"/ws\"").text());
    let mut tls = (*certs.server("node.test")).clone();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let addr = tls_in_front(Arc::new(tls), inner.addr);
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("ca.pem"), certs.ca()).expect("the authority is written");
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(SEALED).cluster(
        "http2 = true\nhealth = { kind = \"off\" }\ntls = { ca = \"ca.pem\", server-name = \"node.test\" }",
    );
    std::fs::write(folder.path().join("homing.toml"), conf.node("n1", &format!("\"https://{addr}\"")).text())
        .expect("written");
    let proxy = Proxy::start_in(folder, "homing.toml");
    for _ in 0..3 {
        let mut socket = crate::support::socket::Socket::connect(proxy.addr).expect("a WebSocket opens");
        assert!(socket.says("hello") && socket.says("again"));
    }
    let back = h2::run(async {
        let mut send = h2::connect(proxy.addr).await;
        h2::web_socket(&mut send, "app.test", "/ws", "over two").await
    });
    assert_eq!(back, b"over two");
    assert_eq!(
        switch(&mut Client::new(proxy.addr), "websocket").0,
        404,
        "what the node says instead is passed on"
    );
    let seen = inner.access_of("/ws", 4);
    assert!(seen.iter().all(|line| line["method"] == "CONNECT"), "{seen:?}");
    assert!(
        node.seen().iter().all(|seen| seen.head.get("sec-websocket-key").is_some()),
        "{:?}",
        node.seen().len()
    );
}

/// Asks for a protocol other than HTTP; the answer's status and node.
fn switch(client: &mut Client, protocol: &str) -> (u16, String) {
    let key = [
        ("Connection", "Upgrade"),
        ("Upgrade", protocol),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let (head, _) = client.upgrade("/switch", &key).expect("an answer");
    (head.status(), head.get("x-node").unwrap_or_default().to_owned())
}

#[test]
fn who_asks_a_node_of_http_2_alone_to_switch_sets_nothing_aside_and_moves_no_session() {
    let (certs, folder) = (Certs::new(), tempfile::tempdir().expect("a temporary folder"));
    std::fs::write(folder.path().join("ca.pem"), certs.ca()).expect("the authority is written");
    let nodes = [H2Node::good("n1"), H2Node::good("n2")];
    let secure = |node: &H2Node| {
        let mut tls = (*certs.server("node.test")).clone();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        format!("\"https://{}\"", tls_in_front(Arc::new(tls), node.addr))
    };
    let conf = |url: &dyn Fn(&H2Node) -> String| {
        let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(SEALED).cluster(
            "http2 = true\nhealth = { kind = \"off\" }\nbalance = \"round-robin\"\npassive = { failures = 1 }\n\
             tls = { ca = \"ca.pem\", server-name = \"node.test\" }",
        );
        nodes.iter().enumerate().fold(conf, |conf, (at, node)| conf.node(&format!("n{}", at + 1), &url(node)))
    };
    std::fs::write(folder.path().join("homing.toml"), conf(&secure).text()).expect("written");
    let mut proxy = Proxy::start_in(folder, "homing.toml");
    for what in ["TLS", "in clear"] {
        if what == "in clear" {
            let text = conf(&H2Node::url)
                .text()
                .replace("tls = { ca = \"ca.pem\", server-name = \"node.test\" }", "");
            proxy = Proxy::start(&text);
        }
        let mut users: Vec<Client> = (0..4).map(|_| Client::with_jar(proxy.addr)).collect();
        let homes: Vec<String> = users.iter_mut().map(|user| user.get("/").node().to_owned()).collect();
        assert_eq!(homes.iter().filter(|home| *home == "n1").count(), 2, "{what}: {homes:?}");
        for (user, home) in users.iter_mut().zip(&homes) {
            assert_eq!(
                switch(user, "foo"),
                (200, home.clone()),
                "{what}: RFC 9110 section 7.8 lets an upgrade be ignored"
            );
            assert_eq!(switch(user, "websocket").0, 502, "{what}");
            assert_eq!(switch(&mut Client::new(proxy.addr), "websocket").0, 502, "{what}");
            assert_eq!(user.get("/").node(), home, "{what}: it stays");
        }
        let lines = proxy.access_of("/switch", 12);
        let note = |status: u64| {
            lines.iter().find(|line| line["status"] == status).and_then(|line| line["note"].as_str())
        };
        assert!(note(502).is_some_and(|note| note.contains("http2 = false")), "{what}: {lines:?}");
    }
}

#[test]
fn what_a_node_turns_away_is_served_by_another_and_counts_against_it() {
    for then in [Then::Refuse, Then::GoAway] {
        let (first, second) = (H2Node::start("n1", Opens::Settings(None), move |_| then), H2Node::good("n2"));
        let conf = Conf::over(std::iter::empty::<&Origin>())
            .affinity(SEALED)
            .cluster("http2 = true\nhealth = { kind = \"off\" }");
        let proxy = Proxy::start(&conf.node("n1", &first.url()).node("n2", &second.url()).text());
        for at in 0..10 {
            let (get, post) =
                (Client::new(proxy.addr).get("/"), Client::new(proxy.addr).post("/", b"a body"));
            assert_eq!((get.status, post.status), (200, 200), "{then:?} {at}: {:?}", proxy.access());
        }
        assert!(first.asked().0 < 10, "it is set aside: {then:?}, {:?}", first.asked());
    }
}

#[test]
fn a_session_stays_on_a_node_that_turns_away_some_of_its_requests() {
    // the first is answered, and of the others each second try
    let first = H2Node::start("n1", Opens::Settings(None), once_in_two());
    let second = H2Node::good("n2");
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(SEALED).cluster(
        "http2 = true\nhealth = { kind = \"off\" }\nbalance = \"round-robin\"\npassive = { failures = 1 }",
    );
    let proxy = Proxy::start(&conf.node("n1", &first.url()).node("n2", &second.url()).text());
    let mut users: Vec<Client> = (0..4).map(|_| Client::with_jar(proxy.addr)).collect();
    let homes: Vec<String> = users.iter_mut().map(|user| user.get("/").node().to_owned()).collect();
    for at in 0..5 {
        for (user, home) in users.iter_mut().zip(&homes) {
            let answer = if at % 2 == 0 { user.get("/") } else { user.post("/", b"a body") };
            assert_eq!((answer.status, answer.node()), (200, &**home), "{:?}", proxy.access());
        }
    }
    assert!(homes.iter().any(|home| home == "n1") && first.asked().0 > 8, "{homes:?}");
}

fn once_in_two() -> impl Fn(Asked) -> Then + Send + Sync + 'static {
    let asked = AtomicUsize::new(0);
    move |_| if asked.fetch_add(1, SeqCst).is_multiple_of(2) { Then::Answer } else { Then::Refuse }
}

#[test]
fn a_node_that_takes_no_streams_as_yet_is_waited_for_over_the_connections_it_has() {
    for (opens, served) in [
        (Opens::Raises(Duration::from_millis(300)), true),
        (Opens::Settings(Some(0)), false),
        (Opens::Leaves, false),
    ] {
        let node = H2Node::start("n1", opens, |_| Then::Answer);
        let queue = if served { "10s" } else { "500ms" };
        let conf = conf(&[&node])
            .cluster(&format!("pool = {{ http2-connections = 2 }}\nqueue-timeout = \"{queue}\""));
        let proxy = Proxy::start(&conf.text().replacen("workers = 2\n", "workers = 1\n", 1));
        let statuses = at_once(&proxy, 4);
        assert!(statuses.iter().all(|status| (*status == 200) == served), "{opens:?}: {statuses:?}");
        // one that closes is tried again after a pause
        let most = if matches!(opens, Opens::Leaves) { 40 } else { 2 };
        assert!(node.connections() <= most, "{opens:?}: {} connections", node.connections());
    }
}

/// A request of which the node makes something that no client can be given, beside others that it answers a
/// little later.
fn beside_others(then: Then) -> (H2Node, Vec<u16>, u16) {
    let script = move |asked: Asked| if asked.other { then } else { Then::Late(400) };
    let node = H2Node::start("n1", Opens::Settings(None), script);
    let proxy = Proxy::start(&conf(&[&node]).text().replacen("workers = 2\n", "workers = 1\n", 1));
    assert_eq!(Client::new(proxy.addr).get("/").status, 200, "the connection has served");
    let others = std::thread::scope(|scope| {
        let others: Vec<_> =
            (0..3).map(|_| scope.spawn(|| Client::new(proxy.addr).get("/").status)).collect();
        until("the others are there", || (node.asked().0 >= 4).then_some(()));
        let bad = Client::new(proxy.addr).send("DELETE", "/", &[], b"").expect("an answer").status;
        (others.into_iter().map(|other| other.join().expect("an answer")).collect(), bad)
    });
    (node, others.0, others.1)
}

#[test]
fn an_answer_that_cannot_be_read_costs_its_own_request_alone() {
    for then in [Then::BadHead, Then::Switches] {
        let (node, others, bad) = beside_others(then);
        assert_eq!((others, bad), (vec![200; 3], 502), "{then:?}");
        assert_eq!(
            (node.asked().0, node.connections()),
            (5, 1),
            "{then:?}: it is not asked again, and the connection stays"
        );
    }
}

#[test]
fn an_answer_that_ends_the_connection_is_tried_again_apart_from_others() {
    let (node, others, bad) = beside_others(Then::BadFrame);
    assert_eq!((others, bad), (vec![200; 3], 502));
    assert_eq!(
        node.asked().0,
        1 + 3 * 2 + 3,
        "the others once more, and the bad one as often as `retries` says"
    );
}
