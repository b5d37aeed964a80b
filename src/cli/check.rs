//! `homing check`: says everything that is wrong with a conf file, and what it needs, without touching a
//! running proxy.

use super::show::{complain, count, print, word};
use crate::affinity::KeyRing;
use crate::base::report::{Diagnostic, Severity};
use crate::base::{cores, open_files};
use crate::config::model::Config;
use crate::config::{self, Loaded, Options, Sizing};
use crate::table::compile::{TableContext, compile};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Checks a file; with `dump` prints the effective file, with `strict` a warning counts as an error. The
/// answer is the exit status.
pub fn check(file: &Path, dump: bool, strict: bool, json: bool) -> i32 {
    let loaded = config::load_with(file, Options { resolve: true }).and_then(compiles).map(with_shortage);
    if json {
        return as_json(&loaded, strict);
    }
    match loaded {
        Ok(loaded) => {
            print_all(&loaded.warnings);
            if strict && !loaded.warnings.is_empty() {
                complain(&count(loaded.warnings.len() as u64, "warning"));
                return 1;
            }
            if !dump {
                let needs = needs(&loaded);
                print(&format!("{}: {}\n{}\n", word("ok"), summary(&loaded), in_words(&loaded, &needs)));
                return 0;
            }
            match config::dump::dump_open(&loaded.config) {
                Ok((text, hidden)) => {
                    print(&text);
                    if hidden > 0 {
                        complain(&format!("note: {} not shown", count(hidden, "secret")));
                    }
                    0
                }
                Err(error) => {
                    complain(&format!("error: the effective file cannot be written as TOML: {error}"));
                    1
                }
            }
        }
        Err(found) => {
            print_all(&found);
            let errors = found.iter().filter(|finding| finding.severity == Severity::Error).count();
            complain(&format!(
                "{}, {}",
                count(errors as u64, "error"),
                count((found.len() - errors) as u64, "warning")
            ));
            1
        }
    }
}

/// What a reload would refuse though each key makes sense by itself: a file of keys that holds none, say.
fn compiles(loaded: Loaded) -> Result<Loaded, Vec<Diagnostic>> {
    let keys = Arc::new(KeyRing::generate());
    let context = TableContext { files: &loaded.files, keys: &keys };
    match compile(Arc::new(loaded.config.clone()), &context, None) {
        Ok(_) => Ok(loaded),
        Err(why) => {
            let found = Diagnostic::error(why.to_string()).help("mend what it names");
            Err(loaded.warnings.into_iter().chain([found]).collect())
        }
    }
}

/// Warns of limits that the machine does not give.
fn with_shortage(mut loaded: Loaded) -> Loaded {
    if let Some(shortage) = needs(&loaded).shortage(open_files::most()) {
        loaded.warnings.push(Diagnostic::warning(shortage));
    }
    loaded
}

fn as_json(loaded: &Result<Loaded, Vec<Diagnostic>>, strict: bool) -> i32 {
    let (found, loaded) = match loaded {
        Ok(loaded) => (&loaded.warnings, Some(loaded)),
        Err(found) => (found, None),
    };
    let finding = |finding: &Diagnostic| {
        let place = finding.place.as_ref();
        json!({
            "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
            "file": place.map(|place| &place.path),
            "line": place.map(|place| place.line).filter(|line| *line > 0),
            "column": place.map(|place| place.column).filter(|column| *column > 0),
            "message": finding.message,
            "help": finding.help,
        })
    };
    let needs = loaded.map(needs).map(|needs| {
        let shortage = needs.shortage(open_files::most());
        json!({"files": needs.files, "memory": needs.memory(), "connections": needs.connections, "sessions": needs.sessions, "unread": needs.unread, "uploads": needs.uploads, "unread_http2": needs.unread_http2, "shortage": shortage})
    });
    let findings: Vec<Value> = found.iter().map(finding).collect();
    let ok = loaded.is_some() && (!strict || findings.is_empty());
    print(&format!("{:#}\n", json!({"ok": ok, "findings": findings, "needs": needs})));
    i32::from(!ok)
}

/// As the process would set itself up on this machine.
fn fitted(loaded: &Loaded) -> (Config, usize) {
    let (mut config, cores) = (loaded.config.clone(), cores::count());
    Sizing::fit(&mut config, &loaded.given, cores, open_files::most());
    (config, cores)
}

fn needs(loaded: &Loaded) -> Sizing {
    let (config, cores) = fitted(loaded);
    Sizing::of(&config, cores)
}

fn in_words(loaded: &Loaded, needs: &Sizing) -> String {
    let (config, _) = fitted(loaded);
    let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
    let together = match needs.unread_http2 {
        0 => String::new(),
        most => format!(", {} for all of HTTP/2 nodes", mib(most)),
    };
    let (connections, sessions) = (config.server.max_connections, config.server.max_sessions);
    format!(
        "needs at most {} open files and {} of memory: {} for {connections} idle connections, {} for itself; more as it is used: {} \
         in each cluster that has all {sessions} sessions it may have, up to {} KiB for each answer that its client leaves unread and \
         each upload that its node does, {} for all uploads over HTTP/2 that stop{together}",
        needs.files,
        mib(needs.memory()),
        mib(needs.connections),
        mib(needs.process),
        mib(needs.sessions),
        needs.unread >> 10,
        mib(needs.uploads),
    )
}

/// Prints the JSON Schema of the conf file. The answer is the exit status.
pub fn schema() -> i32 {
    print(&config::schema_text());
    0
}

/// So many findings are shown; who made one mistake a thousand times needs not read it a thousand times.
const SHOWN: usize = 50;

/// Errors first, if not all are shown.
fn print_all(found: &[Diagnostic]) {
    let mut shown: Vec<&Diagnostic> = found.iter().collect();
    if shown.len() > SHOWN {
        shown.sort_by_key(|finding| finding.severity);
        shown.truncate(SHOWN);
    }
    for finding in &shown {
        complain(&finding.to_string());
    }
    if let more @ 1.. = found.len() - shown.len() {
        complain(&format!("… and {more} more; --json shows all of them"));
    }
}

fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let nodes = config.cluster.values().map(|cluster| cluster.nodes.len() as u64).sum();
    let mut parts = vec![
        count(config.listener.len() as u64, "listener"),
        count(config.rule.len() as u64, "rule"),
        count(config.cluster.len() as u64, "cluster"),
        count(nodes, "node"),
    ];
    if !loaded.warnings.is_empty() {
        parts.push(count(loaded.warnings.len() as u64, "warning"));
    }
    parts.join(", ")
}
