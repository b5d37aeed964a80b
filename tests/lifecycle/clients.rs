//! Clients that talk to their node directly: handed off by a redirect, or walking the list by themselves.

use crate::fleet::Fleet;
use crate::support::{Client, Conf, DEADLINE, Origin, Sessions, until};
use crate::window::Window;
use node::{Directory, Load, Node, ask, place};
use std::net::SocketAddr;
use std::time::Duration;

#[path = "../../examples/homing_node/node.rs"]
mod node;

/// A cluster whose clients are handed off at `/start`.
fn handing_off(nodes: &[Origin], status: u16) -> Conf {
    let mut conf = Conf::over(nodes).cluster("balance = \"least-sessions\"");
    for node in nodes {
        conf = conf.with(node, &format!("public-url = \"{}/direct/\"", node.url()));
    }
    // before the rule for everything else
    let rule = format!(
        "path = \"/other\"\n[[rule]]\npath = \"/start\"\nhand-off = {{ cluster = \"app\", status = {status} }}"
    );
    conf.rule(&rule)
}

#[test]
fn d6_a_client_is_redirected_to_its_nodes_public_address() {
    let nodes = Origin::several(2);
    for (status, method) in [(302, "GET"), (307, "POST")] {
        let window = Window::with(handing_off(&nodes, status).affinity(r#"{ cookie = "HOMING" }"#));
        window.all_ready();
        let mut given = Vec::new();
        for n in 0..6 {
            let answer = Client::new(window.proxy.addr)
                .send(method, &format!("/start/app.jnlp?user={n}&x=%2F"), &[], b"")
                .unwrap();
            let location = answer.head.get("location").unwrap().to_owned();
            assert_eq!((answer.status, answer.head.get("cache-control")), (status, Some("no-store")));
            let node = nodes.iter().find(|node| location.starts_with(&node.url())).unwrap();
            assert_eq!(location, format!("{}/direct/start/app.jnlp?user={n}&x=%2F", node.url()));
            assert_eq!(answer.set_cookie("HOMING"), None);
            // there it is answered
            let target = location.strip_prefix(&node.url()).unwrap();
            assert_eq!(Client::new(node.addr).send(method, target, &[], b"").unwrap().node(), node.name());
            given.push(node.name());
        }
        assert_eq!(
            given.iter().filter(|node| **node == "n1").count(),
            3,
            "each counts where it was sent: {given:?}"
        );
        let why = window.proxy.access_of("/start", 6);
        assert!(
            why.iter()
                .all(|line| line["why"] == "new" && line["cluster"] == "app" && line["status"] == status),
            "{why:?}"
        );
        // one that has a session goes to its node
        let mut client = Client::with_jar(window.proxy.addr);
        let node = client.get("/other").node().to_owned();
        for _ in 0..4 {
            let answer = client.get("/start");
            let at = nodes.iter().find(|n| n.name() == node).unwrap().url();
            assert!(answer.head.get("location").unwrap().starts_with(&at), "{answer:?}");
        }
    }
}

#[test]
fn d6_a_cluster_without_affinity_hands_off_evenly_and_never_to_a_draining_node() {
    let nodes = Origin::several(3);
    let window = Window::with(handing_off(&nodes, 302));
    window.all_ready();
    assert_eq!(window.homing(&["drain", "app/n3"]).code, 0);
    let start = || Client::new(window.proxy.addr).get("/start").head.get("location").unwrap().to_owned();
    let given: Vec<String> = (0..10).map(|_| start()).collect();
    for (node, count) in nodes.iter().zip([5, 5, 0]) {
        assert_eq!(
            given.iter().filter(|location| location.starts_with(&node.url())).count(),
            count,
            "{given:?}"
        );
    }
}

#[test]
fn d6_a_node_without_a_public_address_is_refused_where_clients_are_handed_off() {
    let nodes = Origin::several(2);
    let conf = handing_off(&nodes, 302).node("n2", &format!("{:?}", nodes[1].url()));
    let (code, said) = crate::support::proxy::refused_start(&conf.text());
    assert!(
        code == Some(1) && said.contains("say no address for it: n2") && said.contains("public-url"),
        "{said}"
    );
    let (code, said) = crate::support::proxy::refused_start(&handing_off(&nodes, 301).text());
    assert!(code == Some(1) && said.contains("302, or 307"), "{said}");
}

#[test]
fn d5_what_a_node_says_of_its_own_address_is_not_touched() {
    let nodes = vec![Origin::with("n1", Sessions::None)];
    let window = Window::over(&nodes);
    window.all_ready();
    // the origin repeats its own address in the body, as a JNLP file does in its codebase
    let codebase = format!("<jnlp codebase=\"{}/\" href=\"start.jnlp\"/>", nodes[0].url());
    let send = |to: SocketAddr| Client::new(to).post("/echo", codebase.as_bytes()).body;
    assert_eq!(send(window.proxy.addr), send(nodes[0].addr));
    assert_eq!(send(window.proxy.addr), codebase.as_bytes());
}

fn visit(node: &str) -> std::io::Result<String> {
    let (status, body) = ask(place(node)?, "GET", "/", "", "")?;
    assert_eq!(status, 200);
    Ok(body)
}

fn directory(fleets: &[&Fleet]) -> Directory {
    let proxies = fleets.iter().map(|fleet| fleet.announce.to_string()).collect();
    Directory { proxies, token: Some(fleets[0].token.clone()), cluster: "app".into() }
}

#[test]
fn a3_a_new_client_walks_the_list_until_a_node_answers() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes[..0], "join = { admit = \"token\" }");
    let beat = |origin: &Origin, sessions, capacity| {
        let node = Node {
            proxies: vec![fleet.announce.to_string()],
            token: Some(fleet.token.clone()),
            cluster: "app".into(),
            name: origin.name().into(),
            url: origin.url(),
            roles: Vec::new(),
            interval: Duration::from_millis(100),
        };
        let beating = node.start();
        beating.set(Load { sessions: Some(sessions), capacity: Some(capacity), ..Load::default() });
        beating
    };
    let beating = [beat(&nodes[0], 8, 10), beat(&nodes[1], 3, 10), beat(&nodes[2], 1, 2)];
    let directory = directory(&[&fleet]);
    let order = [1, 2, 0].map(|n: usize| nodes[n].url());
    until("all have announced themselves", || (directory.nodes().unwrap() == order).then_some(()));
    assert!(directory.walk(visit).unwrap().contains("\"node\":\"n2\""));
    // candidate 1 dies between two heartbeats
    nodes[1].kill();
    assert!(directory.walk(visit).unwrap().contains("\"node\":\"n3\""));
    // one that stops says so
    drop(beating);
    until("all have said goodbye", || directory.nodes().unwrap().is_empty().then_some(()));
    let error = directory.walk(visit).unwrap_err().to_string();
    assert!(error.contains("no node of app"), "{error}");
}

#[test]
fn what_a_line_leaves_out_stays_as_it_was() {
    let mut load = Load::default();
    for (line, said) in [
        ("draining", (None, None, None, true)),
        ("sessions=12 capacity=200", (Some(12), Some(200), None, true)),
        ("load=30 ready", (Some(12), Some(200), Some(30), false)),
        ("draining", (Some(12), Some(200), Some(30), true)),
        ("sessions=0 load=140", (Some(0), Some(200), Some(100), true)),
    ] {
        load.say(line).unwrap();
        assert_eq!((load.sessions, load.capacity, load.load, load.draining), said, "{line}");
    }
    for wrong in ["sessions=", "capacity=many", "load=-1", "draining=1", "sessions=3 what"] {
        assert!(load.say(wrong).is_err() && load.sessions == Some(0), "{wrong}");
    }
}

#[test]
fn a8_a_client_asks_the_first_proxy_that_answers() {
    let nodes = Origin::several(1);
    let (first, second) = (Fleet::over(&nodes, ""), Fleet::over(&nodes, ""));
    for fleet in [&first, &second] {
        fleet.all_ready();
    }
    let directory = directory(&[&first, &second]);
    assert!(directory.walk(visit).unwrap().contains("\"node\":\"n1\""));
    first.proxy.signal("KILL");
    first.proxy.exit(DEADLINE);
    assert!(directory.walk(visit).unwrap().contains("\"node\":\"n1\""));
    second.proxy.signal("KILL");
    second.proxy.exit(DEADLINE);
    let error = directory.nodes().unwrap_err().to_string();
    assert!(error.contains(&second.announce.to_string()), "{error}");
}

#[test]
fn a1_the_list_has_an_lb_node_in_a_shared_cluster_alone() {
    let nodes = Origin::several(2);
    let public = Conf::over(&nodes).affinity("\"cookie\"").with(&nodes[0], "roles = [\"lb\"]");
    let fleet = Fleet::with(public.with(&nodes[1], "public-url = \"http://n2.example.com/app\""));
    fleet.all_ready();
    assert_eq!(
        directory(&[&fleet]).nodes().unwrap(),
        ["http://n2.example.com/app"],
        "where clients reach it"
    );
    assert!(fleet.proxy.reload_to(&fleet.conf.clone().cluster("mode = \"shared\"").text()).applied());
    assert_eq!(fleet.names(), "n1 n2");
}
