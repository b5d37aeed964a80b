//! A session that lives on a socket or a stream alone is as alive as one that clicks: it stays on its node,
//! and counts there.

use crate::support::socket::Socket;
use crate::support::{Client, Conf, Origin, until};
use crate::window::Window;

/// Sessions that begin beside it, one click each. With so many no part of the ledger is without one.
const OTHERS: usize = 60;

fn sessions(window: &Window) -> u64 {
    window.status()["clusters"][0]["sessions"].as_u64().unwrap()
}

/// Two nodes, sessions that are forgotten after two seconds, and nothing else to move them.
fn start(nodes: &[Origin], affinity: &str) -> Window {
    let window = Window::with(
        Conf::over(nodes).affinity(affinity).cluster("session-idle = \"2s\"\nbalance = \"round-robin\""),
    );
    window.all_ready();
    window
}

/// What tells a visitor apart, whatever the affinity looks at.
fn headers(name: &str) -> [(&'static str, &str); 2] {
    [("X-User", name), ("User-Agent", name)]
}

/// A client clicks once and then only keeps something open. All who come after it are forgotten: it is not,
/// and goes where it was.
fn lives_on<T>(nodes: &[Origin], affinity: &str, why: &str, open: impl FnOnce(&mut Client) -> T) {
    let window = start(nodes, affinity);
    let mut client = Client::with_jar(window.proxy.addr);
    let home = client.get_with("/visit", &headers("busy")).node().to_owned();
    let held = open(&mut client);
    client.hang_up();
    for n in 0..OTHERS {
        Client::with_jar(window.proxy.addr).get_with("/visit", &headers(&n.to_string()));
    }
    until("all others are forgotten", || (sessions(&window) == 1).then_some(()));
    assert_eq!(
        window.get("/api/clusters/app").json()["nodes"][if home == "n1" { 0 } else { 1 }]["sessions"],
        1,
        "it counts"
    );
    let again = client.get_with("/again", &headers("busy"));
    assert_eq!((again.node(), window.proxy.why("/again").as_str()), (home.as_str(), why), "{affinity}");
    drop(held);
    until("it is forgotten too, once it is idle", || (sessions(&window) == 0).then_some(()));
}

fn socket(client: &mut Client) -> Socket {
    let mut socket = Socket::open(client, "/ws").unwrap();
    assert!(socket.says("hello"));
    socket
}

#[test]
fn a_learned_session_that_lives_on_a_web_socket_is_not_forgotten() {
    lives_on(&Origin::phps(2), r#"{ learn = "PHPSESSID" }"#, "learned", socket);
}

#[test]
fn a_learned_session_that_lives_on_an_event_stream_is_not_forgotten() {
    lives_on(&Origin::phps(2), r#"{ learn = "PHPSESSID" }"#, "learned", |client| {
        client.upgrade("/events", &[]).unwrap()
    });
}

#[test]
fn a_learned_session_whose_answer_lasts_is_not_forgotten() {
    lives_on(&Origin::phps(2), r#"{ learn = "PHPSESSID" }"#, "learned", |client| {
        let mut polling = Client::new(client.host.parse().unwrap());
        let id = &client.jar.as_ref().unwrap()["PHPSESSID"];
        polling
            .write(
                format!("GET /early-hints?wait=1 HTTP/1.1\r\nHost: x\r\nCookie: PHPSESSID={id}\r\n\r\n")
                    .as_bytes(),
            )
            .unwrap();
        polling
    });
}

#[test]
fn a_session_that_signs_in_while_its_socket_is_open_is_not_forgotten_under_its_new_id() {
    lives_on(&Origin::phps(2), r#"{ learn = "PHPSESSID" }"#, "learned", |client| {
        let socket = socket(client);
        client.get("/login");
        socket
    });
}

#[test]
fn a_session_with_a_sealed_cookie_counts_while_its_socket_is_open() {
    lives_on(&Origin::several(2), r#"{ cookie = "HOMING" }"#, "cookie", socket);
}

#[test]
fn a_session_with_a_cookie_that_grows_old_is_not_idle_while_its_socket_is_open() {
    let nodes = Origin::several(2);
    let window = Window::with(
        Conf::over(&nodes)
            .affinity(r#"{ cookie = "HOMING", max-idle = "4s" }"#)
            .cluster("balance = \"round-robin\""),
    );
    window.all_ready();
    let visit = || {
        let mut client = Client::with_jar(window.proxy.addr);
        client.get("/visit");
        client
    };
    let mut idle = visit();
    // one on each node: wherever round-robin is, a client that is placed anew may come to the other
    let mut busy: Vec<Client> = (0..2).map(|_| visit()).collect();
    let before: Vec<_> = busy.iter_mut().map(|client| client.get("/home").node().to_owned()).collect();
    let held: Vec<Socket> = busy.iter_mut().map(socket).collect();
    busy.iter_mut().for_each(Client::hang_up);
    until("the other one was idle for too long", || {
        let said = window.homing(&[
            "explain",
            "--url",
            "http://app.test/",
            "--cookie",
            &format!("HOMING={}", idle.jar.as_ref()?["HOMING"]),
        ]);
        said.out.contains("max-idle").then_some(())
    });
    idle.get("/idle");
    assert_eq!(window.proxy.why("/idle"), "moved:expired");
    for (client, home) in busy.iter_mut().zip(&before) {
        assert_eq!(client.get("/busy").node(), home);
        assert_eq!(window.proxy.why("/busy"), "cookie");
    }
    drop(held);
}

#[test]
fn a_session_with_a_jvm_route_counts_while_its_stream_is_open() {
    lives_on(&Origin::tomcats(2), r#"{ route = "JSESSIONID" }"#, "route", |client| {
        client.upgrade("/events", &[]).unwrap()
    });
}

#[test]
fn a_session_with_a_key_counts_while_its_stream_is_open() {
    let open = |client: &mut Client| client.upgrade("/events", &headers("busy")).unwrap();
    lives_on(&Origin::several(2), r#"{ key = "header:X-User", remember = true }"#, "key", open);
    lives_on(&Origin::several(2), r#"{ key = "header:X-User" }"#, "key", open);
}

#[test]
fn a_session_that_never_did_anything_but_open_a_socket_takes_its_place_at_a_node() {
    let nodes = Origin::several(1);
    let conf = Conf::over(&nodes).affinity(r#"{ cookie = "HOMING" }"#).cluster("session-idle = \"2s\"");
    let window = Window::with(conf.with(&nodes[0], "max-sessions = 3"));
    window.all_ready();
    let _held: Vec<Socket> = (0..2).map(|_| socket(&mut Client::with_jar(window.proxy.addr))).collect();
    assert_eq!(Client::with_jar(window.proxy.addr).get("/").status, 200);
    assert_eq!(Client::with_jar(window.proxy.addr).get("/").status, 503, "all places are taken");
    until("the one that only clicked is forgotten", || (sessions(&window) == 2).then_some(()));
    let node = &window.get("/api/clusters/app").json()["nodes"][0];
    assert_eq!((&node["sessions"], &node["in_flight"]), (&2.into(), &2.into()));
}

#[test]
fn a_busy_session_stays_known_over_a_reload() {
    let nodes = Origin::phps(2);
    let window = start(&nodes, r#"{ learn = "PHPSESSID" }"#);
    let mut client = Client::with_jar(window.proxy.addr);
    let home = client.get("/visit").node().to_owned();
    let _socket = socket(&mut client);
    let mut other = Client::with_jar(window.proxy.addr);
    other.get("/visit");
    assert!(window.proxy.reload_to(&window.conf.clone().cluster("queue-timeout = \"3s\"").text()).applied());
    until("the idle one is forgotten", || (sessions(&window) == 1).then_some(()));
    assert_eq!(client.get("/again").node(), home);
    assert_eq!(window.proxy.why("/again"), "learned");
}

#[test]
fn requests_that_still_show_the_id_from_before_the_sign_in_follow_the_session() {
    let nodes = Origin::phps(3);
    let window = start(&nodes, r#"{ learn = "PHPSESSID" }"#);
    let mut client = Client::with_jar(window.proxy.addr);
    let home = client.get("/visit").node().to_owned();
    let before = client.jar.clone();
    client.get("/login");
    for _ in 0..4 {
        let mut late = Client::new(window.proxy.addr);
        late.jar = before.clone();
        assert_eq!(late.get("/late").node(), home);
    }
    assert_eq!(sessions(&window), 1, "it is one session");
}
