//! Where everything in the conf files stands: texts by file, and a place for every dotted key path.

use crate::base::report::Place;
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One file as it was read.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The file as the operator named it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl SourceFile {
    /// The line and column of a byte offset; an offset past the end means the end.
    pub fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_text = self.text[start..].lines().next().unwrap_or_default();
        Place {
            path: self.path.clone(),
            line: before.matches('\n').count() + 1,
            column: self.text[start..offset].chars().count() + 1,
            text: line_text.trim_start_matches('\u{feff}').to_owned(),
        }
    }

    /// The file as a whole.
    pub fn whole(path: &Path) -> Place {
        Place { path: path.to_owned(), line: 0, column: 0, text: String::new() }
    }
}

/// Where a key and its value stand.
#[derive(Debug, Clone)]
struct KeySpan {
    file: usize,
    key: Range<usize>,
    value: Range<usize>,
}

/// Which part of an entry a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryPart {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// All files read, and the place of every key path in them. A path is dotted, `rule[2].host[0]`; keys that
/// TOML would quote are quoted.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    sources: Vec<SourceFile>,
    spots: HashMap<String, KeySpan>,
}

impl Spans {
    /// Takes a file in; the answer is its number.
    pub fn add_source(&mut self, path: &Path, text: String) -> usize {
        self.sources.push(SourceFile { path: path.to_owned(), text });
        self.sources.len() - 1
    }

    /// The file of that number.
    pub fn source(&self, file: usize) -> Option<&SourceFile> {
        self.sources.get(file)
    }

    /// The number of the file of that name; one past the last if it was not read.
    pub fn number(&self, path: &Path) -> usize {
        self.sources.iter().position(|source| source.path == path).unwrap_or(self.sources.len())
    }

    /// Notes where a path stands. The first place wins, so that a duplicate does not hide the original.
    pub fn note(&mut self, path: &str, file: usize, key: Range<usize>, value: Range<usize>) {
        self.spots.entry(path.to_owned()).or_insert(KeySpan { file, key, value });
    }

    /// Takes over the files and places of another set; where both have a path, the place here stays.
    pub fn append(&mut self, other: Spans) {
        let offset = self.sources.len();
        self.sources.extend(other.sources);
        for (path, spot) in other.spots {
            self.spots.entry(path).or_insert(KeySpan { file: spot.file + offset, ..spot });
        }
    }

    /// True when the file says something at this path, rather than leaving it to the default.
    pub fn given(&self, path: &str) -> bool {
        self.spots.contains_key(path)
    }

    /// The place of a path; for one that is not in the file, that of the nearest table around it.
    pub fn place(&self, path: &str, part: EntryPart) -> Option<Place> {
        let mut at = path;
        loop {
            if let Some(spot) = self.spots.get(at) {
                let source = self.sources.get(spot.file)?;
                let exact = at.len() == path.len();
                let range = if exact && part == EntryPart::Value { &spot.value } else { &spot.key };
                return Some(source.place(range.start));
            }
            match parent(at) {
                Some(up) => at = up,
                None => return self.sources.first().map(|source| SourceFile::whole(&source.path)),
            }
        }
    }
}

/// The path one step up; none at the top.
fn parent(path: &str) -> Option<&str> {
    let mut quoted = false;
    let mut escaped = false;
    let mut cut = None;
    for (at, c) in path.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '.' | '[' if !quoted => cut = Some(at),
            _ => {}
        }
    }
    cut.map(|at| &path[..at])
}

/// A path with one key more.
pub fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// True when `inner` is `outer` itself or lies inside it.
pub fn covers(outer: &str, inner: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let source = SourceFile { path: "a".into(), text: "ä = 1\r\nöö = 2".into() };
        let place = source.place(source.text.find('2').unwrap());
        assert_eq!((place.line, place.column, place.text.as_str()), (2, 6, "öö = 2"));
        assert_eq!(source.place(99).line, 2);
    }

    #[test]
    fn paths_go_up_step_by_step() {
        assert_eq!(parent("rule[2].host[0]"), Some("rule[2].host"));
        assert_eq!(parent("rule[2]"), Some("rule"));
        assert_eq!(parent("rule"), None);
        let odd = join("cluster", "a.\"b[");
        assert_eq!(parent(&odd), Some("cluster"));
    }
}
