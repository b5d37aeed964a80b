//! What the API and the metrics show, and how a change is asked for.

use crate::support::socket::Socket;
use crate::support::{Client, Conf, DEADLINE, Origin, until};
use crate::window::Window;
use std::collections::BTreeMap;

/// This many users, each with one session and three requests.
fn users(window: &Window, n: usize) -> Vec<Client> {
    let mut users: Vec<Client> = (0..n).map(|_| Client::with_jar(window.proxy.addr)).collect();
    for user in &mut users {
        (0..3).for_each(|_| assert_eq!(user.get("/").status, 200));
    }
    users
}

#[test]
fn all_views_show_the_same() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes)
        .affinity(r#"{ cookie = "HOMING" }"#)
        .with(&nodes[0], "max-sessions = 200, weight = 50");
    // a check in between would be news
    let window = Window::with(conf.cluster("health = { interval = \"1h\" }"));
    window.all_ready();
    users(&window, 6);
    let status = until("all requests have ended", || {
        let status = window.status();
        (status["clusters"][0]["traffic"]["requests"] == 18).then_some(status)
    });
    let cluster = &status["clusters"][0];
    assert_eq!((cluster["sessions"].as_u64(), cluster["serving"].as_u64()), (Some(6), Some(2)));
    assert_eq!(cluster["traffic"]["whys"], serde_json::json!({"new": 6, "cookie": 12}));
    let clusters = window.get("/api/clusters").json();
    assert_eq!(clusters[0]["nodes"], cluster["nodes"]);
    assert_eq!(window.get("/api/clusters/app").json()["ledger"], cluster["ledger"]);
    assert_eq!(window.get("/api/clusters/app/nodes").json(), cluster["nodes"]);
    let metric = |sample: &str| window.metric(sample) as u64;
    for node in cluster["nodes"].as_array().unwrap() {
        let name = node["node"].as_str().unwrap();
        assert_eq!(&window.get(&format!("/api/clusters/app/nodes/{name}")).json(), node);
        assert_eq!(
            Some(metric(&format!("homing_sessions{{cluster=\"app\",node=\"{name}\"}}"))),
            node["sessions"].as_u64()
        );
        assert_eq!(
            metric(&format!("homing_node_state{{cluster=\"app\",node=\"{name}\",state=\"ready\"}}")),
            1
        );
        assert_eq!(
            metric(&format!("homing_node_state{{cluster=\"app\",node=\"{name}\",state=\"down\"}}")),
            0
        );
    }
    let first = &cluster["nodes"][0];
    assert_eq!(
        (first["capacity"].as_u64(), first["weight"].as_u64(), first["set_by"].as_str()),
        (Some(200), Some(50), Some("file"))
    );
    let share = |n: usize| cluster["nodes"][n]["share"].as_f64().unwrap();
    assert!(
        (share(0) - 0.3333).abs() < 0.001 && (share(1) - 0.6667).abs() < 0.001,
        "{} {}",
        share(0),
        share(1)
    );
    assert_eq!(metric("homing_requests_total{cluster=\"app\",code=\"200\"}"), 18);
    assert_eq!(metric("homing_decisions_total{cluster=\"app\",why=\"cookie\"}"), 12);
    assert_eq!(metric("homing_request_duration_seconds_count{cluster=\"app\"}"), 18);
    assert_eq!(metric("homing_request_duration_seconds_bucket{cluster=\"app\",le=\"+Inf\"}"), 18);
    assert_eq!(metric("homing_ledger_entries{cluster=\"app\"}"), 6);
    assert!(metric("homing_connections_total") >= 6);
}

#[test]
fn every_line_of_the_access_log_is_counted_once() {
    let nodes = Origin::several(2);
    let rule = "[[rule]]\npath = \"/ours\"\nrespond = { status = 403 }\n";
    let window = Window::over(&nodes);
    window.all_ready();
    let text = window.conf.text().replacen("[[rule]]", &format!("{rule}[[rule]]"), 1);
    assert!(window.proxy.reload_to(&text).applied());
    users(&window, 4);
    let mut user = Client::with_jar(window.proxy.addr);
    assert_eq!(user.get("/ours").status, 403);
    assert_eq!(user.get("/status?code=404").status, 404);
    let refused = crate::support::client::raw(window.proxy.addr, b"GET / HTTP/1.1\r\n\r\n", DEADLINE / 4);
    assert_eq!(refused.status(), 400);
    let counted = until("as many are counted as are logged", || {
        let mut lines = BTreeMap::<(String, String), u64>::new();
        for line in window.proxy.access() {
            let cluster = line["cluster"].as_str().unwrap_or_default().to_owned();
            *lines.entry((cluster, line["status"].to_string())).or_default() += 1;
        }
        let status = window.status();
        let mut counted = BTreeMap::new();
        for (cluster, traffic) in [("", &status["elsewhere"]), ("app", &status["clusters"][0]["traffic"])] {
            for (code, n) in traffic["codes"].as_object().unwrap() {
                counted.insert((cluster.to_owned(), code.clone()), n.as_u64().unwrap());
            }
        }
        (lines == counted).then_some(counted)
    });
    assert_eq!(counted[&(String::new(), "403".into())], 1);
    assert_eq!(counted[&(String::new(), "400".into())], 1);
    assert!(counted[&("app".into(), "200".into())] >= 12);
}

#[test]
fn a_moved_session_is_counted_by_its_cause() {
    let mut nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let mut user = Client::with_jar(window.proxy.addr);
    let at = user.get("/").node().to_owned();
    nodes.retain(|node| node.name() != at);
    let down = window.node_is(&at, "down");
    assert!(
        down["why"].as_str().unwrap().len() > 3 && down["share"] == 0.0 && down["rank"].is_null(),
        "{down}"
    );
    let cluster = window.get("/api/clusters/app").json();
    assert_eq!((cluster["state"].as_str(), cluster["serving"].as_u64()), (Some("degraded"), Some(1)));
    assert_ne!(user.get("/").node(), at);
    user.get("/");
    until("the move is counted", || {
        (window.get("/api/clusters/app").json()["traffic"]["moved"]["down"] == 1).then_some(())
    });
    assert_eq!(window.metric("homing_sessions_moved_total{cluster=\"app\",cause=\"down\"}"), 1.0);
}

#[test]
fn tunnels_are_a_gauge() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    window.all_ready();
    let tunnels = |n: f64| {
        until("the tunnels are counted", || {
            (window.metric("homing_tunnels{cluster=\"app\"}") == n).then_some(())
        })
    };
    let sockets: Vec<Socket> = (0..3).map(|_| Socket::connect(window.proxy.addr).unwrap()).collect();
    tunnels(3.0);
    drop(sockets);
    tunnels(0.0);
    assert_eq!(
        window.metric("homing_request_duration_seconds_count{cluster=\"app\"}"),
        0.0,
        "a tunnel has no duration"
    );
    assert_eq!(window.metric("homing_requests_total{cluster=\"app\",code=\"101\"}"), 3.0);
}

#[test]
fn reading_changes_nothing_and_changing_is_not_reading() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    window.all_ready();
    let before = window.status();
    for verb in ["drain", "enable", "disable", "accept", "remove", "set"] {
        let answer = window.get(&format!("/api/clusters/app/nodes/n1/{verb}"));
        assert_eq!((answer.status, answer.head.get("allow")), (405, Some("POST")), "{verb}");
    }
    assert_eq!(window.get("/api/reload").status, 405);
    for path in [
        "/",
        "/api/status",
        "/api/clusters",
        "/api/clusters/app/nodes/n1",
        "/metrics",
        "/ping",
        "/api/events",
    ] {
        let answer = window.client().post(path, b"");
        assert_eq!((answer.status, answer.head.get("allow")), (405, Some("GET, HEAD")), "{path}");
        assert_eq!(answer.head.get("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["status"], 405);
    }
    for path in [
        "/page",
        "/api",
        "/api/status/",
        "/api/clusters/no",
        "/api/clusters/app/nodes/no",
        "/api/clusters/app/nodes/n1/explode",
    ] {
        let answer = window.get(path);
        assert_eq!((answer.status, answer.json()["title"].as_str()), (404, Some("Not Found")), "{path}");
    }
    let head = window.client().send("HEAD", "/api/status", &[], b"").unwrap();
    assert_eq!((head.status, head.head.get("cache-control")), (200, Some("no-store")));
    let after = window.status();
    assert_eq!(
        (&after["revision"], &after["reload"], &after["clusters"][0]["nodes"][0]["state"]),
        (&before["revision"], &before["reload"], &"ready".into())
    );
}

#[test]
fn a_reload_is_answered_with_what_it_changed_or_why_it_was_refused() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    let post = || window.client().post("/api/reload", b"");
    assert_eq!(post().json()["changes"], serde_json::json!([]));
    std::fs::write(window.proxy.conf(), window.conf.text().replace("cluster = \"app\"", "cluster = \"ap\""))
        .unwrap();
    let refused = post();
    assert_eq!((refused.status, refused.head.get("content-type")), (422, Some("application/problem+json")));
    let finding = refused.json()["findings"][0].as_str().unwrap().to_owned();
    assert!(finding.contains("homing.toml:") && finding.contains("did you mean"), "{finding}");
    assert_eq!(window.metric("homing_config_last_reload_successful"), 0.0);
    assert_eq!(window.status()["reload"]["ok"], false);
    std::fs::write(window.proxy.conf(), window.conf.clone().cluster("retries = 5").text()).unwrap();
    // the file watch may have been first: then there is nothing left to change
    assert_eq!(post().status, 200);
    assert_eq!(window.metric("homing_config_last_reload_successful"), 1.0);
    assert_eq!(window.get("/api/config").json()["cluster"]["app"]["retries"], 5);
}

#[test]
fn a_change_is_checked_before_it_is_asked_for() {
    let nodes = Origin::several(1);
    let window = Window::over(&nodes);
    let post = |path: &str, body: &str| {
        window.client().post(&format!("/api/clusters/app/nodes/{path}"), body.as_bytes())
    };
    for (path, body, status) in [
        ("no/drain", "", 404),
        ("n1/drain", "{", 400),
        ("n1/drain", r#"{"dedline":"4h"}"#, 400),
        ("n1/set", "", 400),
        ("n1/set", r#"{"weight":1001}"#, 400),
    ] {
        let answer = post(path, body);
        assert_eq!(
            (answer.status, answer.json()["status"].as_u64()),
            (status, Some(status.into())),
            "{path} {body}"
        );
    }
    let large = "x".repeat(70_000);
    assert_eq!(post("n1/set", &large).status, 413);
}

#[test]
fn the_conf_is_shown_without_its_secrets() {
    let nodes = Origin::several(1);
    let conf =
        Conf::over(&nodes).affinity(r#"{ cookie = "SRV", value = "dynamic", dynamic-key = "s3cret" }"#);
    let window = Window::with(conf.rule("request-headers = { set = { Authorization = \"Basic s3cret\" } }"));
    let answer = window.get("/api/config");
    assert_eq!(answer.json()["cluster"]["app"]["affinity"]["cookie"], "SRV");
    assert!(!answer.text().contains("s3cret"));
}

#[test]
fn ready_means_that_every_cluster_is_served_and_ping_that_the_end_has_not_begun() {
    let mut nodes = Origin::several(1);
    let window = Window::over(&nodes);
    until("it is ready", || (window.get("/ready").status == 200).then_some(()));
    assert_eq!(window.get("/ping").text(), "ok\n");
    let busy = nodes.pop().unwrap();
    let addr = window.proxy.addr;
    let slow = std::thread::spawn(move || Client::new(addr).get("/early-hints?n=0&wait=1").status);
    until("the slow request is at the node", || (busy.hits() == 1).then_some(()));
    // whoever is connected when the address goes is still answered
    let mut asking: Vec<_> = (0..4).map(|_| window.client()).collect();
    for client in &mut asking {
        client.open().unwrap();
    }
    assert_eq!(window.get("/ping").status, 200, "all before it were accepted");
    window.proxy.signal("TERM");
    assert!(window.proxy.log.wait(0, DEADLINE, |line| line.contains("stopping: ")).is_some());
    let mut asking = asking.into_iter();
    let mut next = || asking.next().unwrap();
    assert_eq!((next().get("/ping").status, next().get("/ready").status), (503, 503));
    assert!(next().get("/metrics").text().contains("\nhoming_stopping 1\n"));
    assert_eq!(next().post("/api/reload", b"").status, 503, "too late");
    until("the address is free", || std::net::TcpStream::connect(window.admin).is_err().then_some(()));
    assert!(window.proxy.ended().is_none(), "it waits for the slow request");
    busy.state.go_on.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(slow.join().unwrap(), 200);
    assert_eq!(window.proxy.exit(DEADLINE).code(), Some(0));
}

#[test]
fn ready_names_the_cluster_that_lacks_a_node() {
    let mut nodes = Origin::several(1);
    let window = Window::over(&nodes);
    window.all_ready();
    nodes.clear();
    let answer =
        until("it is not ready", || Some(window.get("/ready")).filter(|answer| answer.status == 503));
    assert_eq!(answer.json()["clusters"], serde_json::json!(["app"]));
    assert_eq!(window.get("/ping").status, 200);
}
