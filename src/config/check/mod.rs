//! Whether a conf file makes sense: names that must exist, addresses, options that belong together, files that must be readable.

mod affinity;
mod cluster;
mod covered;
mod files;
mod headers;
mod joining;
mod listener;
mod own;
mod rule;
mod server;
mod way_back;

use super::Options;
use super::files::NamedFiles;
use super::model::Config;
use super::source::{Part, Spans, join};
use crate::base::report::Diagnostic;
use std::path::{Path, PathBuf};

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
    let mut checker = Checker { config, spans, folder, options, found: Vec::new(), watched: Vec::new(), files: NamedFiles::of(folder) };
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
    server::check(&mut checker);
    listener::check(&mut checker);
    rule::check(&mut checker);
    covered::check(&mut checker);
    cluster::check(&mut checker);
    Checked { found: checker.found, watched: checker.watched, files: checker.files }
}

/// Everything that does not make sense in a file that has the right shape, each finding at its place.
pub fn check(config: &Config, spans: &Spans, folder: &Path, options: Options) -> Vec<Diagnostic> {
    run(config, spans, folder, options).found.into_iter().map(|(_, finding)| finding).collect()
}

struct Checker<'a> {
    config: &'a Config,
    spans: &'a Spans,
    folder: &'a Path,
    options: Options,
    found: Vec<(String, Diagnostic)>,
    watched: Vec<PathBuf>,
    files: NamedFiles,
}

impl Checker<'_> {
    fn push(&mut self, path: &str, part: Part, finding: Diagnostic) {
        let finding = self.spans.place(path, part).into_iter().fold(finding, Diagnostic::at);
        self.found.push((path.to_owned(), finding));
    }

    /// An error about a value.
    fn error(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.push(path, Part::Value, Diagnostic::error(message).help(help));
    }

    /// An error about a key, or a table as a whole.
    fn error_key(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.push(path, Part::Key, Diagnostic::error(message).help(help));
    }

    fn warn(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.push(path, Part::Value, Diagnostic::warning(message).help(help));
    }

    fn warn_key(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.push(path, Part::Key, Diagnostic::warning(message).help(help));
    }

    /// An error from a parser whose text is "what is wrong: write what is right".
    fn refuse(&mut self, path: &str, text: &str) {
        match text.split_once(": write ") {
            Some((message, help)) => self.error(path, message, format!("write {help}")),
            None => self.push(path, Part::Value, Diagnostic::error(text)),
        }
    }

    /// Refuses a key that the design knows and this version does not serve, so that it is not ignored in silence.
    fn not_yet(&mut self, path: &str) {
        if self.spans.given(path) {
            self.error_key(path, format!("`{path}` is not yet supported by this version"), "remove the line");
        }
    }

    fn given(&self, path: &str, key: &str) -> bool {
        self.spans.given(&join(path, key))
    }

    /// True when the file sets this key of a table to something else than its default. A default written out, as
    /// `check --dump` does for every key, changes nothing and is no mistake wherever it stands.
    fn set<T: serde::Serialize + Default>(&self, path: &str, key: &str, table: &T) -> bool {
        let value = |table: &T| serde_json::to_value(table).ok().and_then(|mut tree| tree.get_mut(key).map(serde_json::Value::take));
        self.given(path, key) && value(table) != value(&T::default())
    }

    /// Refuses nothing where something is needed.
    fn not_zero(&mut self, path: &str, key: &str, zero: bool, help: &str) {
        if zero {
            let at = join(path, key);
            self.error(&at, format!("`{at}` cannot be 0"), help);
        }
    }

    /// Names go into cookies, metrics and addresses, so they are kept plain.
    fn name(&mut self, path: &str, what: &str, name: &str) {
        if !is_name(name) {
            let message = format!("\"{name}\" cannot be the name of a {what}");
            self.error_key(path, message, "use letters, digits, `-`, `_` and `.`, 64 at most");
        }
    }
}

/// True for what may name a cluster or a node.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The path of the n-th value of a key that takes one or a list.
fn nth(spans: &Spans, path: &str, n: usize) -> String {
    let at = format!("{path}[{n}]");
    if spans.given(&at) { at } else { path.to_owned() }
}
