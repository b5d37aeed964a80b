//! A node whose check fails, or whose slow pages time out, while it serves its users: they stay. One that
//! serves nobody: they go.

use crate::support::{Client, Conf, DEADLINE, Origin, until};
use crate::window::Window;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;

const COOKIE: &str = r#"{ cookie = "HOMING" }"#;

/// In front of these nodes, with these checks.
fn start(nodes: &[Origin], affinity: &str, health: &str) -> Window {
    let lines =
        format!("balance = \"round-robin\"\nslow-start = \"0s\"\nhealth = {{ path = \"/hz\", {health} }}");
    let window = Window::with(Conf::over(nodes).affinity(affinity).cluster(&lines));
    window.all_ready();
    window
}

/// A user, by whatever the affinity tells it.
pub struct User {
    client: Client,
    name: String,
    pub home: String,
}

impl User {
    fn new(window: &Window, name: usize) -> Self {
        let mut user = Self {
            client: Client::with_jar(window.proxy.addr),
            name: format!("u{name}"),
            home: String::new(),
        };
        user.home = user.click("/first").1;
        user
    }

    /// One that is on this node.
    pub fn on(window: &Window, node: &str) -> Self {
        (0..100)
            .map(|n| Self::new(window, n))
            .find(|user| user.home == node)
            .expect("round-robin comes to each")
    }

    /// Another tab of the same browser.
    pub fn another(&self, window: &Window) -> Self {
        let mut client = Client::new(window.proxy.addr);
        client.jar = self.client.jar.clone();
        Self { client, name: self.name.clone(), home: self.home.clone() }
    }

    /// Status and node.
    pub fn click(&mut self, path: &str) -> (u16, String) {
        let answer = self.client.get_with(path, &[("X-User", &self.name), ("User-Agent", &self.name)]);
        (answer.status, answer.node().to_owned())
    }
}

/// Somebody who clicks all the time.
pub struct Clicker(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Clicker {
    pub fn start(mut user: User) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let clicks = move || {
            while !stopped.load(SeqCst) {
                user.click("/busy");
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        };
        Self(stop, Some(std::thread::spawn(clicks)))
    }
}

impl Drop for Clicker {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
        let _ = self.1.take().expect("it is stopped once").join();
    }
}

pub fn moved(window: &Window) -> usize {
    let causes = &window.status()["clusters"][0]["traffic"]["whys"];
    causes.as_object().unwrap().iter().filter(|(why, _)| why.starts_with("moved")).count()
}

/// What all nodes need fails for a while: every check with it, one after the other, and they recover one
/// after the other.
fn a_common_cause_moves_nobody(nodes: &[Origin], affinity: &str) {
    let window = start(nodes, affinity, r#"interval = "200ms", rise = 2, fall = 3"#);
    let mut users: Vec<User> = (0..24).map(|n| User::new(&window, n)).collect();
    let mut all_click = |when: &str| {
        for user in &mut users {
            assert_eq!(user.click("/click"), (200, user.home.clone()), "{affinity}: {when}");
        }
    };
    nodes.iter().for_each(|node| node.check_says(500));
    until("one is down", || (window.status()["clusters"][0]["serving"] != nodes.len()).then_some(()));
    all_click("as they fall");
    nodes.iter().for_each(|node| drop(window.node_is(node.name(), "down")));
    all_click("while all are down");
    nodes[0].check_says(200);
    window.node_is("n1", "ready");
    all_click("when the first is back");
    nodes.iter().for_each(|node| node.check_says(200));
    window.all_ready();
    all_click("when all are");
    assert_eq!(moved(&window), 0, "{affinity}");
    window.proxy.log.says("nodes began to fail at the same time: pinned sessions stay where they are");
}

#[test]
fn a_common_cause_moves_nobody_with_a_sealed_cookie() {
    a_common_cause_moves_nobody(&Origin::several(4), COOKIE);
}

#[test]
fn a_common_cause_moves_nobody_with_a_readable_cookie() {
    a_common_cause_moves_nobody(&Origin::several(4), r#"{ cookie = "SRV", value = "route" }"#);
}

#[test]
fn a_common_cause_moves_nobody_with_a_jvm_route() {
    a_common_cause_moves_nobody(&Origin::tomcats(4), r#"{ route = "JSESSIONID" }"#);
}

#[test]
fn a_common_cause_moves_nobody_with_a_learned_id() {
    a_common_cause_moves_nobody(&Origin::phps(4), r#"{ learn = "PHPSESSID" }"#);
}

#[test]
fn a_common_cause_moves_nobody_with_a_key() {
    a_common_cause_moves_nobody(&Origin::several(4), r#"{ key = "header:X-User" }"#);
    a_common_cause_moves_nobody(&Origin::several(4), r#"{ key = "header:X-User", remember = true }"#);
}

#[test]
fn a_node_whose_check_alone_fails_keeps_its_users_while_it_answers_any_of_them() {
    let nodes = Origin::several(3);
    let window = start(&nodes, COOKIE, r#"interval = "3s", rise = 2, fall = 1"#);
    let mut rare = User::on(&window, "n2");
    let busy = Clicker::start(User::on(&window, "n2"));
    nodes[1].check_says(500);
    let node = window.node_is("n2", "down");
    let why = node["why"].as_str().unwrap();
    assert!(why.starts_with("status 500 (1 check failed), but it answered a client "), "{why}");
    assert!(why.contains(": keeps its ") && why.contains(" pinned session"), "{why}");
    assert!(
        window
            .proxy
            .log
            .wait(0, DEADLINE, |line| line.contains("node n2 is down: ") && line.contains("keeps its "))
            .is_some()
    );
    assert_eq!(rare.click("/rare"), (200, "n2".into()));
    assert!((0..20).all(|_| Client::new(window.proxy.addr).get("/new").node() != "n2"), "new ones avoid it");
    let pin = format!("HOMING={}", rare.client.jar.as_ref().unwrap()["HOMING"]);
    let said = window.homing(&["explain", "--url", "http://app.test/", "--cookie", &pin]);
    assert!(said.out.contains("n2") && said.out.contains("it answered a client"), "{said:?}");
    // nobody sees it alive any more
    drop(busy);
    until("nobody speaks for it", || {
        (!window.node_is("n2", "down")["why"].as_str().unwrap().contains("keeps")).then_some(())
    });
    assert_ne!(rare.click("/late").1, "n2");
    assert_eq!(window.proxy.why("/late"), "moved:down");
}

#[test]
fn where_the_check_decides_a_node_that_is_down_loses_its_users_at_once() {
    let nodes = Origin::several(3);
    let window = start(&nodes, COOKIE, r#"interval = "200ms", fall = 2, pinned = "check""#);
    let mut rare = User::on(&window, "n2");
    let _busy = Clicker::start(User::on(&window, "n1"));
    nodes[1].check_says(500);
    let node = window.node_is("n2", "down");
    assert!(!node["why"].as_str().unwrap().contains("keeps"), "{node}");
    assert_ne!(rare.click("/moved").1, "n2");
    assert_eq!(window.proxy.why("/moved"), "moved:down");
}

#[test]
fn a_node_that_hangs_and_fails_its_checks_loses_its_users() {
    let nodes = Origin::several(3);
    let window = start(&nodes, COOKIE, r#"interval = "200ms", timeout = "300ms", fall = 2"#);
    let mut user = User::on(&window, "n2");
    nodes[1].stall();
    until("nobody speaks for it", || {
        (!window.node_is("n2", "down")["why"].as_str().unwrap().contains("keeps")).then_some(())
    });
    assert_ne!(user.click("/moved").1, "n2");
    assert_eq!(window.proxy.why("/moved"), "moved:down");
    nodes[1].resume();
}

#[test]
fn a_node_that_is_killed_loses_its_users_though_it_answered_a_moment_ago() {
    let nodes = Origin::several(3);
    let window = start(&nodes, COOKIE, r#"interval = "1h""#);
    let mut user = User::on(&window, "n2");
    let _busy = Clicker::start(User::on(&window, "n1"));
    assert_eq!(user.click("/here").1, "n2");
    nodes[1].kill();
    assert_ne!(user.click("/moved"), (200, "n2".into()));
    assert_eq!(window.proxy.why("/moved"), "moved:down");
}

#[test]
fn a_check_that_asks_for_a_drain_is_obeyed_at_once() {
    for pinned in ["traffic", "check"] {
        let nodes = Origin::several(2);
        let window = start(
            &nodes,
            COOKIE,
            &format!("interval = \"200ms\", fall = 250, draining = \"404\", pinned = \"{pinned}\""),
        );
        let mut user = User::on(&window, "n2");
        nodes[1].check_says(404);
        let node = window.node_is("n2", "draining");
        assert!(node["why"].as_str().unwrap().starts_with("its check asks for it: "), "{node}");
        assert_eq!(user.click("/stays").1, "n2");
        assert!((0..10).all(|_| Client::new(window.proxy.addr).get("/new").node() == "n1"));
        nodes[1].check_says(200);
        window.all_ready();
    }
}

/// All at once, to a page that takes longer than the proxy waits.
fn all_wait_in_vain(window: &Window, user: &User) {
    let ask = || {
        let mut client = Client::new(window.proxy.addr);
        client.jar = user.client.jar.clone();
        std::thread::spawn(move || client.get("/slow?ms=9000").status)
    };
    let asked: Vec<_> = (0..20).map(|_| ask()).collect();
    asked.into_iter().for_each(|asked| assert_eq!(asked.join().unwrap(), 504));
}

#[test]
fn one_client_with_a_slow_page_sets_no_node_aside_that_answers_others_or_its_check() {
    for busy in [true, false] {
        let nodes = Origin::several(2);
        // where nobody else clicks, its check speaks for it
        let health = if busy {
            "kind = \"off\", interval = \"5s\""
        } else {
            "path = \"/hz\", interval = \"200ms\", timeout = \"5s\""
        };
        let lines = "timeouts = { response = \"2s\" }\nretries = 0";
        let health = format!("health = {{ {health} }}");
        let window = Window::with(
            Conf::over(&nodes)
                .affinity(COOKIE)
                .cluster("balance = \"round-robin\"")
                .cluster(lines)
                .cluster(&health),
        );
        window.all_ready();
        let mut users: Vec<User> = (0..8).map(|n| User::new(&window, n)).collect();
        let clicker = busy.then(|| Clicker::start(User::on(&window, "n2")));
        all_wait_in_vain(&window, &User::on(&window, "n2"));
        for user in &mut users {
            assert_eq!(user.click("/after").1, user.home);
        }
        drop(clicker);
        let log = window.proxy.log.all().join("\n");
        assert!(!log.contains("set aside"), "{log}");
    }
}

#[test]
fn a_node_that_only_lets_wait_takes_nobody_new_and_keeps_its_users_while_its_check_passes() {
    let nodes = Origin::several(2);
    // a connection opens: that is a check which passes, and no answer
    let lines = "health = { interval = \"200ms\" }\ntimeouts = { response = \"2s\" }\npassive = { eject = \"60s\" }\nretries = 0";
    let window =
        Window::with(Conf::over(&nodes).affinity(COOKIE).cluster("balance = \"round-robin\"").cluster(lines));
    window.all_ready();
    let mut user = User::on(&window, "n2");
    let _busy = Clicker::start(User::on(&window, "n1"));
    until("its last answer is an interval ago", || {
        all_wait_in_vain(&window, &user);
        window
            .proxy
            .log
            .all()
            .iter()
            .any(|line| line.contains("node n2 is set aside after 3 failures"))
            .then_some(())
    });
    let node = window.node_is("n2", "down");
    assert!(node["why"].as_str().unwrap().contains("but its check passes: keeps its "), "{node}");
    assert!((0..10).all(|_| Client::new(window.proxy.addr).get("/new").node() == "n1"));
    assert_eq!(user.click("/stays"), (200, "n2".into()));
}

#[test]
fn a_node_that_is_held_down_after_flaps_keeps_its_users_and_is_heard_while_its_check_passes() {
    for pinned in ["traffic", "check"] {
        let nodes = Origin::several(3);
        let health =
            format!("interval = \"50ms\", rise = 1, fall = 1, draining = \"404\", pinned = \"{pinned}\"");
        let window = start(&nodes, COOKIE, &health);
        let mut users: Vec<User> = (0..9).map(|n| User::new(&window, n)).collect();
        for _ in 0..3 {
            nodes[1].check_says(500);
            window.node_is("n2", "down");
            nodes[1].check_says(200);
            window.node_is("n2", "ready");
        }
        nodes[1].check_says(500);
        window.node_is("n2", "down");
        nodes[1].check_says(200);
        until("its check passes", || {
            window.node_is("n2", "down")["why"]
                .as_str()
                .unwrap()
                .contains("check passes: keeps its ")
                .then_some(())
        });
        assert!(users.iter_mut().all(|user| user.click("/held") == (200, user.home.clone())), "{pinned}");
        assert!(
            (0..9).all(|_| Client::new(window.proxy.addr).get("/new").node() != "n2"),
            "new ones avoid it"
        );
        nodes[1].check_says(404);
        window.node_is("n2", "draining");
        assert_eq!(moved(&window), 0, "{pinned}");
    }
}

#[test]
fn a_proxy_that_is_killed_while_a_common_cause_fails_the_checks_moves_nobody() {
    let nodes = Origin::several(3);
    let mut window = start(&nodes, COOKIE, r#"interval = "200ms", rise = 2, fall = 3"#);
    let mut users: Vec<User> = (0..9).map(|n| User::new(&window, n)).collect();
    nodes.iter().for_each(|node| node.check_says(500));
    nodes.iter().for_each(|node| drop(window.node_is(node.name(), "down")));
    window.kill_and_start_again();
    users.iter_mut().for_each(|user| {
        let jar = user.client.jar.take();
        user.client = Client::new(window.proxy.addr);
        user.client.jar = jar;
    });
    nodes.iter().for_each(|node| drop(window.node_is(node.name(), "down")));
    nodes[0].check_says(200);
    window.node_is("n1", "ready");
    assert!(users.iter_mut().all(|user| user.click("/back") == (200, user.home.clone())));
    nodes.iter().for_each(|node| node.check_says(200));
    window.all_ready();
    assert_eq!(moved(&window), 0);
}
