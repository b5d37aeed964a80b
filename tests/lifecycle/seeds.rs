//! What the systems ask for that has no room of its own here: one address for all nodes, Tomcat's routes,
//! HAProxy's cookie, nodes elsewhere, nodes that are not there yet, a proxy that knows nothing any more.

use crate::support::relay::tls_in_front;
use crate::support::socket::Socket;
use crate::support::{Certs, Client, Conf, DEADLINE, Origin, Proxy, Sessions, until};
use crate::window::{Window, homing};
use std::net::TcpStream;

const COOKIE: &str = r#"{ cookie = "HOMING" }"#;

/// A client on the node.
fn client_on(proxy: &Proxy, node: &str) -> Client {
    until("a client on the node", || {
        let mut client = Client::with_jar(proxy.addr);
        (client.get("/").node() == node && client.get("/").node() == node).then_some(client)
    })
}

#[test]
fn d1_no_header_says_where_a_node_is() {
    let nodes = Origin::tomcats(2);
    let window = Window::with(Conf::over(&nodes).affinity(COOKIE).cluster("rewrite-responses = true"));
    window.all_ready();
    let addr = window.proxy.addr;
    for _ in 0..6 {
        let mut client = Client::over("shop.test", move || Ok(Box::new(TcpStream::connect(addr)?)));
        let answer = client.get("/names-itself/account");
        assert_eq!(answer.head.get("location"), Some("http://shop.test/account?a=1"), "{:?}", answer.head);
        assert_eq!(answer.head.get("content-location"), Some("http://shop.test/account.html"));
        assert!(answer.set_cookie("seen").is_some());
        for answer in [answer, client.get("/"), client.get("/login")] {
            let leaks = answer.head.headers.iter().filter(|(_, value)| value.contains("127.0.0.1"));
            assert_eq!(leaks.count(), 0, "{:?}", answer.head);
        }
    }
}

#[test]
fn d3_a_websocket_of_a_web_client_is_on_its_node() {
    let nodes = Origin::tomcats(3);
    let window = Window::with(Conf::over(&nodes).affinity(r#"{ route = "JSESSIONID" }"#));
    window.all_ready();
    for node in &nodes {
        let mut client = client_on(&window.proxy, node.name());
        let mut socket = Socket::open(&mut client, "/ws").unwrap();
        assert!(socket.node.as_deref() == Some(node.name()) && socket.says("hello"));
        client.hang_up();
        assert_eq!(client.get("/").node(), node.name());
    }
}

#[test]
fn d4_the_route_is_read_from_cookie_and_path_and_the_path_wins() {
    let nodes: Vec<Origin> =
        (1..=3).map(|n| Origin::with(&format!("servoy{n}"), Sessions::Jvm(format!("servoy{n}")))).collect();
    let window = Window::with(Conf::over(&nodes).affinity(r#"{ route = "JSESSIONID" }"#));
    window.all_ready();
    for n in 1..=3 {
        let (own, other) = (format!("servoy{n}"), format!("servoy{}", n % 3 + 1));
        let cookie = |client: Client| client.cookie("JSESSIONID", &format!("abc.{other}"));
        assert_eq!(
            Client::new(window.proxy.addr).cookie("JSESSIONID", &format!("abc.{own}")).get("/").node(),
            own
        );
        assert_eq!(
            Client::new(window.proxy.addr).get(&format!("/shop;jsessionid=abc.{own}?x=1")).node(),
            own
        );
        assert_eq!(
            cookie(Client::new(window.proxy.addr)).get(&format!("/both;jsessionid=abc.{own}")).node(),
            own,
            "the URL wins, as in httpd"
        );
    }
    assert_eq!(window.proxy.why("/both"), "route");
}

#[test]
fn d9_a_cluster_without_affinity_is_warned_of() {
    let nodes = Origin::several(2);
    let folder = tempfile::tempdir().unwrap();
    let check = |conf: &Conf, more: &[&str]| {
        std::fs::write(folder.path().join("homing.toml"), conf.text()).unwrap();
        homing(folder.path(), &[&["check", "homing.toml"], more].concat(), &[])
    };
    let without = check(&Conf::over(&nodes), &["--strict"]);
    assert!(
        without.code == 1 && without.err.contains("no affinity: sessions do not stay on their node"),
        "{without:?}"
    );
    let lenient = check(&Conf::over(&nodes), &[]);
    assert!(
        lenient.code == 0 && lenient.err.contains("no affinity") && lenient.out.contains("1 warning"),
        "a reload takes it: {lenient:?}"
    );
    assert_eq!(check(&Conf::over(&nodes).affinity(COOKIE), &["--strict"]).code, 0);
}

#[test]
fn d10_nodes_that_are_not_there_yet_harm_nobody() {
    let nodes = Origin::several(5);
    nodes[2..].iter().for_each(Origin::kill);
    let window = Window::with(Conf::over(&nodes).affinity(COOKIE));
    let seen = |window: &Window, state| {
        window.status()["clusters"][0]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|n| n["state"] == state)
            .count()
    };
    until("two are up", || (seen(&window, "ready") == 2 && seen(&window, "down") == 3).then_some(()));
    let absent =
        |line: &String| ["n3", "n4", "n5"].iter().any(|node| line.contains(&format!("node {node} ")));
    let lines = || window.proxy.log.all().into_iter().filter(absent).collect::<Vec<_>>();
    // a line is written after its change
    let said = until("each is said to be down", || Some(lines()).filter(|lines| lines.len() >= 3));
    for n in 0..200 {
        let answer = Client::new(window.proxy.addr).get("/");
        assert_eq!((answer.status, matches!(answer.node(), "n1" | "n2")), (200, true), "client {n}");
    }
    // each is checked many times meanwhile, in silence
    until("a second of checks", || {
        (nodes[0].state.accepted.load(std::sync::atomic::Ordering::SeqCst) > 120).then_some(())
    });
    assert_eq!(lines(), said, "no line a check");
    nodes[4].revive();
    window.node_is("n5", "ready");
}

#[test]
fn e5_the_sample_for_haproxy_behaves_as_it_does_there() {
    // cookie SERVERID insert indirect nocache; server w1 … cookie w1
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes)
        .affinity(r#"{ cookie = "SERVERID", value = "route" }"#)
        .cluster("balance = \"round-robin\"");
    let conf = conf.with(&nodes[0], "route = \"w1\"").with(&nodes[1], "route = \"w2\"");
    let window = Window::with(conf);
    window.all_ready();
    let mut client = Client::with_jar(window.proxy.addr);
    let first = client.get("/");
    let route = first.node().replace('n', "w");
    let set = first.set_cookie("SERVERID").expect("insert: set once").to_owned();
    assert!(
        set.starts_with(&format!("SERVERID={route};")) && set.to_ascii_lowercase().contains("path=/"),
        "{set}"
    );
    assert!(
        first.head.all("cache-control").any(|value| value.contains("private")),
        "nocache: {:?}",
        first.head
    );
    let next = client.get("/headers");
    assert_eq!((next.node(), next.set_cookie("SERVERID")), (first.node(), None), "and never again");
    assert!(
        next.seen("cookie").iter().all(|cookie| !cookie.contains("SERVERID")),
        "indirect: the application does not see it"
    );
    for (value, node) in [("w1", "n1"), ("w2", "n2")] {
        assert_eq!(
            Client::new(window.proxy.addr).cookie("SERVERID", value).get("/from-haproxy").node(),
            node,
            "a pin that HAProxy set"
        );
    }
}

#[test]
fn e6_a_node_elsewhere_is_used_when_no_near_one_can() {
    let (near, far, certs) = (Origin::start("near"), Origin::start("far"), Certs::new());
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, certs.ca()).unwrap();
    let door = tls_in_front(certs.server("far.test"), far.addr);
    let conf = Conf::over([&near])
        .affinity(COOKIE)
        .cluster(&format!("tls = {{ ca = {ca:?}, server-name = \"far.test\" }}"))
        .cluster("timeouts = { connect = \"5s\", response = \"120s\" }")
        .with(&near, "max-sessions = 3")
        .node("far", &format!("{{ url = \"https://{door}\", backup = true }}"));
    let window = Window::with(conf);
    window.all_ready();
    let mut users: Vec<Client> = (0..3).map(|_| Client::with_jar(window.proxy.addr)).collect();
    users
        .iter_mut()
        .for_each(|user| assert_eq!((user.get("/").node(), user.get("/").node()), ("near", "near")));
    window.node_is("near", "full");
    let mut away = Client::with_jar(window.proxy.addr);
    assert_eq!((away.get("/").node(), away.get("/").node()), ("far", "far"), "the near one is full");
    assert_eq!(users[0].get("/").node(), "near", "whose users stay");
    near.kill();
    window.node_is("near", "down");
    assert_eq!(users[0].get("/fallen").node(), "far", "the near one is down");
    assert_eq!(window.proxy.why("/fallen"), "moved:down");
    near.revive();
    assert_eq!(window.homing(&["set", "app/near", "max-sessions=off"]).code, 0);
    window.node_is("near", "ready");
    assert_eq!(Client::new(window.proxy.addr).get("/").node(), "near", "new ones go near again");
    assert_eq!(away.get("/").node(), "far", "and who is far stays there");
}

#[test]
fn e8_signed_pins_route_when_the_proxy_has_forgotten_everything() {
    let nodes = Origin::several(3);
    // the keys are not the proxy's own: they lie with the conf
    let conf = Conf::over(&nodes).affinity(r#"{ cookie = "HOMING", keys = "pin.keys" }"#);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pin.keys"), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\n").unwrap();
    std::fs::write(folder.path().join("homing.toml"), conf.text()).unwrap();
    let mut proxy = Proxy::start_in(folder, "homing.toml");
    let mut users: Vec<(Client, String)> = (0..12)
        .map(|_| {
            let mut user = Client::with_jar(proxy.addr);
            let node = user.get("/").node().to_owned();
            (user, node)
        })
        .collect();
    proxy.signal("KILL");
    proxy.exit(DEADLINE);
    std::fs::remove_dir_all(proxy.folder().join("state")).unwrap();
    proxy.start_again();
    for (n, (user, node)) in users.iter_mut().enumerate() {
        user.hang_up();
        let path = format!("/again/{n}");
        assert_eq!(user.get(&path).node(), node);
        assert_eq!(proxy.why(&path), "cookie");
    }
}
