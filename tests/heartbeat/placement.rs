//! Load that is announced becomes placement, and silence costs nobody his page.

use crate::fleet::{Fleet, of};
use crate::support::{Client, Conf, Origin, until};
use serde_json::json;

#[test]
fn new_sessions_go_where_there_is_room() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "balance = \"heartbeat\"");
    fleet.all_ready();
    for (node, load) in nodes.iter().zip([0, 50, 90]) {
        fleet.beat(node, json!({"load": load, "capacity": 600}));
    }
    // of 1,800 seats 840 are taken: with 480 more, each node has as many as the fullest, but for what was
    // there before
    let placed = fleet.newcomers(480);
    let (first, second, third) = (of(&placed, "n1"), of(&placed, "n2"), of(&placed, "n3"));
    assert!(first > second && second > third, "{first} {second} {third}");
    // of two draws the fullest is taken when both are its own: a ninth
    assert!((20..=95).contains(&third), "{third}: within five deviations of a ninth");
    fleet.beat(&nodes[0], json!({"load": 100}));
    assert_eq!(of(&fleet.newcomers(60), "n1"), 0, "no room, no new session");
}

#[test]
fn d7_sessions_that_come_past_the_proxy_count() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over(&nodes, "balance = \"least-sessions\"");
    fleet.all_ready();
    let before = fleet.newcomers(10);
    assert_eq!((of(&before, "n1"), of(&before, "n2")), (5, 5));
    fleet.beat(&nodes[0], json!({"sessions": 40, "capacity": 100}));
    fleet.beat(&nodes[1], json!({"sessions": 5, "capacity": 100}));
    assert_eq!(fleet.node_is("n1", "ready")["sessions"], 40, "not the 5 that the proxy saw");
    assert_eq!(fleet.names(), "n2 n1");
    assert_eq!(of(&fleet.newcomers(30), "n2"), 30);
    // equal parts of unequal rooms
    fleet.beat(&nodes[0], json!({"sessions": 40, "capacity": 800}));
    fleet.beat(&nodes[1], json!({"sessions": 10, "capacity": 200}));
    let placed = fleet.newcomers(100);
    assert!((78..=82).contains(&of(&placed, "n1")), "{}", of(&placed, "n1"));
}

#[test]
fn a_node_that_joins_is_never_given_more_than_twice_its_part() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "balance = \"least-sessions\"\njoin = { admit = \"token\" }");
    fleet.all_ready();
    for node in &nodes {
        fleet.beat(node, json!({"sessions": 1000, "capacity": 2000}));
    }
    let empty = Origin::start("n4");
    fleet.beat(&empty, json!({"sessions": 0, "capacity": 2000}));
    fleet.node_is("n4", "ready");
    let placed = fleet.newcomers(200);
    for (n, _) in placed.iter().enumerate().skip(20) {
        let had = of(&placed[..=n], "n4");
        assert!(had * 4 <= 2 * (n + 1) + 4, "{had} of the first {}", n + 1);
    }
    assert!(of(&placed, "n4") >= 80, "it looks emptiest all the time: {}", of(&placed, "n4"));
}

#[test]
fn a_node_that_restarted_has_lost_its_sessions_once() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    nodes.iter().for_each(|node| _ = fleet.beat(node, json!({"boot": "monday"})));
    let mut user = Client::with_jar(fleet.proxy.addr);
    let home = user.get("/first").node().to_owned();
    let node = nodes.iter().find(|node| node.name() == home).unwrap();
    fleet.restarts(node, "monday", "tuesday");
    user.get("/second");
    user.get("/third");
    assert_eq!(
        ["/first", "/second", "/third"].map(|path| fleet.proxy.why(path)),
        ["new", "moved:rebooted", "cookie"]
    );
    assert_eq!(fleet.status()["clusters"][0]["traffic"]["moved"]["rebooted"], 1);
}

#[test]
fn a_session_that_a_new_run_may_have_stays_when_that_is_heard_of() {
    for affinity in [r#"{ cookie = "HOMING" }"#, r#"{ learn = "PHPSESSID" }"#] {
        let nodes = Origin::phps(2);
        let fleet = Fleet::with(Conf::over(&nodes).affinity(affinity));
        fleet.all_ready();
        nodes.iter().for_each(|node| _ = fleet.beat(node, json!({"boot": "monday"})));
        let mut user = Client::with_jar(fleet.proxy.addr);
        let home = user.get("/first").node().to_owned();
        // it restarted unseen, and served her again, before it beats
        user.get("/second");
        fleet.beat(nodes.iter().find(|node| node.name() == home).unwrap(), json!({"boot": "tuesday"}));
        user.get("/third");
        user.get("/fourth");
        let whys = ["/third", "/fourth"].map(|path| fleet.proxy.why(path));
        assert!(whys.iter().all(|why| *why == "cookie" || *why == "learned"), "{affinity}: {whys:?}");
    }
}

#[test]
fn silence_is_never_a_503() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over(&nodes, "balance = \"heartbeat\"");
    fleet.all_ready();
    fleet.beat(&nodes[0], json!({"load": 99, "interval": 1}));
    fleet.beat(&nodes[1], json!({"load": 0, "interval": 1}));
    let mut user = Client::with_jar(fleet.proxy.addr);
    let home = user.get("/").node().to_owned();
    fleet.node_is("n1", "silent");
    fleet.node_is("n2", "silent");
    let placed = fleet.newcomers(40);
    // both draws are one node's in half of the cases: a difference of 2 k has odds of 3 to the power of -k
    assert!(
        (10..=30).contains(&of(&placed, "n1")),
        "loads are forgotten, all are equal again: {}",
        of(&placed, "n1")
    );
    assert_eq!(user.get("/").node(), home);
    assert_eq!(fleet.list().len(), 2, "its checks decide");
    fleet.beat(&nodes[0], json!({"load": 99}));
    until("who speaks is not silent", || (fleet.node_is("n1", "ready")["load"] == 99).then_some(()));
}

#[test]
fn a_small_node_is_filled_as_far_as_a_large_one() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "balance = \"heartbeat\"");
    fleet.all_ready();
    for (node, capacity) in nodes.iter().zip([20, 50, 130]) {
        fleet.beat(node, json!({"load": 0, "sessions": 0, "capacity": capacity}));
    }
    // the board draws by new sizes within a second
    until("sizes are known", || (fleet.node_is("n3", "ready")["share"].as_f64()? > 0.6).then_some(()));
    let placed = fleet.newcomers(160);
    for (name, capacity) in [("n1", 20), ("n2", 50), ("n3", 130)] {
        let taken = 100 * of(&placed, name) / capacity;
        assert!((60..=100).contains(&taken), "{name} is {taken} % full where 80 is even");
    }
}

#[test]
fn a_node_that_denies_its_sessions_is_not_believed() {
    let nodes = Origin::several(3);
    for balance in ["heartbeat", "least-sessions"] {
        let fleet = Fleet::over(&nodes, &format!("balance = \"{balance}\""));
        fleet.all_ready();
        let tell = |n: usize, sessions: usize| {
            fleet.beat(&nodes[n], json!({"load": sessions * 100 / 60, "sessions": sessions, "capacity": 60}))
        };
        let mut there = [0; 3];
        for _ in 0..8 {
            // n2 says for ever that it has nobody
            (0..3).for_each(|n| _ = tell(n, if n == 1 { 0 } else { there[n] }));
            for node in fleet.newcomers(15) {
                there[nodes.iter().position(|origin| origin.name() == node).unwrap()] += 1;
            }
        }
        tell(1, 0);
        assert!(there[1] <= 60, "{balance}: {there:?} of 60 seats each");
        let doubted = fleet.node_is("n2", "ready");
        let why = doubted["why"].as_str().unwrap();
        assert!(why.contains(&format!("tells 0 sessions, {} known", there[1])), "{why}");
        assert_eq!(doubted["known"], there[1]);
        assert_eq!(fleet.metric("homing_cluster_nodes_doubted{cluster=\"app\"}"), 1.0);
    }
}

#[test]
fn a_drain_does_not_believe_a_node_that_denies_its_sessions() {
    let nodes = Origin::several(2);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    // both deny them, and there are too few for a doubt
    let deny = || {
        nodes
            .iter()
            .for_each(|node| _ = fleet.beat(node, json!({"load": 0, "sessions": 0, "capacity": 1000})))
    };
    deny();
    let mut users: Vec<Client> = (0..4).map(|_| Client::with_jar(fleet.proxy.addr)).collect();
    let homes: Vec<String> = users.iter_mut().map(|user| user.get("/").node().to_owned()).collect();
    let there = of(&homes, "n1") as u64;
    assert_eq!(there, 2);
    deny();
    assert_eq!(fleet.node_is("n1", "ready")["sessions"], there);
    assert_eq!(fleet.homing(&["drain", "app/n1"]).code, 0);
    deny();
    let draining = fleet.node_is("n1", "draining");
    assert!(draining["why"].as_str().unwrap().contains("2 sessions left"), "{draining}");
    let said = fleet.homing(&["remove", "app/n1"]);
    assert!(said.code == 1 && said.err.contains("n1 has 2 sessions"), "{said:?}");
    for (user, home) in users.iter_mut().zip(&homes) {
        assert_eq!(user.get("/").node(), home);
    }
    // what it tells may raise the count
    fleet.beat(&nodes[0], json!({"sessions": 7}));
    assert_eq!(fleet.node_is("n1", "draining")["sessions"], 7);
}
