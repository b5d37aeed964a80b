//! The conf file: from text to checked data.
//!
//! `load` reads a file and what it includes, holds it against the schema of `model` and against sense
//! (`check`), and answers with the data or with everything that is wrong, each finding at its place.

pub mod address;
mod address_error;
pub mod check;
pub mod diff;
pub mod dump;
mod env;
pub mod files;
pub mod given;
mod include;
pub mod model;
pub mod ranges;
mod read;
pub mod schema;
pub mod sizing;
pub mod source;
pub mod suggest;
pub mod unix_access;
pub mod watched;

pub use check::{Options, check};
pub use diff::{diff, diff_of_node};
pub use dump::dump;
pub use ranges::status_ranges;
pub use sizing::Sizing;

use crate::base::report::{Diagnostic, Severity};
use files::NamedFiles;
use given::GivenKeys;
use model::Config;
use serde_json::Value;
use source::Spans;
use std::path::{Path, PathBuf};
use watched::Watched;

/// A conf file that may be applied.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The data, includes merged in.
    pub config: Config,
    /// What it says, whatever it says.
    pub given: GivenKeys,
    /// What the files hold that it names.
    pub files: NamedFiles,
    /// Everything to watch: conf files, those that would be included, certificates, keys, pages.
    pub watched: Vec<Watched>,
    /// What the operator should look at.
    pub warnings: Vec<Diagnostic>,
    /// The folder that relative paths start from: that of the main conf file.
    pub folder: PathBuf,
}

/// Reads and checks a conf file. On failure the answer holds every error found, and the warnings behind them.
pub fn load(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    load_with(path, Options::default())
}

/// As `load`, with options.
pub fn load_with(path: &Path, options: Options) -> Result<Loaded, Vec<Diagnostic>> {
    match include::read_file(path) {
        Ok(text) => read_text(text, path, options),
        Err(finding) => Err(vec![finding]),
    }
}

/// As `load`, for a text that stands for the file at `path`.
pub fn parse_str(text: &str, path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    read_text(text.to_owned(), path, Options::default())
}

fn read_text(text: String, path: &Path, options: Options) -> Result<Loaded, Vec<Diagnostic>> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut spans = Spans::default();
    let include::Merged { mut tree, files: mut watched, misfits: mut broken } =
        include::read_all(&mut spans, text, path, &folder);
    let unreadable = broken.iter().any(|misfit| misfit.path.is_empty());
    if !unreadable {
        for mut misfit in schema::prune(&mut tree) {
            let place = spans.place(&misfit.path, misfit.part);
            misfit.finding = place.into_iter().fold(misfit.finding, Diagnostic::at);
            broken.push(misfit);
        }
    }
    let given = GivenKeys::of(&tree);
    let config = match serde_json::from_value::<Config>(tree) {
        Ok(config) => config,
        Err(error) => {
            let mut found: Vec<Diagnostic> = broken.into_iter().map(|misfit| misfit.finding).collect();
            found.push(
                Diagnostic::error(format!("the file does not fit: {error}"))
                    .at(source::SourceFile::whole(path)),
            );
            return Err(found);
        }
    };
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut files = NamedFiles::default();
    if !unreadable {
        let mut checked = check::run(&config, &spans, &folder, options);
        // What is missing only because its line was faulty is not a second mistake.
        checked.found.retain(|(at, _)| !broken.iter().any(|misfit| source::covers(at, &misfit.path)));
        found.extend(checked.found.into_iter().map(|(_, finding)| finding));
        watched.extend(checked.watched.into_iter().map(Watched::from));
        files = checked.files;
    }
    found.extend(broken.into_iter().map(|misfit| misfit.finding));
    in_order(&mut found, &spans);
    if found.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(found);
    }
    watched.sort();
    watched.dedup();
    Ok(Loaded { config, given, files, watched, warnings: found, folder })
}

/// In the order of the files, and by line.
fn in_order(found: &mut [Diagnostic], spans: &Spans) {
    found.sort_by_key(|finding| {
        finding
            .place
            .as_ref()
            .map(|place| (spans.number(&place.path), place.line, place.column))
            .unwrap_or_default()
    });
}

/// The JSON Schema of the conf file, as text.
pub fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(schema::schema()).unwrap_or_default();
    text.push('\n');
    text
}

/// The model as JSON, defaults filled in.
pub fn to_value(config: &Config) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

#[cfg(test)]
mod tests;
