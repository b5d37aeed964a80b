//! The house keeps its order: a module imports only from those before it in the map of `src/lib.rs`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn imports_point_one_way() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = order(&fs::read_to_string(source.join("lib.rs")).unwrap());
    let mut wrong = Vec::new();
    let mut files = Vec::new();
    collect(&source, &mut files);
    for file in &files {
        let inner = file.strip_prefix(&source).unwrap();
        let top = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if matches!(top, "lib" | "main") || is_test(inner) {
            continue;
        }
        let place = order.iter().position(|name| name == top).unwrap_or_else(|| panic!("{top} is not in the map of src/lib.rs"));
        for (line, name) in imports(&fs::read_to_string(file).unwrap()) {
            match order.iter().position(|known| *known == name) {
                Some(other) if other <= place => {}
                _ => wrong.push(format!("src/{}:{line}: `{top}` stands before `{name}` and may not import it", inner.display())),
            }
        }
    }
    assert!(files.len() > 50 && order.len() > 10, "{} files, {} modules", files.len(), order.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// CONTRIBUTING.md says of the same modules, in the same order, what they own.
#[test]
fn the_map_is_told_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let row = |line: &str| Some(line.strip_prefix("| `")?.split_once("` | ")?.0.to_owned());
    let told: Vec<String> = told.split("## The map").nth(1).unwrap().split("\n## ").next().unwrap().lines().filter_map(row).collect();
    assert_eq!(told, order(&fs::read_to_string(root.join("src/lib.rs")).unwrap()), "CONTRIBUTING.md, and src/lib.rs");
}

/// A file that the way of a request is told by is there: whoever renames it tells so.
#[test]
fn the_way_of_a_request_leads_through_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = fs::read_to_string(root.join("docs/src/architecture.md")).unwrap();
    let named: Vec<&str> =
        told.split('`').skip(1).step_by(2).filter(|text| text.starts_with("src/") || text.starts_with("tests/")).collect();
    let gone: Vec<_> = named.iter().filter(|name| !root.join(name).exists()).collect();
    assert!(named.len() > 40 && gone.is_empty(), "docs/src/architecture.md names {} files; not there: {gone:?}", named.len());
}

/// The names in the map, each `//! - [`name`]: …`.
fn order(lib: &str) -> Vec<String> {
    lib.lines().filter_map(|line| Some(line.strip_prefix("//! - [`")?.split_once('`')?.0.to_owned())).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|end| end == "rs") => files.push(path),
            false => {}
        }
    }
}

/// Tests may reach for anything.
fn is_test(path: &Path) -> bool {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    stem.ends_with("tests") || path.iter().any(|part| part == "tests")
}

/// What a file names of the crate, with the line: `crate::name` and `crate::{name, …}`. What follows a test module is one.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if text.lines().nth(n + 1).is_some_and(|next| line.trim() == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{')) {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let names = rest.strip_prefix('{').unwrap_or(rest);
            let many = names.len() < rest.len();
            for part in names.split(',').take(if many { usize::MAX } else { 1 }) {
                let name: String = part.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if !name.is_empty() {
                    found.push((n + 1, name));
                }
            }
        }
    }
    found
}

#[test]
fn a_wrong_import_is_seen() {
    let text = "use crate::{net::x, cli};\nfn f(a: crate::app::B) {} // crate::no\n#[cfg(test)]\nmod tests {\n use crate::late;";
    let found: Vec<_> = imports(text).into_iter().map(|(line, name)| format!("{line} {name}")).collect();
    assert_eq!(found, ["1 net", "1 cli", "2 app"]);
}
