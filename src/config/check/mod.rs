//! Whether a conf file makes sense: names that must exist, addresses, options that belong together, files
//! that must be readable.

mod admin;
mod affinity;
mod checker;
mod cluster;
mod files;
mod forwarded;
mod headers;
mod joining;
mod listener;
mod own;
mod rule;
mod server;
mod unreachable;
mod way_back;

use super::files::NamedFiles;
use super::model::Config;
use super::source::Spans;
use crate::base::report::Diagnostic;
use checker::Checker;
use std::path::{Path, PathBuf};

pub use checker::{Options, is_name};

/// What a check found.
pub struct Checked {
    /// Findings with their places, and the dotted path each is about.
    pub found: Vec<(String, Diagnostic)>,
    /// Files and folders that the conf file refers to.
    pub watched: Vec<PathBuf>,
    /// What the files among them hold that a table is made of.
    pub files: NamedFiles,
}

/// Checks a whole file.
pub fn run(config: &Config, spans: &Spans, folder: &Path, options: Options) -> Checked {
    let mut checker = Checker {
        config,
        spans,
        folder,
        options,
        found: Vec::new(),
        watched: Vec::new(),
        files: NamedFiles::of(folder),
    };
    if config.listener.is_empty() {
        checker.error(
            "listener",
            "there is no listener: nothing would be served",
            "add one: [listener.web] with bind = \"127.0.0.1:8080\"",
        );
    }
    if config.cluster.is_empty() && config.rule.iter().all(|rule| rule.cluster.is_some()) {
        checker.error(
            "cluster",
            "there is no cluster: requests have nowhere to go",
            "add one: [cluster.app], with its nodes under [cluster.app.nodes]",
        );
    }
    admin::check(&mut checker);
    server::check(&mut checker);
    listener::check(&mut checker);
    rule::check(&mut checker);
    unreachable::check(&mut checker);
    cluster::check(&mut checker);
    forwarded::check(&mut checker);
    Checked { found: checker.found, watched: checker.watched, files: checker.files }
}

/// Everything that does not make sense in a file that has the right shape, each finding at its place.
pub fn check(config: &Config, spans: &Spans, folder: &Path, options: Options) -> Vec<Diagnostic> {
    run(config, spans, folder, options).found.into_iter().map(|(_, finding)| finding).collect()
}
