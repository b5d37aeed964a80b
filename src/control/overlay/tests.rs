use super::*;
use crate::control::runtime_value::FileValue;

fn file(nodes: &str) -> Config {
    let text = format!("[listener.web]\nbind = '127.0.0.1:0'\n[cluster.shop]\n[cluster.shop.nodes]\n{nodes}");
    toml::from_str(&text).unwrap()
}

fn by(who: &str) -> Actor {
    Actor::named(who.into(), 1)
}

fn node(config: &Config, name: &str) -> Option<NodeTable> {
    config.cluster["shop"].nodes.get(name).map(Node::table)
}

fn weight(to: u16, over: FileValue<u16>) -> NodeOverride {
    NodeOverride { weight: Some(RuntimeValue { to, over, by: by("operator") }), ..NodeOverride::default() }
}

fn overlay_of(node: &str, member: NodeOverride) -> Overlay {
    let mut overlay = Overlay::default();
    *overlay.node_mut("shop", node) = member;
    overlay
}

#[test]
fn a_decision_stands_until_the_file_says_something_else() {
    let old = file("n1 = { url = 'http://a:1', weight = 50 }");
    let mut overlay = overlay_of("n1", weight(7, FileValue::Value(50)));
    let (config, said) = overlay.overlay(&old);
    assert_eq!((node(&config, "n1").unwrap().weight, said.len()), (7, 0));
    let moved = file("n1 = { url = 'http://b:2', weight = 50 }");
    let (config, said) = overlay.overlay(&moved);
    let n1 = node(&config, "n1").unwrap();
    assert_eq!((n1.weight, n1.url.as_str(), said.len()), (7, "http://b:2", 0), "another key does not matter");
    let (config, said) = overlay.overlay(&file("n1 = { url = 'http://a:1', weight = 60 }"));
    assert_eq!(node(&config, "n1").unwrap().weight, 60);
    assert_eq!(said, ["shop/n1: weight set by operator is dropped: the conf file was edited since"]);
    assert_eq!(overlay, Overlay::default());
}

#[test]
fn a_node_that_joined_waits_until_it_is_accepted_and_the_file_wins_over_it() {
    let joined =
        JoinedNode { url: "http://c:3".into(), route: Some("r3".into()), accepted: None, at: 1, from: None };
    let mut overlay = overlay_of("n3", NodeOverride { joined: Some(joined), ..NodeOverride::default() });
    let old = file("n1 = 'http://a:1'");
    assert_eq!(node(&overlay.overlay(&old).0, "n3").unwrap().state, AdminState::Pending);
    overlay.node_mut("shop", "n3").joined.as_mut().unwrap().accepted = Some(by("operator"));
    let n3 = node(&overlay.overlay(&old).0, "n3").unwrap();
    assert_eq!(
        (n3.state, n3.url.as_str(), n3.route.as_deref()),
        (AdminState::Enabled, "http://c:3", Some("r3"))
    );
    let (config, said) = overlay.overlay(&file("n1 = 'http://a:1'\nn3 = 'http://d:4'"));
    assert_eq!((node(&config, "n3").unwrap().url.as_str(), said.len()), ("http://d:4", 1));
}

#[test]
fn a_node_gone_from_the_file_takes_its_decisions_along_and_a_cluster_does_not() {
    let mut gone = overlay_of("n9", weight(7, FileValue::Value(100)));
    let (config, said) = gone.overlay(&file("n1 = 'http://a:1'"));
    assert_eq!((node(&config, "n9"), said.len(), gone), (None, 1, Overlay::default()));
    let mut elsewhere = Overlay::default();
    *elsewhere.node_mut("bank", "n1") = weight(7, FileValue::Value(100));
    let before = elsewhere.clone();
    assert_eq!(elsewhere.overlay(&file("n1 = 'http://a:1'")).1.len(), 0);
    assert_eq!(elsewhere, before);
}

#[test]
fn a_drain_moves_who_is_left_only_when_it_was_told_to() {
    for (then, over, state) in [
        (Then::Keep, false, AdminState::Draining),
        (Then::Keep, true, AdminState::Draining),
        (Then::Move, false, AdminState::Draining),
        (Then::Move, true, AdminState::Drained),
    ] {
        let drain = Drain { deadline: Some(1), then, over, left: None };
        assert_eq!(WantedState::Draining(drain).state(), state, "{then:?} {over}");
    }
}

/// What 0.1 wrote, with every key that it knew.
const OF_0_1: &str = r#"{ "clusters": {
        "bank": { "b1": { "weight": { "to": 0, "over": { "value": 100 }, "by": { "who": "operator", "at": 7 } } } },
        "shop": {
            "n1": {
                "wanted": { "to": { "draining": { "deadline": 900, "then": "move", "over": true, "left": 2 } }, "over": { "value": "enabled" },
                            "by": { "who": "operator", "at": 5 } },
                "max-sessions": { "to": 3, "over": { "value": null }, "by": { "who": "operator", "at": 6 } },
                "max-requests": { "to": null, "over": { "value": 9 }, "by": { "who": "operator", "at": 6 } }
            },
            "n2": { "wanted": { "to": "maintenance", "over": { "value": { "draining": { "then": "keep", "over": false } } },
                                "by": { "who": "operator", "at": 5 } } },
            "n3": {
                "joined": { "url": "http://c:3", "route": "r3", "accepted": { "who": "token", "at": 4 }, "at": 3, "from": "10.0.0.3" },
                "wanted": { "to": "removed", "over": "nothing", "by": { "who": "operator", "at": 5 } }
            }
        }
    } }"#;

#[test]
fn what_0_1_wrote_is_read_and_written_as_it_was() {
    let overlay: Overlay = serde_json::from_str(OF_0_1).unwrap();
    assert_eq!((overlay.nodes_of("shop"), overlay.nodes_of("bank"), overlay.nodes_of("sho")), (3, 1, 0));
    let (config, said) = overlay.clone().overlay(&file(
        "n1 = { url = 'http://a:1', max-requests = 9 }\nn2 = { url = 'http://b:1', state = 'draining' }",
    ));
    let (n1, n2, n3) =
        (node(&config, "n1").unwrap(), node(&config, "n2").unwrap(), node(&config, "n3").unwrap());
    assert_eq!((n1.state, n1.max_sessions, n1.max_requests), (AdminState::Drained, Some(3), None));
    assert_eq!(
        (n2.state, n3.state, n3.url.as_str(), said.len()),
        (AdminState::Maintenance, AdminState::Removed, "http://c:3", 0)
    );
    let written: serde_json::Value = serde_json::from_str(OF_0_1).unwrap();
    assert_eq!(serde_json::to_value(&overlay).unwrap(), written);
}

#[test]
fn what_is_saved_is_read_again() {
    let set = RuntimeValue {
        to: WantedState::Draining(Drain { deadline: Some(9), then: Then::Move, over: true, left: Some(2) }),
        over: FileValue::Nothing,
        by: by("x"),
    };
    let joined =
        JoinedNode { url: "http://c:3".into(), route: None, accepted: Some(by("token")), at: 1, from: None };
    let saved = overlay_of(
        "n1",
        NodeOverride { joined: Some(joined), wanted: Some(set), ..weight(1, FileValue::Value(2)) },
    );
    let text = serde_json::to_string(&saved).unwrap();
    assert_eq!(serde_json::from_str::<Overlay>(&text).unwrap(), saved);
}
