//! What is watched for changes.

use std::path::PathBuf;

/// A file, a folder with all that is in it, or those of its files whose names fit a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Watched {
    /// Where it is.
    pub path: PathBuf,
    /// Of a folder: whatever else is in it does not count.
    pub pattern: Option<String>,
}

impl Watched {
    /// The files of a folder whose names fit the pattern.
    pub fn matching(folder: PathBuf, pattern: &str) -> Self {
        Self { path: folder, pattern: Some(pattern.to_owned()) }
    }
}

impl From<PathBuf> for Watched {
    fn from(path: PathBuf) -> Self {
        Self { path, pattern: None }
    }
}

/// True when a file's name fits the pattern; `*` stands for any run of characters. What is hidden fits none.
pub fn fits(pattern: &str, name: &str) -> bool {
    !name.starts_with('.') && wildcard(pattern, name)
}

fn wildcard(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_match_runs() {
        for (pattern, name, fit) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml~", false),
            ("*.toml", ".a.toml", false),
            ("a*b*c", "aXbYc", true),
            ("a*b", "ab", true),
            ("a*a", "a", false),
            ("*", "x", true),
            ("x", "xy", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }
}
