//! Room: full nodes, queues, draining. A spike never moves a session.

use crate::support::{Client, Conf, Origin, Proxy};
use std::sync::atomic::Ordering;

const SEALED: &str = r#"{ cookie = "HOMING" }"#;

#[test]
fn a_full_node_takes_no_new_sessions_and_keeps_its_own() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes).affinity(SEALED).with(&nodes[0], "max-sessions = 1");
    let proxy = Proxy::start(&conf.text());
    let mut users: Vec<Client> = (0..10).map(|_| Client::with_jar(proxy.addr)).collect();
    let homes: Vec<String> = users.iter_mut().map(|u| u.get("/").node().to_owned()).collect();
    assert_eq!(homes.iter().filter(|h| *h == "n1").count(), 1, "{homes:?}");
    for (user, home) in users.iter_mut().zip(&homes) {
        assert_eq!(user.get("/").node(), home);
    }
}

#[test]
fn when_all_are_full_the_next_is_told_when_to_come_back() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes)
        .affinity(SEALED)
        .with(&nodes[0], "max-sessions = 2")
        .with(&nodes[1], "max-sessions = 2");
    let proxy = Proxy::start(&conf.cluster("queue-timeout = \"300ms\"").text());
    let mut users: Vec<Client> = (0..4).map(|_| Client::with_jar(proxy.addr)).collect();
    for user in &mut users {
        assert_eq!(user.get("/").status, 200);
    }
    let late = Client::with_jar(proxy.addr).get("/late");
    assert_eq!((late.status, late.node()), (503, ""));
    assert!(late.head.get("retry-after").is_some_and(|v| v.parse::<u32>().is_ok()), "{:?}", late.head);
    for user in &mut users {
        assert_eq!(user.get("/").status, 200, "those inside are served");
    }
}

#[test]
fn places_of_clients_that_never_come_back_go_to_those_who_do() {
    let nodes = Origin::phps(1);
    for affinity in [SEALED, r#"{ learn = "PHPSESSID" }"#] {
        let conf = Conf::over(&nodes).affinity(affinity).with(&nodes[0], "max-sessions = 3");
        let proxy = Proxy::start(&conf.cluster("queue-timeout = \"100ms\"").text());
        // one who comes back, one who will much later, and a probe that keeps no cookie
        let (mut here, mut later) = (Client::with_jar(proxy.addr), Client::with_jar(proxy.addr));
        assert_eq!((here.get("/visit").status, here.get("/visit").status), (200, 200));
        assert_eq!(later.get("/visit").status, 200);
        assert_eq!(Client::new(proxy.addr).get("/visit").status, 200);
        let begun = std::time::Instant::now();
        let mut next: Vec<Client> = (0..3).map(|_| Client::with_jar(proxy.addr)).collect();
        let early = next[0].get("/visit").status;
        assert!(early == 503 || begun.elapsed().as_secs() >= 9, "{affinity}: a browser has ten seconds");
        for client in &mut next[..2] {
            crate::support::until("a place is given up", || {
                (client.get("/visit").status == 200).then_some(())
            });
            assert_eq!(client.get("/visit").status, 200);
        }
        assert_eq!(next[2].get("/visit").status, 503, "{affinity}: all are taken by those who came back");
        for client in [&mut here, &mut later].into_iter().chain(&mut next[..2]) {
            let visit = client.get("/back");
            assert_eq!((visit.status, visit.node()), (200, "n1"), "{affinity}: whose pin is good is served");
        }
        assert!(proxy.access_of("/back", 4).iter().all(|line| line["why"] != "new"), "{affinity}");
        let took = proxy.access().iter().filter(|line| line["note"] == "took-place").count();
        assert_eq!(took, 2, "{affinity}");
    }
}

#[test]
fn a_session_that_ends_makes_room() {
    let nodes = Origin::phps(1);
    let conf = Conf::over(&nodes).affinity(r#"{ learn = "PHPSESSID" }"#).cluster("queue-timeout = \"300ms\"");
    let proxy = Proxy::start(&conf.with(&nodes[0], "max-sessions = 1").text());
    let mut first = Client::with_jar(proxy.addr);
    assert_eq!(first.get("/visit").status, 200);
    assert_eq!(Client::with_jar(proxy.addr).get("/visit").status, 503);
    first.get("/logout");
    assert_eq!(Client::with_jar(proxy.addr).get("/visit").status, 200, "after the logout there is room");
}

#[test]
fn an_idle_session_makes_room() {
    let nodes = Origin::several(1);
    let conf =
        Conf::over(&nodes).affinity(SEALED).cluster("session-idle = \"1s\"\nqueue-timeout = \"100ms\"");
    let proxy = Proxy::start(&conf.with(&nodes[0], "max-sessions = 1").text());
    assert_eq!(Client::with_jar(proxy.addr).get("/").status, 200);
    assert_eq!(Client::with_jar(proxy.addr).get("/").status, 503);
    crate::support::until("the idle session is forgotten", || {
        (Client::with_jar(proxy.addr).get("/").status == 200).then_some(())
    });
}

/// Sends a request for `path` from each client at the same time; the nodes and statuses that came back.
fn all_at_once(clients: Vec<Client>, path: &'static str) -> Vec<(u16, String)> {
    let threads: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            std::thread::spawn(move || {
                let answer = client.get(path);
                (answer.status, answer.node().to_owned())
            })
        })
        .collect();
    threads.into_iter().map(|t| t.join().expect("an answer")).collect()
}

#[test]
fn pinned_requests_wait_for_their_full_node() {
    let nodes = Origin::several(2);
    let affinity = r#"{ cookie = "SRV", value = "route" }"#;
    let proxy =
        Proxy::start(&Conf::over(&nodes).affinity(affinity).with(&nodes[0], "max-requests = 2").text());
    let clients = (0..20).map(|_| Client::new(proxy.addr).cookie("SRV", "n1")).collect();
    for (status, node) in all_at_once(clients, "/slow?ms=50") {
        assert_eq!((status, node.as_str()), (200, "n1"), "a wait is better than a lost session");
    }
    assert!(
        nodes[0].state.peak.load(Ordering::SeqCst) <= 2,
        "the node saw {:?} at one time",
        nodes[0].state.peak
    );
}

#[test]
fn a_wait_is_bounded() {
    let nodes = Origin::several(1);
    let conf = Conf::over(&nodes)
        .affinity(SEALED)
        .cluster("queue-timeout = \"200ms\"")
        .with(&nodes[0], "max-requests = 1");
    let proxy = Proxy::start(&conf.text());
    let busy = all_at_once((0..3).map(|_| Client::new(proxy.addr)).collect(), "/slow?ms=3000");
    let mut statuses: Vec<u16> = busy.iter().map(|b| b.0).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503, 503]);
}

#[test]
fn new_requests_wait_when_every_node_is_busy() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes)
        .affinity(SEALED)
        .with(&nodes[0], "max-requests = 1")
        .with(&nodes[1], "max-requests = 1");
    let proxy = Proxy::start(&conf.text());
    let answers = all_at_once((0..10).map(|_| Client::new(proxy.addr)).collect(), "/slow?ms=50");
    assert!(answers.iter().all(|a| a.0 == 200), "busy is not full: {answers:?}");
    assert!(nodes.iter().all(|n| n.state.peak.load(Ordering::SeqCst) <= 1));
}

#[test]
fn new_requests_do_not_wait_where_another_node_has_room() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes)
        .affinity(SEALED)
        .with(&nodes[0], "max-requests = 1")
        .with(&nodes[1], "max-requests = 100");
    let proxy = Proxy::start(&conf.text());
    let answers = all_at_once((0..10).map(|_| Client::new(proxy.addr)).collect(), "/slow?ms=300");
    assert!(answers.iter().all(|a| a.0 == 200), "{answers:?}");
    assert!(answers.iter().filter(|a| a.1 == "n2").count() >= 8, "{answers:?}");
}

#[test]
fn a_draining_node_keeps_its_users_and_takes_no_new_ones() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes).affinity(SEALED).cluster("balance = \"round-robin\"");
    let proxy = Proxy::start(&conf.text());
    let mut users: Vec<Client> = (0..10).map(|_| Client::with_jar(proxy.addr)).collect();
    let homes: Vec<String> = users.iter_mut().map(|u| u.get("/").node().to_owned()).collect();
    assert!(homes.iter().any(|h| h == "n1"));
    assert!(proxy.reload_to(&conf.clone().with(&nodes[0], "state = \"draining\"").text()).applied());
    for (user, home) in users.iter_mut().zip(&homes) {
        assert_eq!(user.get("/kept").node(), home, "pinned users stay");
    }
    for _ in 0..10 {
        assert_eq!(Client::new(proxy.addr).get("/new").node(), "n2", "new users go elsewhere");
    }
    assert!(proxy.access_of("/kept", 10).iter().all(|l| l["why"] == "cookie"));
}

#[test]
fn maintenance_serves_nobody_and_moves_its_users_once() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes).affinity(SEALED).cluster("balance = \"round-robin\"");
    let proxy = Proxy::start(&conf.text());
    let mut users: Vec<Client> = (0..10).map(|_| Client::with_jar(proxy.addr)).collect();
    let guests = users.iter_mut().filter_map(|u| (u.get("/").node() == "n1").then_some(())).count();
    assert!(proxy.reload_to(&conf.clone().with(&nodes[0], "state = \"maintenance\"").text()).applied());
    for user in &mut users {
        assert_eq!(user.get("/moved").node(), "n2");
    }
    let moved = proxy.access_of("/moved", 10).iter().filter(|l| l["was"] == "n1").count();
    assert_eq!(moved, guests);
    assert!(proxy.reload_to(&conf.text()).applied());
    for user in &mut users {
        assert_eq!(user.get("/stay").node(), "n2", "nobody flips back");
    }
}
