//! The page in a real Chromium: an operator drains, enables, accepts and sees a reload fail, with JavaScript
//! and without.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    dead_code,
    reason = "test code: a failure should stop it at once"
)]

#[path = "heartbeat/fleet.rs"]
mod fleet;
#[path = "real/programs.rs"]
mod programs;
#[path = "proxy/support/mod.rs"]
mod support;
#[path = "admin/window.rs"]
mod window;

use fleet::Fleet;
use programs::{have, node_folder, output};
use std::process::Command;
use support::load::Load;
use support::{Client, Conf, Origin, Proxy, free_addr, until};
use window::Window;

#[test]
fn an_operator_works_at_the_page() {
    let package = |name: &str| node_folder().join("node_modules").join(name).display().to_string();
    if !have(&["chromium", "node", &package("playwright-core"), &package("axe-core")]) {
        return;
    }
    let nodes = Origin::several(2);
    let newcomer = Origin::start("n3");
    let fleet = Fleet::over(&nodes, "session-idle = \"8s\"\njoin = { admit = \"ask\" }");
    fleet.all_ready();
    let facts = serde_json::json!({
        "admin": fleet.admin, "proxy": fleet.proxy.addr, "announce": fleet.announce, "token": fleet.token, "conf": fleet.proxy.conf(),
        "node": { "name": "n3", "url": newcomer.url() }, "shots": std::env::var("HOMING_SHOTS").ok(),
    });
    let said = output(Command::new("node").arg(node_folder().join("dashboard.js")).arg(facts.to_string()));
    assert!(said.contains("good"), "{said}");
}

/// A proxy with so many clusters of four nodes each, of which one is down; and which.
fn fleet(clusters: usize) -> (Window, [Origin; 4], String) {
    let origins = [1, 2, 3, 4].map(|n| Origin::start(&format!("n{n}")));
    let sick = (clusters / 2 + 3, 2);
    let mut more = String::new();
    for cluster in 0..clusters {
        let name = format!("app-{cluster:03}");
        more += &format!(
            "[[rule]]\nhost = \"{name}.example.com\"\ncluster = \"{name}\"\n[cluster.{name}]\nslow-start = \"0s\"\n"
        );
        // one check of each is enough, and nobody waits for it
        more += "health = { interval = \"1h\", timeout = \"60s\", rise = 1, fall = 1 }\n";
        more += &format!("[cluster.{name}.nodes]\n");
        for (n, origin) in origins.iter().enumerate() {
            let url = if (cluster, n) == sick { format!("http://{}", free_addr()) } else { origin.url() };
            let room = if cluster.is_multiple_of(3) { "max-sessions = 200, " } else { "" };
            more += &format!("n{} = {{ {room}url = {url:?} }}\n", n + 1);
        }
    }
    let admin = free_addr();
    let web = free_addr();
    let conf = format!("[server]\nadmin = \"{admin}\"\n[listener.web]\nbind = \"{web}\"\n{more}");
    let window = Window { proxy: Proxy::start(&conf), conf: Conf::over([]), admin };
    until("every node was looked at", || {
        let status = window.status();
        let nodes =
            status["clusters"].as_array().unwrap().iter().flat_map(|of| of["nodes"].as_array().unwrap());
        let mut states: Vec<&str> = nodes.map(|node| node["state"].as_str().unwrap()).collect();
        states.sort_unstable();
        states.dedup();
        (states == ["down", "ready"]).then_some(())
    });
    (window, origins, format!("app-{:03}/n{}", sick.0, sick.1 + 1))
}

fn an_operator_works_at(clusters: usize) {
    let package = |name: &str| node_folder().join("node_modules").join(name).display().to_string();
    if !have(&["chromium", "node", &package("playwright-core"), &package("axe-core")]) {
        return;
    }
    let (window, _origins, sick) = fleet(clusters);
    let shots = std::env::var("HOMING_SHOTS").ok();
    let facts =
        serde_json::json!({ "admin": window.admin, "clusters": clusters, "sick": sick, "shots": shots });
    let said = output(Command::new("node").arg(node_folder().join("fleet.js")).arg(facts.to_string()));
    assert!(said.contains("good"), "{said}");
}

#[test]
fn the_sick_node_of_two_hundred_is_found_in_two_steps_and_ten_are_drained_at_once() {
    an_operator_works_at(50);
}

#[test]
fn the_page_of_four_thousand_nodes_is_as_small_and_does_the_same() {
    an_operator_works_at(1000);
}

/// By the W3C's own checker, which is a Java program.
#[test]
fn every_view_of_the_page_is_valid_html() {
    let checker = node_folder().join("node_modules/vnu-jar/build/dist/vnu.jar");
    if !have(&["java", &checker.display().to_string()]) {
        return;
    }
    let (window, _origins, _) = fleet(60);
    let origin = format!("http://{}", window.admin);
    let form = |path: &str, body: &str| {
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        window.client().send("POST", path, &[kind, ("Origin", &origin)], body.as_bytes()).unwrap()
    };
    assert_eq!(
        form("/bulk", "verb=drain&confirmed=true&reason=x&node=app-001/n1&node=app-001/n2").status,
        200
    );
    let all = "/?open=app-001&open=app-000&list=changes&list=rules&list=moves&list=reloads&list=certificates&list=listeners";
    let pages = [
        window.get("/"),
        window.get(all),
        window.get("/?page=2&sort=state&open="),
        window.get("/?only=not-ready"),
        window.get("/?q=%3Cb%3E%22nobody"),
        form("/bulk", "verb=drain&q=app-01*/n1"),
        form(
            "/bulk",
            "verb=disable&confirmed=true&node=app-002/n1&node=app-002/n2&node=app-002/n3&node=app-002/n4",
        ),
        form("/bulk", "verb=drain"),
        form("/api/clusters/app-001/nodes/n9/drain", ""),
        form("/api/clusters/app-001/nodes/n3/drain", "deadline=%22%3Esoon"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let files = pages.iter().enumerate().map(|(n, page)| {
        let file = folder.path().join(format!("{n}.html"));
        assert!(page.text().starts_with("<!DOCTYPE html>"), "{n}: {}", page.text());
        std::fs::write(&file, page.text()).unwrap();
        file
    });
    let files: Vec<_> = files.collect();
    // what it has to say makes it end with an error
    output(Command::new("java").arg("-jar").arg(checker).args(["--format", "gnu"]).args(files));
}

/// The picture in docs/src/operations.md: a cluster at work, one node drained, another at the door.
/// `cargo test --test dashboard -- --ignored` paints it anew.
#[test]
#[ignore = "paints docs/src/dashboard.png"]
fn the_book_has_a_picture() {
    let nodes = Origin::several(3);
    let newcomer = Origin::start("n4");
    let conf = Conf::over(&nodes)
        .affinity(r#"{ cookie = "HOMING" }"#)
        .cluster("slow-start = \"0s\"\njoin = { admit = \"ask\" }");
    let fleet = Fleet::with(conf.with(&nodes[1], "max-sessions = 400, weight = 60"));
    fleet.all_ready();
    let addr = fleet.proxy.addr;
    let load = Load::start(
        24,
        move |_| Client::with_jar(addr),
        |client, user| {
            // some stay, some come anew, and there are busy times and quiet ones
            let busy = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
                % 60
                < 30;
            std::thread::sleep(std::time::Duration::from_millis(if busy { 200 } else { 600 }));
            if user.is_multiple_of(8) {
                client.jar.iter_mut().for_each(std::collections::BTreeMap::clear);
                client.hang_up();
            }
            client.send("GET", &format!("/slow?ms={}", user * 3), &[], b"")
        },
    );
    let wait = |seconds: u64| std::thread::sleep(std::time::Duration::from_secs(seconds));
    wait(100);
    assert_eq!(fleet.homing(&["drain", "app/n3", "--deadline", "4h", "--then", "move"]).code, 0);
    fleet.beat(&newcomer, serde_json::json!({"load": 10, "version": "2.4"}));
    wait(25);
    let picture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/dashboard.png");
    let facts = serde_json::json!({ "admin": fleet.admin, "picture": picture });
    output(Command::new("node").arg(node_folder().join("dashboard.js")).arg(facts.to_string()));
    load.stop();
}
