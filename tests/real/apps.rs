//! Plain stateful applications: Express with its memory store, PHP with its session files.

use crate::programs::{Running, have, have_node, node_folder};
use crate::support::{Client, Conf, Origin, Proxy, free_addr};
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
    let nodes: Vec<Running> = (0..2).map(|_| Running::start(Command::new("node").arg(node_folder().join("counter.js")))).collect();
    let conf = Conf::over(std::iter::empty::<&Origin>()).affinity(r#"{ learn = "connect.sid" }"#);
    let conf =
        nodes.iter().enumerate().fold(conf, |conf, (i, node)| conf.node(&format!("n{i}"), &format!("\"http://{}\"", node.first_line())));
    everyone_counts(&Proxy::start(&conf.text()), "learned");
}

#[test]
fn php_sessions_are_learned() {
    if !have(&["php"]) {
        return;
    }
    let page = "<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n'];";
    let folders: Vec<tempfile::TempDir> = (0..2).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
    let mut conf = Conf::over(std::iter::empty::<&Origin>()).affinity(r#"{ learn = "PHPSESSID" }"#);
    let mut nodes = Vec::new();
    for (i, folder) in folders.iter().enumerate() {
        let addr = free_addr();
        std::fs::write(folder.path().join("index.php"), page).expect("the page");
        let save = format!("session.save_path={}", folder.path().display());
        let mut node = Running::start(Command::new("php").args(["-d", &save, "-S", &addr.to_string(), "-t"]).arg(folder.path()));
        node.until_open(addr);
        nodes.push(node);
        conf = conf.node(&format!("n{i}"), &format!("\"http://{addr}\""));
    }
    everyone_counts(&Proxy::start(&conf.text()), "learned");
}
