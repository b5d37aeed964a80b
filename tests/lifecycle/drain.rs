//! Draining: no new clients, those that are there go on, and it ends.

use crate::support::{Client, Conf, DEADLINE, Origin, Sessions, until};
use crate::window::{Window, homing};

const COOKIE: &str = r#"{ cookie = "HOMING" }"#;

/// A client on each of these nodes.
fn one_on_each(window: &Window, nodes: &[Origin]) -> Vec<Client> {
    let on = |node: &Origin| loop {
        let mut client = Client::with_jar(window.proxy.addr);
        if client.get("/").node() == node.name() {
            assert_eq!(client.get("/").node(), node.name());
            return client;
        }
    };
    nodes.iter().map(on).collect()
}

/// New clients that come to a node, of so many.
fn new_clients(window: &Window, node: &str, count: usize) -> usize {
    (0..count).filter(|_| Client::new(window.proxy.addr).get("/").node() == node).count()
}

/// Waits until the log has a line with this in it.
fn logged(window: &Window, text: &str) {
    let line = window.proxy.log.wait(0, DEADLINE, |line| line.contains(text));
    assert!(line.is_some(), "no {text:?} in\n{}", window.proxy.log.all().join("\n"));
}

#[test]
fn c3_a_drain_keeps_who_is_there_and_takes_nobody_until_nobody_is_left() {
    let nodes = Origin::several(2);
    let window = Window::with(Conf::over(&nodes).affinity(COOKIE).cluster("session-idle = \"2s\""));
    window.all_ready();
    let mut clients = one_on_each(&window, &nodes);
    assert_eq!(window.homing(&["drain", "app/n1"]).code, 0);
    let draining = window.node_is("n1", "draining");
    assert!(draining["why"].as_str().unwrap().contains("the operator drains it"), "{draining}");
    logged(&window, "app/n1 changed by operator");
    assert_eq!(clients[0].get("/").node(), "n1", "who is there goes on");
    assert_eq!(new_clients(&window, "n1", 20), 0);
    // nobody ends the session: it falls idle
    let said = window.homing(&["drain", "app/n1", "--wait"]);
    assert!(said.code == 0 && said.out.contains("safe to stop it"), "{said:?}");
    window.node_is("n1", "drained");
    logged(&window, "node n1 is drained");
}

#[test]
fn c3_at_its_deadline_a_drain_moves_who_is_left_also_under_strict() {
    let nodes = Origin::several(2);
    let window = Window::with(Conf::over(&nodes).affinity(COOKIE).cluster("failover = \"strict\""));
    window.all_ready();
    let mut clients = one_on_each(&window, &nodes);
    let said = window.homing(&["drain", "app/n1", "--wait", "--deadline", "2s", "--then", "move"]);
    assert_eq!(said.code, 3, "{said:?}");
    window.node_is("n1", "drained");
    logged(&window, "the deadline of its drain has passed");
    assert_eq!(clients[0].get("/left").node(), "n2");
    assert_eq!(window.proxy.why("/left"), "moved:draining");
    assert_eq!(clients[0].get("/again").node(), "n2");
    assert_eq!(window.proxy.why("/again"), "cookie");
    assert_eq!(clients[1].get("/").node(), "n2");
}

#[test]
fn c3_a_drain_that_keeps_goes_on_after_its_deadline() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let mut clients = one_on_each(&window, &nodes);
    let said = window.homing(&["drain", "app/n1", "--wait", "--deadline", "1s"]);
    assert!(said.code == 3 && said.err.contains("1 session left"), "{said:?}");
    logged(&window, "the deadline of its drain has passed");
    window.node_is("n1", "draining");
    assert_eq!(clients[0].get("/").node(), "n1");
    assert_eq!(new_clients(&window, "n1", 10), 0);
}

#[test]
fn a_drain_that_is_waited_for_goes_by_the_deadline_that_another_operator_gave_it() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let mut clients = one_on_each(&window, &nodes);
    std::thread::scope(|both| {
        let first = both
            .spawn(|| window.homing(&["drain", "app/n1", "--wait", "--deadline", "30s", "--then", "move"]));
        window.node_is("n1", "draining");
        let second = window.homing(&["drain", "app/n1", "--deadline", "2s"]);
        assert!(
            second.code == 0
                && second.out.starts_with("cluster app: n1.deadline ")
                && second.out.ends_with("→2 s\n"),
            "{second:?}"
        );
        let first = first.join().unwrap();
        assert!(first.code == 3 && first.err.contains("n1 still had 1 session: moved"), "{first:?}");
    });
    let node = window.node_is("n1", "drained");
    assert_eq!(
        (&node["then"], &node["over"]),
        (&"move".into(), &true.into()),
        "what was not said again stays: {node}"
    );
    assert_eq!(clients[0].get("/").node(), "n2");
    let again = window.homing(&["drain", "app/n1", "--wait"]);
    assert!(
        again.code == 3 && again.out == "nothing changed: it was so already\n",
        "a drain that has moved its sessions is over: {again:?}"
    );
}

#[test]
fn a_drain_that_was_empty_before_its_deadline_has_moved_nobody() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    assert_eq!(window.homing(&["drain", "app/n1", "--deadline", "1s", "--then", "move"]).code, 0);
    logged(&window, "the deadline of its drain has passed, nobody was left");
    let node = until("its drain is over", || {
        Some(window.node_is("n1", "drained")).filter(|node| node["over"] == true)
    });
    assert_eq!(node["left"], 0, "{node}");
    let said = window.homing(&["drain", "app/n1", "--wait"]);
    assert!(said.code == 0 && said.out.contains("safe to stop it"), "{said:?}");
}

#[test]
fn whoever_waits_for_a_drain_outlives_a_restart_of_the_proxy() {
    let nodes = Origin::several(2);
    let mut window = Window::over(&nodes);
    window.all_ready();
    let _clients = one_on_each(&window, &nodes);
    let admin = format!("http://{}", window.admin);
    let waits = std::thread::spawn(move || {
        let verb = ["drain", "app/n1", "--wait", "--deadline", "4s", "--then", "move", "--admin", &admin];
        homing(std::path::Path::new("."), &verb, &[])
    });
    window.node_is("n1", "draining");
    window.proxy.signal("TERM");
    window.proxy.exit(DEADLINE);
    std::thread::sleep(std::time::Duration::from_secs(1));
    window.start_again();
    let said = waits.join().unwrap();
    assert!(said.code == 3 && said.err.contains("moved"), "{said:?}");
}

#[test]
fn a_drain_that_moves_waits_for_no_request_beyond_its_deadline() {
    let nodes = Origin::several(2);
    let window = Window::with(Conf::over(&nodes));
    window.all_ready();
    let addr = window.proxy.addr;
    let long = || std::thread::spawn(move || drop(Client::new(addr).send("GET", "/slow?ms=12000", &[], b"")));
    let requests: Vec<_> = (0..2).map(|_| long()).collect();
    until("each node has one of them", || {
        nodes.iter().all(|node| node.seen().iter().any(|seen| seen.head.line.contains("/slow"))).then_some(())
    });
    let said = window.homing(&["drain", "app/n1", "--wait", "--deadline", "1s", "--then", "move"]);
    assert!(
        said.code == 3
            && said.err.contains("n1 still had 0 sessions, 1 request: moved; 1 request still open"),
        "{said:?}"
    );
    assert!(requests.iter().all(|request| !request.is_finished()), "it was not waited for");
    let node = window.node_is("n1", "draining");
    assert_eq!((&node["over"], &node["in_flight"]), (&true.into(), &1.into()), "{node}");
}

#[test]
fn a_drain_asked_for_again_keeps_the_deadline_that_is_on_until_it_is_lifted() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let _clients = one_on_each(&window, &nodes);
    let drain = |more: &[&str]| window.homing(&[&["drain", "app/n1"], more].concat()).out;
    assert_eq!(drain(&["--deadline", "1h", "--then", "move"]), "cluster app: n1.state enabled→draining\n");
    let on = window.node_is("n1", "draining");
    assert!(on["deadline"].is_string() && on["then"] == "move" && on["over"] == false, "{on}");
    assert_eq!(drain(&[]), "nothing changed: it was so already\n");
    let still = window.node_is("n1", "draining");
    assert_eq!((&still["deadline"], &still["then"]), (&on["deadline"], &on["then"]));
    assert_eq!(drain(&["--then", "keep"]), "cluster app: n1.then move→keep\n");
    let lifted = drain(&["--deadline", "off"]);
    assert!(
        ["1 h", "59 min"].map(|left| format!("cluster app: n1.deadline {left}→unset\n")).contains(&lifted),
        "{lifted}"
    );
    let node = window.node_is("n1", "draining");
    assert!(node["deadline"].is_null() && node["over"] == false, "{node}");
    assert_eq!(node["then"], "keep", "it stands without a deadline too: {node}");
}

#[test]
fn c3_a_deadline_that_passes_while_nobody_runs_is_kept_at_the_next_start() {
    let nodes = Origin::several(2);
    let mut window = Window::over(&nodes);
    window.all_ready();
    let mut clients = one_on_each(&window, &nodes);
    assert_eq!(window.homing(&["drain", "app/n1", "--deadline", "1s", "--then", "move"]).code, 0);
    let passes = std::time::Instant::now() + std::time::Duration::from_millis(1100);
    window.proxy.signal("KILL");
    window.proxy.exit(DEADLINE);
    until("the deadline passes", || (std::time::Instant::now() > passes).then_some(()));
    window.start_again();
    // a node without requests since the start may be called drained before that
    until("its drain is over", || (window.node_is("n1", "drained")["over"] == true).then_some(()));
    clients[0].hang_up();
    assert_eq!(clients[0].get("/").node(), "n2");
}

#[test]
fn c3_the_timeline_of_a_drain_with_a_notice_an_idle_user_and_an_operator() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes).affinity(COOKIE).cluster("tell-state = true\nsession-idle = \"3s\"");
    let window = Window::with(conf);
    window.all_ready();
    let mut active = one_on_each(&window, &nodes[..1]).remove(0);
    let _idle = one_on_each(&window, &nodes[..1]);
    let bypass = window.homing(&["bypass", "app/n1"]).out.lines().next().unwrap().to_owned();
    let operator = |path: &str| {
        Client::new(window.proxy.addr).get_with(path, &[("Homing-Bypass", &bypass)]).node().to_owned()
    };
    assert_eq!(active.get("/headers").seen("homing-state"), ["ready"]);
    let left = || window.get("/api/clusters/app/nodes/n1").json()["sessions"].as_u64().unwrap();
    assert_eq!(left(), 2);
    assert_eq!(window.homing(&["drain", "app/n1", "--deadline", "15s", "--then", "move"]).code, 0);
    // no new ones, and the application can tell its users
    assert_eq!(
        (active.get("/headers").seen("homing-state"), new_clients(&window, "n1", 10)),
        (vec!["draining".to_owned()], 0)
    );
    assert!(!window.node_is("n1", "draining")["deadline"].is_null());
    // who is idle is not waited for, who is active is
    until("the idle session is over", || {
        assert_eq!(active.get("/").node(), "n1");
        (left() == 1).then_some(())
    });
    assert_eq!(operator("/before"), "n1");
    // the end: who is left moves, the operator does not
    until("the deadline passes", || (active.get("/").node() == "n2").then_some(()));
    assert_eq!(window.node_is("n1", "drained")["sessions"], 0);
    assert_eq!((operator("/after").as_str(), window.proxy.why("/after").as_str()), ("n1", "forced"));
    assert_eq!(window.status()["clusters"][0]["traffic"]["moved"]["draining"], 1, "one session moved, once");
}

#[test]
fn c9_accepting_clients_again_undoes_a_drain_at_any_stage() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let mut clients = one_on_each(&window, &nodes);
    for (how, state) in [
        (&["drain", "app/n1"][..], "draining"),
        (&["drain", "app/n1", "--deadline", "1s", "--then", "move"], "drained"),
    ] {
        assert_eq!(window.homing(how).code, 0);
        window.node_is("n1", state);
        assert_eq!(window.homing(&["enable", "app/n1"]).code, 0);
        window.node_is("n1", "ready");
        assert!(new_clients(&window, "n1", 20) > 0, "after {state}");
        assert_eq!(clients[0].get("/").node(), "n1", "whose session was not moved stays");
    }
}

#[test]
fn c6_limits_change_at_run_time_and_break_nobody() {
    let nodes = Origin::several(2);
    let window = Window::over(&nodes);
    window.all_ready();
    let mut first = one_on_each(&window, &nodes[..1]).remove(0);
    assert_eq!(window.homing(&["set", "app/n1", "max-sessions=1"]).code, 0);
    window.node_is("n1", "full");
    assert_eq!(new_clients(&window, "n1", 10), 0, "the second goes elsewhere");
    assert_eq!(first.get("/").node(), "n1", "the first is not touched");
}

#[test]
fn a_stale_bookmark_at_a_draining_node_is_taken_elsewhere_in_the_same_request() {
    for (affinity, route) in [(COOKIE, false), (r#"{ route = "JSESSIONID" }"#, true)] {
        let nodes = Origin::tomcats(2);
        let window = Window::with(Conf::over(&nodes).affinity(affinity).cluster("session-idle = \"1s\""));
        window.all_ready();
        let mut clients = one_on_each(&window, &nodes);
        let (alive, stale) = clients.split_at_mut(1);
        let (alive, stale) = (&mut alive[0], &mut stale[0]);
        assert_eq!(window.homing(&["drain", "app/n2"]).code, 0);
        window.node_is("n2", "drained"); // the ledger has forgotten all of them
        assert_eq!(
            stale.get("/kept").node(),
            "n2",
            "the application knows its session, so it is kept: {affinity}"
        );
        nodes[1].state.visits.lock().unwrap().clear();
        window.node_is("n2", "draining");
        assert_eq!(stale.get("/young").node(), "n2", "seen a moment ago: an id that changes is a sign-in");
        nodes[1].state.visits.lock().unwrap().clear();
        window.node_is("n2", "drained");
        let answer = stale.get("/dead");
        assert_eq!(answer.node(), "n1", "{affinity}");
        assert_eq!(window.proxy.why("/dead"), "new");
        assert_eq!(stale.get("/then").node(), "n1");
        assert_eq!(window.proxy.why("/then"), if route { "route" } else { "cookie" });
        // a node that is not draining keeps even those that it does not know
        nodes[0].state.visits.lock().unwrap().clear();
        assert_eq!(window.homing(&["enable", "app/n2"]).code, 0);
        assert_eq!(alive.get("/").node(), "n1", "{affinity}");
    }
}

#[test]
fn a_dead_session_is_not_sent_twice_when_it_could_do_harm() {
    let nodes = Origin::tomcats(2);
    let window = Window::with(Conf::over(&nodes).affinity(COOKIE).cluster("session-idle = \"1s\""));
    window.all_ready();
    let mut stale = one_on_each(&window, &nodes[..1]).remove(0);
    assert_eq!(window.homing(&["drain", "app/n1"]).code, 0);
    window.node_is("n1", "drained");
    nodes[0].state.visits.lock().unwrap().clear();
    let answer = stale.send("POST", "/visit", &[("X-Test-Id", "once")], b"order=1").unwrap();
    assert_eq!((answer.node(), nodes[0].arrivals("once"), nodes[1].arrivals("once")), ("n1", 1, 0));
}

#[test]
fn d8_the_node_is_told_its_state_where_it_asks() {
    let nodes = vec![Origin::with("n1", Sessions::None), Origin::with("n2", Sessions::None)];
    let window = Window::with(Conf::over(&nodes).affinity(COOKIE).cluster("tell-state = true"));
    window.all_ready();
    let mut client = one_on_each(&window, &nodes[..1]).remove(0);
    assert_eq!(
        client.get_with("/headers", &[("Homing-State", "down")]).seen("homing-state"),
        ["ready"],
        "nobody else says so"
    );
    assert_eq!(window.homing(&["drain", "app/n1"]).code, 0);
    assert_eq!(client.get("/headers").seen("homing-state"), ["draining"]);
    assert!(window.proxy.reload_to(&window.conf.text().replace("tell-state = true", "")).applied());
    assert_eq!(client.get("/headers").seen("homing-state"), [""; 0]);
}

#[test]
fn b3_a_client_keeps_its_node_whatever_happens_to_the_others() {
    let nodes = Origin::several(4);
    let conf = Conf::over(&nodes[..2]).affinity(COOKIE);
    let window = Window::with(conf.clone());
    window.all_ready();
    let mut client = one_on_each(&window, &nodes[..1]).remove(0);
    let text = window.conf.text();
    for step in 0..10 {
        match step {
            2 => assert!(
                window
                    .proxy
                    .reload_to(&text.replace(
                        "[cluster.app.nodes]\n",
                        &format!("[cluster.app.nodes]\nn3 = \"{}\"\n", nodes[2].url())
                    ))
                    .applied()
            ),
            4 => assert_eq!(window.homing(&["set", "app/n1", "weight=1"]).code, 0),
            6 => {
                let two = format!(
                    "[cluster.app.nodes]\nn4 = \"{}\"\nn3 = \"{}\"\n",
                    nodes[3].url(),
                    nodes[2].url()
                );
                assert!(window.proxy.reload_to(&text.replace("[cluster.app.nodes]\n", &two)).applied());
            }
            8 => assert_eq!(window.homing(&["set", "app/n2", "weight=1000"]).code, 0),
            _ => {}
        }
        for _ in 0..1000 {
            assert_eq!(client.get("/").node(), "n1", "step {step}");
        }
    }
}

#[test]
fn d2_new_clients_spread_by_weight() {
    let nodes = Origin::several(3);
    let conf = Conf::over(&nodes).affinity(COOKIE).cluster("balance = \"round-robin\"");
    let conf = conf.with(&nodes[0], "weight = 1").with(&nodes[1], "weight = 2").with(&nodes[2], "weight = 5");
    let window = Window::with(conf);
    window.all_ready();
    // each on a connection of its own, as users are
    let before: Vec<usize> = nodes.iter().map(Origin::hits).collect();
    for _ in 0..4000 {
        let mut client = Client::new(window.proxy.addr);
        assert_eq!(client.get("/new").status, 200);
    }
    let hits: Vec<usize> = nodes
        .iter()
        .map(|node| node.seen().iter().filter(|seen| seen.head.line.contains("/new")).count())
        .collect();
    assert_eq!((before.len(), hits.iter().sum::<usize>()), (3, 4000));
    for (hits, weight) in hits.iter().zip([1.0, 2.0, 5.0]) {
        let share = *hits as f64 / 4000.0;
        assert!((share - weight / 8.0).abs() < 0.02, "{share} for {weight}");
    }
}
