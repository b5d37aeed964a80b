//! What every part of the check works with: the conf, the places of its text, and what was found so far.

use crate::base::report::Diagnostic;
use crate::config::files::NamedFiles;
use crate::config::model::Config;
use crate::config::source::{EntryPart, Spans, join};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// How to load.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Look node names up, and warn of those that do not resolve. Takes time: for `homing check`, not for a
    /// live reload.
    pub resolve: bool,
}

/// A conf file while it is checked.
pub(super) struct Checker<'a> {
    pub(super) config: &'a Config,
    pub(super) spans: &'a Spans,
    pub(super) folder: &'a Path,
    pub(super) options: Options,
    pub(super) found: Vec<(String, Diagnostic)>,
    pub(super) watched: Vec<PathBuf>,
    pub(super) files: NamedFiles,
}

impl Checker<'_> {
    pub(super) fn push(&mut self, path: &str, part: EntryPart, finding: Diagnostic) {
        let finding = self.spans.place(path, part).into_iter().fold(finding, Diagnostic::at);
        self.found.push((path.to_owned(), finding));
    }

    /// An error about a value.
    pub(super) fn error(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.push(path, EntryPart::Value, Diagnostic::error(message).help(help));
    }

    /// An error about a key, or a table as a whole.
    pub(super) fn error_key(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.push(path, EntryPart::Key, Diagnostic::error(message).help(help));
    }

    pub(super) fn warn(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.push(path, EntryPart::Value, Diagnostic::warning(message).help(help));
    }

    pub(super) fn warn_key(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.push(path, EntryPart::Key, Diagnostic::warning(message).help(help));
    }

    /// An error from a parser whose text is "what is wrong: write what is right".
    pub(super) fn refuse(&mut self, path: &str, why: &impl Display) {
        let text = why.to_string();
        match text.split_once(": write ") {
            Some((message, help)) => self.error(path, message, format!("write {help}")),
            None => self.push(path, EntryPart::Value, Diagnostic::error(text)),
        }
    }

    /// Refuses a key that the design knows and this version does not serve, so that it is not ignored in
    /// silence.
    pub(super) fn not_yet(&mut self, path: &str) {
        if self.spans.given(path) {
            self.error_key(path, format!("`{path}` is not yet supported by this version"), "remove the line");
        }
    }

    pub(super) fn given(&self, path: &str, key: &str) -> bool {
        self.spans.given(&join(path, key))
    }

    /// True when the file sets this key of a table to something else than its default. A default written out,
    /// as `check --dump` does for every key, changes nothing and is no mistake wherever it stands.
    pub(super) fn set<T: serde::Serialize + Default>(&self, path: &str, key: &str, table: &T) -> bool {
        let value = |table: &T| {
            serde_json::to_value(table)
                .ok()
                .and_then(|mut tree| tree.get_mut(key).map(serde_json::Value::take))
        };
        self.given(path, key) && value(table) != value(&T::default())
    }

    /// Refuses nothing where something is needed.
    pub(super) fn not_zero(&mut self, path: &str, key: &str, zero: bool, help: &str) {
        if zero {
            let at = join(path, key);
            self.error(&at, format!("`{at}` cannot be 0"), help);
        }
    }

    /// Names go into cookies, metrics and addresses, so they are kept plain.
    pub(super) fn name(&mut self, path: &str, what: &str, name: &str) {
        if let Some(flaw) = name_flaw(name) {
            let message = format!("\"{name}\" cannot be the name of a {what}: {flaw}");
            self.error_key(path, message, "use letters, digits, `-`, `_` and `.`");
        }
    }
}

/// The longest name, that of a host.
const LONGEST_NAME: usize = 253;

/// True for what may name a cluster or a node.
pub fn is_name(name: &str) -> bool {
    name_flaw(name).is_none()
}

/// What keeps a text from being a name, in words.
fn name_flaw(name: &str) -> Option<String> {
    let odd = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'));
    match (name.len(), odd) {
        (0, _) => Some("it is empty".into()),
        (_, Some(odd)) => Some(format!("it has {odd:?} in it")),
        (long, _) if long > LONGEST_NAME => {
            Some(format!("it has {long} letters, and {LONGEST_NAME} are the most"))
        }
        _ => None,
    }
}

/// The path of the n-th value of a key that takes one or a list.
pub(super) fn nth(spans: &Spans, path: &str, n: usize) -> String {
    let at = format!("{path}[{n}]");
    if spans.given(&at) { at } else { path.to_owned() }
}
