//! Leaving: what is refused, what stays, and the operator's own way in.

use crate::support::{Client, Conf, Origin, until};
use crate::window::{Said, Window};

const COOKIE: &str = r#"{ cookie = "HOMING" }"#;

fn bypass(window: &Window, target: &str, more: &[&str]) -> String {
    let said = window.homing(&[&["bypass", target], more].concat());
    assert_eq!(said.code, 0, "{said:?}");
    said.out.lines().next().unwrap().to_owned()
}

fn forced(window: &Window, value: &str, path: &str) -> crate::support::client::Answer {
    Client::new(window.proxy.addr).get_with(path, &[("Homing-Bypass", value)])
}

fn refused(said: &Said, text: &str) {
    assert!(said.code == 1 && said.err.contains(text) && said.err.contains("--force"), "{said:?}");
}

/// A client on the node.
fn client_on(window: &Window, node: &str) -> Client {
    until("a client on the node", || {
        let mut client = Client::with_jar(window.proxy.addr);
        (client.get("/").node() == node && client.get("/").node() == node).then_some(client)
    })
}

#[test]
fn c1_c7_the_last_lb_is_not_taken_out_and_none_is_removed() {
    let nodes = Origin::several(4);
    let conf = Conf::over(&nodes)
        .affinity(COOKIE)
        .with(&nodes[0], "roles = [\"lb\"]")
        .with(&nodes[1], "roles = [\"lb\"]");
    let window = Window::with(conf);
    window.all_ready();
    for verb in ["drain", "disable"] {
        assert_eq!(window.homing(&[verb, "app/n1"]).code, 0, "there is a second one");
        refused(
            &window.homing(&[verb, "app/n2"]),
            "n2 is the last lb node of app: clients that ask for the list of nodes find nobody",
        );
        assert_eq!(window.homing(&["enable", "app/n1"]).code, 0);
    }
    let said = window.homing(&["remove", "app/n1", "--force"]);
    assert!(said.code == 1 && said.err.contains("has the role lb"), "{said:?}");
    assert_eq!(window.homing(&["disable", "app/n1"]).code, 0);
    assert_eq!(window.homing(&["drain", "app/n2", "--force"]).code, 0, "who insists may");
}

#[test]
fn c2_the_last_batch_node_is_not_taken_out() {
    let nodes = Origin::several(3);
    let conf = Conf::over(&nodes)
        .affinity(COOKIE)
        .with(&nodes[0], "roles = [\"batch\"]")
        .with(&nodes[1], "roles = [\"batch\"]");
    let window = Window::with(conf);
    window.all_ready();
    assert_eq!(window.homing(&["drain", "app/n1", "--deadline", "1s", "--then", "move"]).code, 0);
    window.node_is("n1", "drained");
    for verb in ["drain", "disable", "remove"] {
        refused(&window.homing(&[verb, "app/n2"]), "n2 is the last batch node of app: no batch job runs");
    }
    assert_eq!(window.homing(&["enable", "app/n1"]).code, 0);
    assert_eq!(window.homing(&["drain", "app/n2"]).code, 0);
}

#[test]
fn the_last_node_that_takes_sessions_is_not_taken_out() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    assert_eq!(window.homing(&["drain", "app/n1"]).code, 0);
    for how in [&["drain", "app/n2"][..], &["disable", "app/n2"], &["remove", "app/n2"]] {
        refused(&window.homing(how), "n2 is the last node of app that takes sessions");
    }
    let said = window.homing(&["set", "app/n2", "weight=0"]);
    assert!(said.code == 1 && said.err.contains("the last node"), "{said:?}");
    window.node_is("n2", "ready");
}

#[test]
fn c4_c10_a_bypass_reaches_a_node_whatever_its_state() {
    let nodes = Origin::several(3);
    let window = Window::over(&nodes);
    window.all_ready();
    let value = bypass(&window, "app/n1", &[]);
    for (verb, state) in
        [("drain", "drained"), ("disable", "maintenance"), ("remove", "removed"), ("accept", "ready")]
    {
        let said = window.homing(&[verb, "app/n1"]);
        assert_eq!(said.code, 0, "{said:?}");
        let node = window.node_is("n1", state);
        assert_eq!(node["sessions"], 0, "the operator is nobody's session");
        // each time anew, as after an operator has closed everything
        let answer = forced(&window, &value, &format!("/headers/{state}"));
        assert_eq!((answer.status, answer.node()), (200, "n1"), "{state}");
        assert!(answer.seen("homing-bypass").is_empty(), "hidden from the node");
        assert_eq!(answer.set_cookie("HOMING"), None, "it is no pin");
        assert_eq!(window.proxy.why(&format!("/headers/{state}")), "forced");
    }
    let mut user = client_on(&window, "n2");
    let pin = user.jar.clone();
    assert_eq!(user.get_with("/", &[("Homing-Bypass", &value)]).node(), "n1");
    assert_eq!((user.get("/").node(), user.jar == pin), ("n2", true), "his own session stays where it is");
    user = user.cookie("homing-bypass", &value);
    let answer = user.get("/headers");
    assert_eq!(answer.node(), "n1");
    assert!(answer.seen("cookie").iter().all(|line| !line.contains("bypass")), "{:?}", answer.seen("cookie"));
}

#[test]
fn c4_what_is_not_signed_or_too_old_is_ignored_and_counted() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    assert_eq!(window.homing(&["disable", "app/n1"]).code, 0);
    let short = bypass(&window, "app/n1", &["--for", "1s"]);
    let counted = |n: f64| {
        until("it is counted", || {
            (window.metric("homing_bypass_refused_total{cluster=\"app\"}") == n).then_some(())
        })
    };
    counted(0.0);
    let other = if short[9..].starts_with('_') { "-" } else { "_" };
    let forged = format!("{}{other}{}", &short[..9], &short[10..]);
    for (n, value) in ["n1", "", &format!("{short}A"), &forged].into_iter().enumerate() {
        let answer = forced(&window, value, "/headers");
        assert_eq!(answer.node(), "n2", "{value:?}");
        assert!(answer.seen("homing-bypass").is_empty());
        counted(n as f64 + 1.0);
    }
    until("it is too old", || (forced(&window, &short, "/").node() == "n2").then_some(()));
    for wrong in [
        &["bypass", "app/n9"][..],
        &["bypass", "app/n1", "--for", "48h"],
        &["bypass", "app/n1", "--for", "0s"],
    ] {
        assert_eq!(window.homing(wrong).code, 1, "{wrong:?}");
    }
}

#[test]
fn c10_a_node_that_is_down_is_tried_for_the_operator() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    // it is not up again as soon as it answers
    assert!(window.proxy.reload_to(&window.conf.text().replace("rise = 1,", "rise = 200,")).applied());
    let value = bypass(&window, "app/n1", &[]);
    nodes[0].kill();
    window.node_is("n1", "down");
    let answer = forced(&window, &value, "/");
    assert!(
        answer.status == 502 || answer.status == 503,
        "{}: nobody else answers in its place",
        answer.status
    );
    nodes[0].revive();
    assert_eq!(forced(&window, &value, "/").node(), "n1", "tried, whatever the checks say");
}

#[test]
fn c5_who_is_on_the_node_is_shown_and_holds_it() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let users = [client_on(&window, "n1"), client_on(&window, "n1")];
    let listed = window.get("/api/clusters/app/nodes/n1/sessions").json();
    assert_eq!(
        (listed["total"].as_u64(), listed["sessions"].as_array().map(Vec::len)),
        (Some(2), Some(2)),
        "{listed}"
    );
    let said = window.homing(&["sessions", "app/n1"]);
    let refusal = window.homing(&["remove", "app/n1"]);
    refused(&refusal, "n1 has 2 sessions");
    for session in listed["sessions"].as_array().unwrap() {
        let id = session["session"].as_str().unwrap();
        assert!(
            id.len() == 16 && said.out.contains(id) && refusal.err.contains(id),
            "{id}: {said:?} {refusal:?}"
        );
        assert!(
            session["begun"].as_str() <= session["seen"].as_str() && session["confirmed"] == true,
            "{session}"
        );
    }
    assert_eq!(window.homing(&["sessions", "app/n1", "--json"]).json()["total"], 2);
    assert!(window.homing(&["sessions", "app/n9"]).code == 1);
    drop(users);
}

#[test]
fn c5_an_operators_own_session_does_not_hold_it() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let mut operator =
        Client::with_jar(window.proxy.addr).cookie("homing-bypass", &bypass(&window, "app/n1", &[]));
    (0..3).for_each(|_| assert_eq!(operator.get("/").node(), "n1"));
    assert_eq!(window.homing(&["remove", "app/n1"]).code, 0);
}

#[test]
fn a6_c8_a_removed_node_stands_alone_and_comes_back_by_one_command() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    assert_eq!(window.homing(&["remove", "app/n1"]).code, 0);
    let node = window.node_is("n1", "removed");
    assert!(
        node["share"] == 0.0
            && node["rank"].is_null()
            && node["why"].as_str().unwrap().contains("stands alone"),
        "{node}"
    );
    assert_eq!(window.homing(&["set", "app/n1", "weight=1000"]).code, 0);
    for _ in 0..50 {
        assert_eq!(
            Client::new(window.proxy.addr).get("/").node(),
            "n2",
            "it is never balanced to, whatever its weight"
        );
    }
    let value = bypass(&window, "app/n1", &[]);
    assert_eq!(forced(&window, &value, "/").node(), "n1", "a request that names it gets there");
    // it outlives a restart
    let mut window = window;
    window.kill_and_start_again();
    window.node_is("n1", "removed");
    assert_eq!(forced(&window, &value, "/").node(), "n1");
    assert_eq!(window.homing(&["accept", "app/n1"]).code, 0);
    window.node_is("n1", "ready");
    client_on(&window, "n1");
}

#[test]
fn a_session_of_a_removed_node_is_placed_anew_also_under_strict() {
    let nodes = Origin::several(2);
    let window = Window::with(Conf::over(&nodes).affinity(COOKIE).cluster("failover = \"strict\""));
    window.all_ready();
    let mut client = client_on(&window, "n1");
    assert_eq!(window.homing(&["remove", "app/n1", "--force"]).code, 0);
    assert_eq!(client.get("/moved").node(), "n2");
    assert_eq!(window.proxy.why("/moved"), "moved:draining");
}
