//! `homing run`

use crate::app::{self, Ended};
use std::io::IsTerminal;
use std::path::Path;

/// Runs the proxy; the exit code.
pub fn run(config: &Path) -> i32 {
    start_log("info");
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

/// The process's own log, to standard error. `HOMING_LOG` changes what is logged, as in `HOMING_LOG=debug`.
pub fn start_log(level: &str) {
    let filter = std::env::var("HOMING_LOG").unwrap_or_else(|_| level.to_owned());
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_ansi(colour)
        .with_target(false)
        .try_init();
}
