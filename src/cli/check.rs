//! `homing check`: says everything that is wrong with a conf file, without touching a running proxy.

use crate::base::report::{Diagnostic, Severity};
use crate::config::{self, Loaded, Options};
use std::path::Path;

/// Checks a file; with `dump` prints the effective file, with `strict` a warning counts as an error. The answer is the exit status.
pub fn check(file: &Path, dump: bool, strict: bool) -> i32 {
    match config::load_with(file, Options { resolve: true }) {
        Ok(loaded) => {
            print_all(&loaded.warnings);
            if strict && !loaded.warnings.is_empty() {
                eprintln!("{}", count(loaded.warnings.len(), "warning"));
                return 1;
            }
            if !dump {
                println!("ok: {}", summary(&loaded));
                return 0;
            }
            match config::dump(&loaded.config) {
                Ok(text) => {
                    print!("{text}");
                    0
                }
                Err(error) => {
                    eprintln!("error: the effective file cannot be written as TOML: {error}");
                    1
                }
            }
        }
        Err(found) => {
            print_all(&found);
            let errors = found.iter().filter(|finding| finding.severity == Severity::Error).count();
            eprintln!("{}, {}", count(errors, "error"), count(found.len() - errors, "warning"));
            1
        }
    }
}

/// Prints the JSON Schema of the conf file. The answer is the exit status.
pub fn schema() -> i32 {
    print!("{}", config::schema_text());
    0
}

fn print_all(found: &[Diagnostic]) {
    for finding in found {
        eprintln!("{finding}");
    }
}

fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let nodes = config.cluster.values().map(|cluster| cluster.nodes.len()).sum();
    let mut parts = vec![
        count(config.listener.len(), "listener"),
        count(config.rule.len(), "rule"),
        count(config.cluster.len(), "cluster"),
        count(nodes, "node"),
    ];
    if !loaded.warnings.is_empty() {
        parts.push(count(loaded.warnings.len(), "warning"));
    }
    parts.join(", ")
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
