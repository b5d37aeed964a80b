//! `homing run`

use super::log;
use super::show::complain;
use crate::app::{self, Ended};
use std::path::Path;

/// Runs the proxy; the exit code.
pub fn run(config: &Path) -> i32 {
    let _log = log::start("info");
    match app::run(config) {
        Ended::Gracefully => 0,
        Ended::Broken => 1,
        Ended::Refused(lines) => {
            complain(&lines.join("\n"));
            1
        }
    }
}
