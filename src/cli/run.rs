//! `homing run`

use super::log;
use super::show::complain;
use crate::app::{self, RunEnd};
use std::path::Path;

/// Runs the proxy; the exit code.
pub fn run(config: &Path) -> i32 {
    let _log = log::start("info");
    match app::run(config) {
        RunEnd::Gracefully => 0,
        RunEnd::Broken => 1,
        RunEnd::Refused(lines) => {
            complain(&lines.join("\n"));
            1
        }
    }
}
