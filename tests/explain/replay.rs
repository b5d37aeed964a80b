//! A thousand requests of every form of affinity and every outcome: what is foretold is what is decided live,
//! and what is remembered is what was.

use crate::ask::{Decision, Sent, foretell, recall, telling};
use crate::fleet::Fleet;
use crate::support::{Client, Conf, Origin};
use crate::window::Window;
use serde_json::json;
use std::collections::BTreeMap;

const USERS: usize = 8;
const CLICKS: usize = 10;

/// A form of affinity: its conf, its nodes, and how a click looks.
struct Form {
    affinity: &'static str,
    nodes: fn(usize) -> Vec<Origin>,
    path: fn(&Client, usize) -> String,
    /// More for the cluster.
    cluster: &'static str,
    /// What some show in place of what they were given.
    broken: &'static str,
    /// The nodes announce themselves, and one of them starts again.
    reboots: bool,
}

const PLAIN: Form = Form {
    affinity: r#"{ cookie = "HOMING" }"#,
    nodes: Origin::several,
    path: visit,
    cluster: "",
    broken: "broken.n9",
    reboots: false,
};

fn visit(_: &Client, user: usize) -> String {
    format!("/visit/u{user}?sid=user-{user}")
}

fn forms() -> Vec<Form> {
    vec![
        PLAIN,
        Form { cluster: r#"balance = "round-robin""#, ..PLAIN },
        Form {
            affinity: r#"{ cookie = "SRV", value = "route" }"#,
            cluster: r#"balance = "least-requests""#,
            ..PLAIN
        },
        Form { affinity: r#"{ cookie = "SRV", value = "dynamic", dynamic-key = "MYKEY" }"#, ..PLAIN },
        Form {
            affinity: r#"{ cookie = "SRV", value = "route", max-idle = "1h" }"#,
            broken: "n2|AAAAB",
            ..PLAIN
        },
        Form { reboots: true, ..PLAIN },
        Form {
            affinity: r#"{ cookie = "PHPSESSID", value = "route", mode = "prefix" }"#,
            nodes: Origin::phps,
            ..PLAIN
        },
        Form {
            affinity: r#"{ cookie = "SRV", value = "route", mode = "rewrite" }"#,
            path: |client, user| {
                format!(
                    "{}/u{user}?SRV=mine",
                    if client.jar.iter().flatten().next().is_none() { "/set" } else { "/visit" }
                )
            },
            ..PLAIN
        },
        Form { affinity: r#"{ route = "JSESSIONID" }"#, nodes: Origin::tomcats, ..PLAIN },
        Form { affinity: r#"{ learn = "PHPSESSID" }"#, nodes: Origin::phps, ..PLAIN },
        Form { affinity: r#"{ key = "query:sid" }"#, ..PLAIN },
        Form { affinity: r#"{ key = "query:sid", remember = false }"#, ..PLAIN },
        Form { affinity: r#"{ key = "header:X-User" }"#, cluster: r#"balance = "first""#, ..PLAIN },
        Form { affinity: r#"{ key = "source" }"#, cluster: r#"balance = "hash""#, ..PLAIN },
        Form {
            affinity: r#"{ cookie = "HOMING", also = [ { cookie = "SRV", value = "route" }, { key = "query:sid" } ] }"#,
            ..PLAIN
        },
        Form { cluster: r#"failover = "strict""#, ..PLAIN },
        Form { cluster: "max-sessions = 2", ..PLAIN },
        Form { affinity: "", ..PLAIN },
    ]
}

#[test]
fn what_is_foretold_is_decided_and_what_was_decided_is_remembered() {
    let (mut asked, mut whys) = (0, BTreeMap::new());
    for form in forms() {
        asked += replay(&form, &mut whys);
    }
    assert!(asked >= 1000, "{asked}");
    let known: Vec<&str> = whys.keys().map(String::as_str).collect();
    let wanted = [
        "cookie",
        "forced",
        "key",
        "learned",
        "moved:down",
        "moved:draining",
        "moved:expired",
        "moved:rebooted",
        "moved:tampered",
        "moved:unknown-route",
        "new",
        "none",
        "none 503",
        "route",
    ];
    assert_eq!(known, wanted, "{whys:?}");
}

fn replay(form: &Form, whys: &mut BTreeMap<String, usize>) -> usize {
    let nodes = (form.nodes)(4);
    let conf = Conf::over(&nodes).cluster("slow-start = \"0s\"");
    let (more, each) = form
        .cluster
        .split_once("max-sessions")
        .map_or((form.cluster, String::new()), |(_, most)| ("", most.to_owned()));
    let conf = if form.affinity.is_empty() { conf } else { conf.affinity(form.affinity) };
    let conf = nodes
        .iter()
        .filter(|_| !each.is_empty())
        .fold(conf, |conf, node| conf.with(node, &format!("max-sessions{each}")));
    let fleet = Fleet::with(telling(conf.cluster(more)));
    let window = &fleet.window;
    window.all_ready();
    if form.reboots {
        nodes.iter().for_each(|node| drop(fleet.beat(node, json!({"boot": "monday"}))));
    }
    let bypass = window.homing(&["bypass", "app/n1", "--json"]).json()["value"].as_str().unwrap().to_owned();
    let addr = window.proxy.addr;
    let mut users: Vec<Client> = (0..USERS).map(|user| Client::from(source(user), addr)).collect();
    users.iter_mut().for_each(|user| user.jar = Some(BTreeMap::new()));
    let mut asker = window.client();
    let mut decided = Vec::new();
    for click in 0..CLICKS {
        match click {
            3 if form.reboots => fleet.restarts(&nodes[1], "monday", "tuesday"),
            4 => assert_eq!(window.homing(&["disable", "app/n1"]).code, 0),
            7 => {
                nodes[2].kill();
                window.node_is("n3", "down");
            }
            _ => {}
        }
        for (user, client) in users.iter_mut().enumerate() {
            if (user == 0 && click == 2) || (user == 1 && click == 8) {
                client.jar.iter_mut().flatten().for_each(|(_, value)| *value = form.broken.into());
            }
            // one is let past everything, for a click
            match (user, click) {
                (2, 6) => {
                    drop(client.jar.get_or_insert_default().insert("homing-bypass".into(), bypass.clone()))
                }
                (2, 7) => drop(client.jar.get_or_insert_default().remove("homing-bypass")),
                _ => {}
            }
            let path = (form.path)(client, user);
            let name = format!("user-{user}");
            let headers = [("X-User", &*name)];
            let source = std::net::Ipv4Addr::from(source(user)).to_string();
            let foretold = foretell(
                window,
                &mut asker,
                client,
                &Sent { path: &path, headers: &headers, source: Some(&source) },
            );
            let answer = client.get_with(&path, &headers);
            let (told, id) = Decision::told(&answer);
            let at = format!("{} {} user {user} click {click}", form.affinity, form.cluster);
            assert_eq!(Decision::of(&foretold), told, "{at}: {foretold}");
            let refused = if answer.status == 503 { " 503" } else { "" };
            *whys.entry(format!("{}{refused}", told.why)).or_default() += 1;
            decided.push((id, told, at));
        }
    }
    let lines = window.proxy.access_of("/", decided.len());
    for (id, told, at) in &decided {
        let line =
            lines.iter().find(|line| line["id"] == **id).unwrap_or_else(|| panic!("{at}: no line of {id}"));
        let recalled = recall(&mut asker, id);
        assert_eq!((&Decision::of(line), &Decision::of(&recalled)), (told, told), "{at}: {recalled}");
        assert_eq!(recalled["request"]["status"], line["status"], "{at}");
    }
    decided.len()
}

fn source(user: usize) -> [u8; 4] {
    [127, 0, 1, user as u8 + 1]
}

#[test]
fn asking_changes_nothing() {
    let nodes = Origin::several(3);
    let window = Window::with(
        Conf::over(&nodes)
            .affinity(r#"{ cookie = "HOMING" }"#)
            .cluster("balance = \"round-robin\"\nslow-start = \"0s\""),
    );
    window.all_ready();
    let mut asker = window.client();
    let mut given = Vec::new();
    for _ in 0..6 {
        let mut client = Client::with_jar(window.proxy.addr);
        let sent = Sent { path: "/", ..Sent::default() };
        let foretold: Vec<_> =
            (0..5).map(|_| foretell(&window, &mut asker, &client, &sent)["node"].clone()).collect();
        let node = client.get("/").node().to_owned();
        assert!(foretold.iter().all(|foretold| *foretold == *node), "{foretold:?}, {node}");
        given.push(node);
    }
    assert!(
        given[..3].iter().collect::<std::collections::BTreeSet<_>>().len() == 3 && given[..3] == given[3..],
        "{given:?}"
    );
    assert_eq!(window.status()["clusters"][0]["sessions"], 6);
}

#[test]
fn what_comes_through_a_trusted_proxy_is_foretold_as_it_is_decided() {
    let nodes = Origin::several(4);
    let other = "[[rule]]\ncluster = \"other\"\n[cluster.other]\naffinity = { key = \"source\", remember = false }\n[cluster.other.nodes]";
    let others: String =
        nodes[1..].iter().map(|node| format!("\n{} = {:?}", node.name(), node.url())).collect();
    let conf = Conf::over(&nodes[..1]).rule("source = \"10.9.0.0/16\"").more(&format!("{other}{others}"));
    let conf = conf.listener("trusted-proxies = [\"127.0.0.8/31\"]\nwhy-header = [\"0.0.0.0/0\"]");
    let window = Window::with(conf);
    window.all_ready();
    let mut asker = window.client();
    for (source, rules) in [([127, 0, 0, 8], [1, 2]), ([127, 0, 0, 20], [2, 2])] {
        let peer = std::net::Ipv4Addr::from(source).to_string();
        let mut client = Client::from(source, window.proxy.addr);
        for (net, rule) in [9, 8].iter().zip(rules) {
            for at in 0..12 {
                let behind = format!("10.{net}.0.{at}, 127.0.0.9");
                let headers = [("X-Forwarded-For", &*behind)];
                let foretold = foretell(
                    &window,
                    &mut asker,
                    &client,
                    &Sent { path: "/x", headers: &headers, source: Some(&peer) },
                );
                let (told, _) = Decision::told(&client.get_with("/x", &headers));
                assert_eq!(
                    (Decision::of(&foretold), &foretold["rule"]),
                    (told, &rule.into()),
                    "{peer} for {behind}: {foretold}"
                );
            }
        }
    }
}
