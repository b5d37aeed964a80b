//! The page in a real Chromium: an operator drains, enables, accepts and sees a reload fail, with JavaScript and without.

#![allow(missing_docs, clippy::unwrap_used, dead_code, reason = "test code: a failure should stop it at once")]

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
use support::Origin;

#[test]
fn an_operator_works_at_the_page() {
    if !have(&["chromium", "node", &node_folder().join("node_modules/playwright-core").display().to_string()]) {
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
