//! Runs the demo: the nodes, their conf in a folder of its own, and the proxy in front.

use super::{keys, plan};
use crate::app::{self, RunEnd};
use crate::cli::show::{complain, print};
use std::path::Path;

/// Runs the demo until Ctrl-C; the exit code.
pub fn run(nodes: usize, port: u16) -> i32 {
    let _log = crate::cli::log::start("warn");
    let folder = std::env::temp_dir().join(format!("homing-demo-{}", std::process::id()));
    let code = run_in(&folder, nodes.clamp(1, 20), port);
    // nothing of the demo stays behind
    let _ = std::fs::remove_dir_all(&folder);
    code
}

fn run_in(folder: &Path, nodes: usize, port: u16) -> i32 {
    let file = folder.join("homing.toml");
    let plan = match plan(nodes, port).and_then(|plan| {
        std::fs::create_dir_all(folder)?;
        std::fs::write(&file, &plan.conf)?;
        Ok(plan)
    }) {
        Ok(plan) => plan,
        Err(error) => {
            complain(&format!("the demo cannot start: {error}"));
            return 1;
        }
    };
    print(&format!("{}\n", plan.banner));
    keys(plan.demo.clone());
    match app::run(&file) {
        RunEnd::Gracefully => 0,
        RunEnd::Broken => 1,
        RunEnd::Refused(lines) => {
            complain(&lines.join("\n"));
            1
        }
    }
}
