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
use support::{Client, Conf, Origin};

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
