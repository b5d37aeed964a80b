//! The README's chapter on nodes that join, run as it stands: only addresses are other ones.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "proxy/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use support::{Conf, Origin, Proxy, free_addr, until};

/// A command of the chapter, and the lines that it is said to print.
struct Step {
    command: String,
    printed: Vec<String>,
}

fn steps() -> Vec<Step> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = readme.split("## A node joins").nth(1).and_then(|rest| rest.split("```console\n").nth(1)).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for line in block.split("```").next().unwrap().lines() {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push(Step { command: command.to_owned(), printed: Vec::new() }),
            None => steps.last_mut().unwrap().printed.push(line.to_owned()),
        }
    }
    assert!(steps.len() >= 4);
    steps
}

/// Whether a text has these parts in this order; `…` stands for anything.
fn fits(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('…').filter(|part| !part.is_empty()).all(|part| match rest.find(part.trim()) {
        Some(at) => {
            rest = &rest[at + part.trim().len()..];
            true
        }
        None => false,
    })
}

#[test]
fn a_node_joins_with_one_curl_and_drains_with_one_command() {
    let nodes = Origin::several(3);
    let [admin, announce] = [free_addr(), free_addr()];
    let conf = Conf::over(&nodes[..2]).affinity(r#""cookie""#).server(&format!("admin = \"{admin}\"\nannounce = \"{announce}\""));
    // the support names its cluster `app`
    let conf = conf.text().replace("cluster = \"app\"", "cluster = \"shop\"").replace("[cluster.app", "[cluster.shop");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf")).unwrap();
    std::fs::write(folder.path().join("conf/homing.toml"), &conf).unwrap();
    let proxy = Proxy::start_in(folder, "conf/homing.toml");
    until("the token is made", || proxy.folder().join("conf/state/join.token").exists().then_some(()));
    let bin = Path::new(env!("CARGO_BIN_EXE_homing")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let third = nodes[2].addr.to_string();
    let ours = |text: &str| text.replace("127.0.0.1:9901", &announce.to_string()).replace("127.0.0.1:8083", &third);
    let mut before = String::from("set -e\n");
    for step in steps() {
        let run = || {
            let script = format!("{before}{}", ours(&step.command));
            let out = Command::new("bash").args(["-c", &script]).env("PATH", &path).current_dir(proxy.folder()).output().unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            assert!(out.status.success(), "{}: {said}", step.command);
            said
        };
        let said = run();
        // the first check of a node that was just let in may be under way
        let last = step.command.starts_with("homing status");
        let said = if last { until("the last picture is as shown", || Some(run()).filter(|said| all(said, &step.printed))) } else { said };
        assert!(all(&said, &step.printed), "{} printed:\n{said}", step.command);
        if step.command.contains("=$(") {
            before.push_str(&format!("{}\n", step.command));
        }
    }
}

fn all(said: &str, printed: &[String]) -> bool {
    printed.iter().all(|line| fits(said, line))
}
