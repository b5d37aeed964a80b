//! The ranked list, for clients that choose their node themselves.

use crate::fleet::{Fleet, beat};
use crate::support::{Client, Origin, free_addr, until};
use serde_json::json;

#[test]
fn a2_the_smallest_workload_comes_first() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    for (node, (sessions, capacity)) in nodes.iter().zip([(8, 10), (3, 10), (1, 2)]) {
        fleet.beat(node, json!({"sessions": sessions, "capacity": capacity}));
    }
    let list = fleet.list();
    let loads: Vec<f64> = list.iter().map(|node| node["workload"].as_f64().unwrap()).collect();
    assert_eq!((loads, fleet.names().as_str()), (vec![0.3, 0.5, 0.8], "n2 n3 n1"));
    assert_eq!(
        list[0],
        json!({"node": "n2", "url": nodes[1].url(), "workload": 0.3, "sessions": 3, "capacity": 10})
    );
    let plain = Client::new(fleet.announce).get_with("/clusters/app/nodes", &[("Accept", "text/plain")]);
    assert_eq!(plain.text(), format!("{}\n{}\n{}\n", nodes[1].url(), nodes[2].url(), nodes[0].url()));
    assert_eq!(Client::new(fleet.announce).get("/clusters/nothing/nodes").status, 404);
}

#[test]
fn a3_a_new_client_gets_the_next_when_the_first_has_just_died() {
    let mut nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "balance = \"least-sessions\"");
    fleet.all_ready();
    for (node, sessions) in nodes.iter().zip([1, 5, 9]) {
        fleet.beat(node, json!({"sessions": sessions, "capacity": 10}));
    }
    assert_eq!(fleet.names(), "n1 n2 n3");
    drop(nodes.remove(0));
    let answer = Client::with_jar(fleet.proxy.addr).get("/");
    assert_eq!((answer.status, answer.node()), (200, "n2"));
}

#[test]
fn a5_a_load_balancer_cannot_be_a_batch_server() {
    let nodes = Origin::several(1);
    let fleet = Fleet::over(&nodes, "");
    let answer =
        fleet.send(&fleet.token, "", &beat("n1", &nodes[0].url(), json!({"roles": ["lb", "batch"]})));
    assert_eq!(answer.status, 400);
    assert!(answer.json()["detail"].as_str().unwrap().contains("`lb`"), "{}", answer.text());
    // nor when one role stands in the conf file and it says the other, whichever came first
    fleet.beat(&nodes[0], json!({"roles": ["batch"]}));
    let lb = fleet.conf.clone().with(&nodes[0], "roles = [\"lb\"]");
    assert!(fleet.proxy.reload_to(&lb.text()).applied());
    let answer = fleet.send(&fleet.token, "", &beat("n1", &nodes[0].url(), json!({"roles": ["batch"]})));
    assert_eq!((answer.status, fleet.counted("refused")), (409, 1));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("conf file gives n1") && detail.contains("`lb`"), "{detail}");
    let said = fleet.homing(&["drain", "app/n1"]);
    assert!(
        said.err.contains("last lb node") && !said.err.contains("batch"),
        "the file's word stands: {said:?}"
    );
    fleet.beat(&nodes[0], json!({"roles": []}));
}

#[test]
fn a7_any_member_can_hand_the_list_on() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    for (node, sessions) in nodes.iter().zip([8, 3, 5]) {
        fleet.beat(node, json!({"sessions": sessions, "capacity": 10}));
    }
    let lists: Vec<String> = nodes
        .iter()
        .zip([8, 3, 5])
        .map(|(node, sessions)| {
            let own = beat(node.name(), &node.url(), json!({"sessions": sessions, "capacity": 10}));
            fleet.send(&fleet.token, "?nodes=1", &own).json()["nodes"].to_string()
        })
        .collect();
    assert!(lists[0].contains("\"n2\"") && lists.iter().all(|list| *list == lists[0]), "{lists:?}");
}

#[test]
fn b2_a_node_that_does_not_tell_its_capacity_is_last() {
    let nodes = Origin::several(4);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    for (node, said) in nodes.iter().zip([
        json!({"sessions": 0}),
        json!({"sessions": 9, "capacity": 10}),
        json!({"sessions": 0, "capacity": 0}),
        json!({"sessions": 4, "capacity": 10}),
    ]) {
        fleet.beat(node, said);
    }
    assert_eq!(fleet.names(), "n4 n2 n1 n3");
    assert_eq!(fleet.list()[3]["workload"], serde_json::Value::Null, "and that is said");
}

#[test]
fn b7_services_are_balanced_and_sticky_beside_the_list() {
    let nodes = Origin::several(3);
    let fleet = Fleet::over(&nodes, "");
    fleet.all_ready();
    nodes.iter().for_each(|node| _ = fleet.beat(node, json!({"sessions": 1, "capacity": 10})));
    let envelope = b"<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body/></soap:Envelope>";
    let headers = [("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", "\"urn:find\"")];
    let mut homes = std::collections::HashSet::new();
    for _ in 0..12 {
        let mut service = Client::with_jar(fleet.proxy.addr);
        let mut call = || service.send("POST", "/echo", &headers, envelope).unwrap();
        let first = call();
        assert_eq!(first.body, envelope);
        let home = first.node().to_owned();
        assert!((0..5).all(|_| call().node() == home));
        homes.insert(home);
    }
    assert_eq!((homes.len(), fleet.list().len()), (3, 3), "HTTP is balanced while RPC clients walk the list");
}

#[test]
fn b4_two_proxies_give_the_same_list() {
    let nodes = Origin::several(3);
    let fleets = [Fleet::over(&nodes, ""), Fleet::over(nodes.iter().rev(), "")];
    for fleet in &fleets {
        fleet.all_ready();
        for (node, (sessions, capacity)) in nodes.iter().zip([(5, 10), (1, 2), (7, 10)]) {
            fleet.beat(node, json!({"sessions": sessions, "capacity": capacity}));
        }
    }
    for accept in ["application/json", "text/plain"] {
        let [one, other] = fleets.each_ref().map(|fleet| {
            Client::new(fleet.announce).get_with("/clusters/app/nodes", &[("Accept", accept)]).body
        });
        assert!(!one.is_empty());
        assert_eq!(one, other, "{accept}");
    }
}

#[test]
fn b5_the_list_is_what_is_true_now() {
    let mut nodes = Origin::several(6);
    let fleet = Fleet::over(&nodes, "join = { admit = \"ask\" }");
    fleet.all_ready();
    for node in &nodes {
        fleet.beat(node, json!({"sessions": 1, "capacity": 10}));
    }
    assert_eq!(fleet.names(), "n1 n2 n3 n4 n5 n6");
    fleet.beat(&nodes[0], json!({"state": "draining"}));
    fleet.beat(&nodes[1], json!({"sessions": 10, "capacity": 10}));
    fleet.beat(&nodes[2], json!({"state": "syncing"}));
    fleet.beat(&nodes[3], json!({"roles": ["lb"]}));
    let stranger = Origin::start("n7");
    fleet.beat(&stranger, json!({"sessions": 0, "capacity": 10}));
    assert_eq!(fleet.names(), "n5 n6", "draining, full, syncing, lb and pending are not on it");
    drop(nodes.pop());
    until("a node that is gone leaves the list", || (fleet.names() == "n5").then_some(()));
    fleet.beat(&nodes[0], json!({"state": "ready"}));
    assert_eq!(fleet.names(), "n1 n5");
}

#[test]
fn the_list_is_for_this_machine_or_for_the_token() {
    let nodes = Origin::several(1);
    let fleet = Fleet::over(&nodes, "");
    let get = |headers: &[(&str, &str)]| {
        Client::new(fleet.announce).get_with("/clusters/app/nodes", headers).status
    };
    assert_eq!((get(&[]), get(&[("Host", "localhost:9901")])), (200, 200));
    assert_eq!(get(&[("Host", "evil.example")]), 401, "no page whose name was made to point here");
    assert_eq!(get(&[("Origin", "http://127.0.0.1:8080")]), 401);
    assert_eq!(get(&[("Host", "evil.example"), ("Authorization", &fleet.bearer())]), 200);
    let open = free_addr();
    let everywhere = open.to_string().replace("127.0.0.1", "0.0.0.0");
    assert!(
        fleet.proxy.reload_to(&fleet.conf.text().replace(&fleet.announce.to_string(), &everywhere)).applied()
    );
    until("the new address is open", || std::net::TcpStream::connect(open).is_ok().then_some(()));
    let get = |headers: &[(&str, &str)]| Client::new(open).get_with("/clusters/app/nodes", headers).status;
    assert_eq!((get(&[]), get(&[("Authorization", &fleet.bearer())])), (401, 200));
}
