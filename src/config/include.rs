//! Reads the main file and those it includes, and merges them into one tree.

use super::read::read;
use super::schema::SchemaError;
use super::source::{EntryPart, SourceFile, Spans, join};
use super::watched::{Watched, fits};
use crate::base::file;
use crate::base::report::Diagnostic;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The largest conf file.
const LARGEST: u64 = 4 << 20;
/// The most files that may be included.
const MOST_INCLUDES: usize = 256;

/// All files in one tree.
pub struct Merged {
    /// The tree, without `include`d files' own structure.
    pub tree: Value,
    /// The files read, and those that would be.
    pub files: Vec<Watched>,
    /// What went wrong, with places.
    pub misfits: Vec<SchemaError>,
}

/// A file's text, or why there is none.
pub fn read_file(path: &Path) -> Result<String, Diagnostic> {
    let wrong =
        |message: String, help: &str| Err(Diagnostic::error(message).help(help).at(SourceFile::whole(path)));
    let bytes = match file::read(path) {
        Ok(bytes) => bytes,
        Err(why) => {
            return wrong(
                format!("the conf file {why}"),
                "check the name, and that the user homing runs as may read it",
            );
        }
    };
    if bytes.len() as u64 > LARGEST {
        return wrong(
            "the conf file is larger than 4 MiB".into(),
            "split it into several files and `include` them",
        );
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => wrong("the conf file is not UTF-8 text".into(), "save it as UTF-8"),
    }
}

/// Reads the main file's text and every file it includes.
pub fn read_all(spans: &mut Spans, text: String, path: &Path, folder: &Path) -> Merged {
    let environment = |name: &str| std::env::var(name).ok();
    let mut misfits = Vec::new();
    let mut files = vec![Watched::from(path.to_owned())];
    if text.len() as u64 > LARGEST {
        let finding = Diagnostic::error("the conf file is larger than 4 MiB").at(SourceFile::whole(path));
        misfits.push(SchemaError { path: String::new(), part: EntryPart::Value, finding });
        return Merged { tree: Value::Object(Map::new()), files, misfits };
    }
    let file = spans.add_source(path, text);
    let mut tree = read(spans, file, 0, &environment, &mut misfits);
    let patterns: Vec<String> = match tree.get("include") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let mut included: Vec<PathBuf> = Vec::new();
    for (n, pattern) in patterns.iter().enumerate() {
        let at = format!("include[{n}]");
        match matching(&folder.join(pattern), &mut files) {
            Ok(found) => included.extend(found.into_iter().filter(|found| found != path)),
            Err(finding) => push(spans, &mut misfits, &at, finding),
        }
    }
    let mut seen = std::collections::HashSet::new();
    included.retain(|file| seen.insert(file.clone()));
    if included.len() > MOST_INCLUDES {
        let message = format!("{} files are included; {MOST_INCLUDES} is the most", included.len());
        push(
            spans,
            &mut misfits,
            "include",
            Diagnostic::error(message).help("put several clusters into one file"),
        );
        included.truncate(MOST_INCLUDES);
    }
    for path in included {
        files.push(path.clone().into());
        match read_file(&path) {
            Ok(text) => merge(spans, &mut tree, &path, text, &mut misfits),
            Err(finding) => {
                misfits.push(SchemaError { path: "include".into(), part: EntryPart::Value, finding })
            }
        }
    }
    Merged { tree: Value::Object(tree), files, misfits }
}

/// Takes an included file in: its listeners, clusters and rules join those already there.
fn merge(
    spans: &mut Spans,
    tree: &mut Map<String, Value>,
    path: &Path,
    text: String,
    misfits: &mut Vec<SchemaError>,
) {
    let rules = tree.get("rule").and_then(Value::as_array).map_or(0, Vec::len);
    let mut own = Spans::default();
    let own_file = own.add_source(path, text.clone());
    let found_before = misfits.len();
    let environment = |name: &str| std::env::var(name).ok();
    let part = read(&mut own, own_file, rules, &environment, misfits);
    if misfits[found_before..].iter().any(|misfit| misfit.path.is_empty()) {
        spans.add_source(path, text);
        return;
    }
    for (key, value) in part {
        match (key.as_str(), value, tree.get_mut(&key)) {
            ("server", ..) | ("include", ..) => {
                let first = spans
                    .place(&key, EntryPart::Key)
                    .filter(|_| spans.given(&key))
                    .map(|place| seen_at(&place));
                let message = match (key.as_str(), first) {
                    ("server", Some(first)) => format!("[server] is already given at {first}"),
                    _ => format!("`{key}` can stand only in the main file"),
                };
                push_own(&own, misfits, &key, Diagnostic::error(message).help("move it to the main file"));
            }
            ("listener" | "cluster", Value::Object(theirs), Some(Value::Object(ours))) => {
                for (name, value) in theirs {
                    let at = join(&key, &name);
                    if ours.contains_key(&name) {
                        let first =
                            spans.place(&at, EntryPart::Key).map(|place| seen_at(&place)).unwrap_or_default();
                        let message = format!("the {key} `{name}` is already defined at {first}");
                        push_own(
                            &own,
                            misfits,
                            &at,
                            Diagnostic::error(message).help("give one of the two another name"),
                        );
                    } else {
                        ours.insert(name, value);
                    }
                }
            }
            ("rule", Value::Array(theirs), Some(Value::Array(ours))) => ours.extend(theirs),
            (_, value, None) => {
                tree.insert(key, value);
            }
            // Not what the key takes: the main file's own mistake is reported with the schema, this one
            // stands for itself.
            (_, _, Some(_)) => push_own(
                &own,
                misfits,
                &key,
                Diagnostic::error(format!("`{key}` does not fit the `{key}` of the main file")),
            ),
        }
    }
    spans.append(own);
}

fn seen_at(place: &crate::base::report::Place) -> String {
    format!("{}:{}:{}", place.path.display(), place.line, place.column)
}

fn push(spans: &Spans, misfits: &mut Vec<SchemaError>, at: &str, finding: Diagnostic) {
    let finding = spans.place(at, EntryPart::Value).into_iter().fold(finding, Diagnostic::at);
    misfits.push(SchemaError { path: at.to_owned(), part: EntryPart::Value, finding });
}

fn push_own(own: &Spans, misfits: &mut Vec<SchemaError>, at: &str, finding: Diagnostic) {
    let finding = own.place(at, EntryPart::Key).into_iter().fold(finding, Diagnostic::at);
    misfits.push(SchemaError { path: at.to_owned(), part: EntryPart::Key, finding });
}

/// The files that a pattern names, sorted. The pattern is noted, so that a file that is added later is seen;
/// whatever else is written in its folder is nobody's business.
fn matching(pattern: &Path, watch: &mut Vec<Watched>) -> Result<Vec<PathBuf>, Diagnostic> {
    let folder = pattern.parent().unwrap_or(Path::new("."));
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if folder.to_string_lossy().contains('*') {
        return Err(Diagnostic::error("`*` matches only within a file name, not in a folder's")
            .help("name each folder: include = [\"a/*.toml\", \"b/*.toml\"]"));
    }
    if name.is_empty() {
        return Err(Diagnostic::error("the included file has no name")
            .help("write a file name or a pattern, as in \"conf.d/*.toml\""));
    }
    if !name.contains('*') {
        let path = folder.join(name);
        // also while it is not there: it may come
        watch.push(path.clone().into());
        return match path.is_file() {
            true => Ok(vec![path]),
            false => Err(Diagnostic::error("the included file does not exist")
                .help("check the name; it starts from the folder of the conf file")),
        };
    }
    watch.push(Watched::matching(folder.to_owned(), name));
    let entries = std::fs::read_dir(folder).map_err(|error| {
        Diagnostic::error(format!("the folder to include from cannot be read: {error}"))
            .help("make the folder, or take the line out")
    })?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| fits(name, file))
        .map(|file| folder.join(file))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    Ok(found)
}
