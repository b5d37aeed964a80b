//! Plain stateful applications: Express with its memory store, PHP with its session files.

use crate::programs::{Running, have, have_node, node_folder};
use crate::support::{Client, Conf, Origin, Proxy, free_addr};
use std::net::SocketAddr;
use std::process::Command;

/// Every user's visits count up, so every request found its session.
fn everyone_counts(proxy: &Proxy, why: &str) {
    for user in 0..30 {
        let mut client = Client::with_jar(proxy.addr);
        for visit in 1..=20u64 {
            let answer = client.get("/");
            assert_eq!(answer.text().trim(), visit.to_string(), "user {user}");
        }
    }
    let lines = proxy.access_of("/", 600);
    assert_eq!(lines.iter().filter(|l| l["why"] == why).count(), 30 * 19);
}

#[test]
fn express_sessions_are_learned() {
    if !have_node() {
        return;
    }
    let nodes: Vec<Running> =
        (0..2).map(|_| Running::start(Command::new("node").arg(node_folder().join("counter.js")))).collect();
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(r#"{ learn = "connect.sid" }"#);
    let conf = nodes.iter().enumerate().fold(conf, |conf, (i, node)| {
        conf.node(&format!("n{i}"), &format!("\"http://{}\"", node.first_line()))
    });
    everyone_counts(&Proxy::start(&conf.text()), "learned");
}

/// Two PHP servers with a counter for each session; the node says its name.
struct Php {
    nodes: Vec<SocketAddr>,
    _running: Vec<(Running, tempfile::TempDir)>,
}

impl Php {
    fn start(page: &str) -> Self {
        let (mut nodes, mut running) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (addr, folder) = (free_addr(), tempfile::tempdir().expect("a temporary folder"));
            std::fs::write(folder.path().join("index.php"), page).expect("the page");
            let save = format!("session.save_path={}", folder.path().display());
            let mut node = Running::start(
                Command::new("php").args(["-d", &save, "-S", &addr.to_string(), "-t"]).arg(folder.path()),
            );
            node.until_open(addr);
            nodes.push(addr);
            running.push((node, folder));
        }
        Self { nodes, _running: running }
    }

    fn conf(&self, affinity: &str) -> Conf {
        let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(affinity);
        self.nodes
            .iter()
            .enumerate()
            .fold(conf, |conf, (i, addr)| conf.node(&format!("n{i}"), &format!("\"http://{addr}\"")))
    }
}

const COUNTS: &str =
    "<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n'];";

#[test]
fn php_sessions_are_learned() {
    if !have(&["php"]) {
        return;
    }
    everyone_counts(&Proxy::start(&Php::start(COUNTS).conf(r#"{ learn = "PHPSESSID" }"#).text()), "learned");
}

/// PHP takes any id that it is shown, and then says nothing of it: no answer ever sets the cookie.
#[test]
fn an_id_that_no_proxy_remembers_stays_on_one_node() {
    if !have(&["php"]) {
        return;
    }
    let php = Php::start(COUNTS);
    for affinity in [
        r#"{ learn = "PHPSESSID" }"#,
        r#"{ route = "PHPSESSID" }"#,
        r#"{ cookie = "PHPSESSID", mode = "prefix", value = "route" }"#,
    ] {
        let form: String = affinity.chars().filter(char::is_ascii_alphabetic).collect();
        // two proxies that have never met, with an empty memory each: as after idling, a restart without
        // state, or a change-over
        let proxies = [0, 1].map(|_| Proxy::start(&php.conf(affinity).text()));
        let mut expected = 0;
        for visit in 0..6 {
            expected += 1;
            for user in 0..10 {
                let id = format!("{form}{user}");
                let mut client = Client::new(proxies[visit % 2].addr).cookie("PHPSESSID", &id);
                let answer = client.get("/");
                assert_eq!(
                    (answer.text().trim(), answer.set_cookie("PHPSESSID")),
                    (&*expected.to_string(), None),
                    "{affinity}: {id}"
                );
            }
        }
        for proxy in proxies {
            let lines = proxy.access_of("/", 30);
            let count = |why: &str| lines.iter().filter(|line| line["why"] == why).count();
            assert_eq!((count("new"), count("learned")), (10, 20), "{affinity}");
        }
    }
}
