//! A node dies under load: nothing that can be repeated fails, each user moves once, and nobody flips back.

use crate::support::load::{Story, failures};
use crate::support::{Client, Conf, Load, Origin, Proxy, Sessions, Spawned, free_addr, until};
use serde_json::Value;

const QUICK: &str = "slow-start = \"0s\"\nhealth = { interval = \"200ms\", timeout = \"5s\", rise = 1, fall = 2 }\npassive = { failures = 2, eject = \"300ms\" }";

fn over(nodes: &[Spawned]) -> Conf {
    let conf = Conf::over(std::iter::empty::<&Origin>()).cluster(QUICK);
    nodes.iter().fold(conf, |conf, node| conf.node(&node.name, &format!("{:?}", node.url())))
}

/// Waits until users without a pin are sent to a node.
fn until_takes_new(proxy: &Proxy, node: &str) {
    until(&format!("{node} takes new users"), || {
        (Client::new(proxy.addr).get("/probe").node() == node).then_some(())
    });
}

fn kill_under_load(affinity: &str, cause: &str) -> (Proxy, Vec<Story>) {
    let mut nodes: Vec<Spawned> = ["n1", "n2", "n3"].map(Spawned::start).into();
    let proxy = Proxy::start(&over(&nodes).affinity(affinity).cluster("balance = \"round-robin\"").text());
    // who is checked first has everybody until the next one is
    nodes.iter().for_each(|node| until_takes_new(&proxy, &node.name));
    let load = Load::of_visitors(12, proxy.addr);
    load.wait_for_all();
    nodes[1].sigkill();
    load.wait(2_000);
    nodes[1].revive();
    until_takes_new(&proxy, "n2");
    load.wait(2_000);
    let stories = load.stop();
    assert_eq!(failures(&stories), [""; 0]);
    let mut moved = 0;
    for (user, story) in stories.iter().enumerate() {
        match story.nodes.as_slice() {
            [_] => {}
            [from, _] if from == "n2" => moved += 1,
            nodes => panic!("user {user} went {nodes:?}"),
        }
    }
    assert!(moved > 0, "somebody was on n2");
    let lines: Vec<Value> = proxy.access_of("/visit/", stories.iter().map(|s| s.answers).sum());
    let moves: Vec<&Value> =
        lines.iter().filter(|l| l["why"].as_str().is_some_and(|w| w.starts_with("moved"))).collect();
    assert_eq!(moves.len(), moved, "one line for each user who was moved: {moves:?}");
    assert!(moves.iter().all(|l| l["why"] == cause && l["was"] == "n2"), "{moves:?}");
    (proxy, stories)
}

#[test]
fn sigkill_under_load_with_a_sealed_cookie() {
    kill_under_load(r#"{ cookie = "HOMING" }"#, "moved:down");
}

#[test]
fn sigkill_under_load_with_a_readable_cookie() {
    kill_under_load(r#"{ cookie = "SRV", value = "route" }"#, "moved:down");
}

#[test]
fn the_pin_is_rewritten_at_the_move() {
    let nodes = Origin::several(2);
    let proxy = Proxy::start(
        &Conf::over(&nodes).cluster(QUICK).affinity(r#"{ cookie = "SRV", value = "route" }"#).text(),
    );
    let mut client = Client::with_jar(proxy.addr).cookie("SRV", "n1");
    assert_eq!(client.get("/before").node(), "n1");
    nodes[0].kill();
    let answer = client.get("/move");
    assert_eq!(answer.node(), "n2");
    assert!(answer.set_cookie("SRV").is_some_and(|set| set.starts_with("SRV=n2")), "{:?}", answer.head);
    let line = &proxy.access_of("/move", 1)[0];
    assert_eq!(
        (&line["why"], &line["was"], &line["node"]),
        (&"moved:down".into(), &"n1".into(), &"n2".into())
    );
    nodes[0].revive();
    until_takes_new(&proxy, "n1");
    assert_eq!(client.get("/after").node(), "n2");
    assert_eq!(proxy.why("/after"), "cookie");
}

#[test]
fn a_learned_session_moves_once_and_stays() {
    let nodes = Origin::phps(2);
    let proxy =
        Proxy::start(&Conf::over(&nodes).cluster(QUICK).affinity(r#"{ learn = "PHPSESSID" }"#).text());
    let mut client = Client::with_jar(proxy.addr);
    let home = client.get("/visit").node().to_owned();
    let dead = nodes.iter().find(|n| n.name() == home).expect("one of ours");
    dead.kill();
    let refuge = client.get("/visit/move").node().to_owned();
    assert_ne!(refuge, home);
    dead.revive();
    until_takes_new(&proxy, &home);
    for _ in 0..20 {
        assert_eq!(client.get("/visit").node(), refuge);
    }
    assert_eq!(proxy.why("/visit/move"), "moved:down");
}

#[test]
fn strict_answers_503_rather_than_another_node() {
    let nodes = Origin::tomcats(2);
    let conf = Conf::over(&nodes)
        .cluster(QUICK)
        .cluster("failover = \"strict\"")
        .affinity(r#"{ cookie = "SRV", value = "route" }"#);
    let proxy = Proxy::start(&conf.text());
    let mut client = Client::with_jar(proxy.addr).cookie("SRV", "n1");
    assert_eq!(client.get("/visit").node(), "n1");
    nodes[0].kill();
    for _ in 0..5 {
        let answer = client.get("/refused");
        assert_eq!((answer.status, answer.node()), (503, ""));
        assert_eq!(answer.set_cookie("SRV"), None, "the pin is not touched");
    }
    assert_eq!(Client::new(proxy.addr).get("/new").node(), "n2", "new users are served");
    nodes[0].revive();
    until("the node is back for its user", || (client.get("/back").node() == "n1").then_some(()));
}

#[test]
fn when_nobody_lives_it_is_503_and_the_first_to_come_back_serves() {
    let nodes = Origin::several(2);
    let proxy = Proxy::start(&Conf::over(&nodes).cluster(QUICK).affinity(r#""cookie""#).text());
    assert_eq!(Client::new(proxy.addr).get("/").status, 200);
    nodes.iter().for_each(Origin::kill);
    let answer = Client::new(proxy.addr).get("/nobody");
    assert!(matches!(answer.status, 502 | 503), "{}", answer.status);
    nodes[1].revive();
    until("it serves again", || (Client::new(proxy.addr).get("/again").status == 200).then_some(()));
}

#[test]
fn a_backup_serves_only_when_no_other_can() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes).cluster(QUICK).affinity(r#""cookie""#).with(&nodes[1], "backup = true");
    let proxy = Proxy::start(&conf.text());
    for _ in 0..20 {
        assert_eq!(Client::new(proxy.addr).get("/").node(), "n1");
    }
    nodes[0].kill();
    assert_eq!(Client::new(proxy.addr).get("/").node(), "n2");
}

#[test]
fn a_node_that_is_down_from_the_start_costs_nobody() {
    let alive = Origin::with("n1", Sessions::None);
    let conf = Conf::over([&alive])
        .cluster(QUICK)
        .affinity(r#""cookie""#)
        .node("n2", &format!("\"http://{}\"", free_addr()));
    let proxy = Proxy::start(&conf.text());
    for _ in 0..50 {
        let answer = Client::new(proxy.addr).get("/");
        assert_eq!((answer.status, answer.node()), (200, "n1"));
    }
}

/// A cluster that nobody checks, its first nodes dead.
fn unchecked(dead: usize, affinity: &str) -> (Proxy, Origin) {
    let alive = Origin::with("n9", Sessions::Plain("PHPSESSID".into()));
    let lines = "balance = \"first\"\nhealth = { kind = \"off\" }\npassive = { failures = 0 }";
    let conf = Conf::over(std::iter::empty::<&Origin>()).cluster(lines).affinity(affinity);
    let conf =
        (1..=dead).fold(conf, |conf, n| conf.node(&format!("n{n}"), &format!("\"http://{}\"", free_addr())));
    let conf = conf.node("n9", &format!("{:?}", alive.url()));
    (Proxy::start(&conf.text()), alive)
}

#[test]
fn a_retry_on_another_node_says_where_the_session_was() {
    let (proxy, _alive) = unchecked(3, r#"{ cookie = "SRV", value = "route" }"#);
    for (path, pin) in [("/first", "n1"), ("/last", "n3")] {
        let answer = Client::new(proxy.addr).cookie("SRV", pin).get(path);
        assert_eq!((answer.status, answer.node()), (200, "n9"));
        let line = &proxy.access_of(path, 1)[0];
        assert_eq!(
            (&line["why"], &line["was"], &line["node"]),
            (&"moved:down".into(), &pin.into(), &"n9".into()),
            "{line}"
        );
        assert!(line["retries"].as_u64() > Some(1), "{line}");
    }
}

#[test]
fn a_new_session_whose_first_nodes_are_dead_begins_on_the_next() {
    for affinity in
        [r#"{ cookie = "HOMING" }"#, r#"{ cookie = "SRV", value = "route" }"#, r#"{ learn = "PHPSESSID" }"#]
    {
        let (proxy, _alive) = unchecked(2, affinity);
        let mut client = Client::with_jar(proxy.addr);
        assert_eq!(client.get("/visit/new").node(), "n9", "{affinity}");
        let line = &proxy.access_of("/visit/new", 1)[0];
        assert_eq!(
            (&line["why"], &line["was"], &line["node"]),
            (&"new".into(), &Value::Null, &"n9".into()),
            "{line}"
        );
        assert_eq!(client.get("/visit/again").node(), "n9", "{affinity}");
        assert_ne!(proxy.why("/visit/again"), "new", "{affinity}");
    }
}

#[test]
fn a_learned_session_that_knocks_at_several_nodes_was_on_the_first() {
    let nodes = Origin::phps(3);
    let conf = Conf::over(&nodes)
        .cluster("balance = \"first\"\nhealth = { kind = \"off\" }")
        .affinity(r#"{ learn = "PHPSESSID" }"#);
    let proxy = Proxy::start(&conf.text());
    let mut client = Client::with_jar(proxy.addr);
    assert_eq!(client.get("/visit").node(), "n1");
    nodes[0].kill();
    nodes[1].kill();
    assert_eq!(client.get("/visit/move").node(), "n3");
    let line = &proxy.access_of("/visit/move", 1)[0];
    assert_eq!(
        (&line["why"], &line["was"], &line["node"]),
        (&"moved:down".into(), &"n1".into(), &"n3".into()),
        "{line}"
    );
}

#[test]
fn a_cluster_of_dead_nodes_is_answered_for_at_once() {
    for balance in ["least-sessions", "round-robin", "random", "first"] {
        let lines = format!("balance = \"{balance}\"\npassive = {{ failures = 0 }}");
        let conf = Conf::over(std::iter::empty::<&Origin>()).cluster(&lines).affinity(r#""cookie""#);
        let conf =
            (1..=3).fold(conf, |conf, n| conf.node(&format!("n{n}"), &format!("\"http://{}\"", free_addr())));
        let proxy = Proxy::start(&conf.text());
        let answer = Client::new(proxy.addr).get("/dead");
        assert_eq!(answer.status, 503, "{balance}");
        // each node is knocked at twice, in whatever order
        let line = &proxy.access_of("/dead", 1)[0];
        assert!(line["retries"].as_u64() <= Some(6), "{balance}: {line}");
    }
}
