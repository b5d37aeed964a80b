//! `homing run`

use super::log;
use crate::app::{self, Ended};
use std::path::Path;

/// Runs the proxy; the exit code.
pub fn run(config: &Path) -> i32 {
    log::start("info");
    match app::run(config) {
        Ended::Gracefully => 0,
        Ended::Refused(lines) => {
            for line in lines {
                eprintln!("{line}");
            }
            1
        }
    }
}
