//! The house keeps its order: a module imports only from those before it in the map of `src/lib.rs`, the
//! planes stay apart, no files import each other, none is long, and no two types have one name.
#![allow(clippy::unwrap_used)]

#[path = "house/circles.rs"]
mod circles;
#[path = "house/names.rs"]
mod names;
#[path = "house/sizes.rs"]
mod sizes;

use std::fs;
use std::path::{Path, PathBuf};

/// What serves clients' requests.
const DATA_PLANE: [&str; 9] =
    ["transport", "upstream", "balance", "affinity", "ledger", "table", "telemetry", "proxy", "net"];
/// What changes the table, and shows it.
const CONTROL_PLANE: [&str; 4] = ["control", "serve", "feed", "admin"];

#[test]
fn imports_point_one_way() {
    let order = order(&fs::read_to_string(source().join("lib.rs")).unwrap());
    let place = |of: &str| {
        order
            .iter()
            .position(|name| name == of)
            .unwrap_or_else(|| panic!("{of} is not in the map of src/lib.rs"))
    };
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (at, top, name) in all_imports() {
        seen += 1;
        if !order.contains(&name) || place(&name) > place(&top) {
            wrong.push(format!("{at}: `{top}` stands before `{name}` and may not import it"));
        }
    }
    assert!(seen > 500 && order.len() > 10, "{seen} imports, {} modules", order.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Who waits for whom: requests for nothing of the control plane, and that knows nothing of connections and
/// their threads. Only `app`, which wires both, may.
#[test]
fn the_planes_stay_apart() {
    let parts = |planes: &[&str]| planes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (data, control) = (parts(&DATA_PLANE), parts(&CONTROL_PLANE));
    let known = order(&fs::read_to_string(source().join("lib.rs")).unwrap());
    let gone: Vec<_> = data.iter().chain(&control).filter(|name| !known.contains(name)).collect();
    assert!(gone.is_empty(), "not in the map of src/lib.rs: {gone:?}");
    let crosses = |top: &String, name: &String| match data.contains(top) {
        true => control
            .contains(name)
            .then(|| format!("`{top}` is of the data plane, which waits for nothing: not for `{name}`")),
        false => (control.contains(top) && name == "net")
            .then(|| format!("`{top}` is of the control plane and knows no `net`: `app` wires them")),
    };
    let wrong: Vec<_> = all_imports()
        .iter()
        .filter_map(|(at, top, name)| crosses(top, name).map(|why| format!("{at}: {why}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// CONTRIBUTING.md says of the same modules, in the same order, what they own.
#[test]
fn the_map_is_told_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let row = |line: &str| Some(line.strip_prefix("| `")?.split_once("` | ")?.0.to_owned());
    let told: Vec<String> = told
        .split("## The map")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter_map(row)
        .collect();
    assert_eq!(
        told,
        order(&fs::read_to_string(root.join("src/lib.rs")).unwrap()),
        "CONTRIBUTING.md, and src/lib.rs"
    );
}

/// A file that the way of a request is told by is there: whoever renames it tells so.
#[test]
fn the_way_of_a_request_leads_through_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = fs::read_to_string(root.join("docs/src/architecture.md")).unwrap();
    let named: Vec<&str> = told
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| text.starts_with("src/") || text.starts_with("tests/"))
        .collect();
    let gone: Vec<_> = named.iter().filter(|name| !root.join(name).exists()).collect();
    assert!(
        named.len() > 40 && gone.is_empty(),
        "docs/src/architecture.md names {} files; not there: {gone:?}",
        named.len()
    );
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Each import of the crate outside of tests: where, of which module, and what.
fn all_imports() -> Vec<(String, String, String)> {
    let (source, mut files, mut found) = (source(), Vec::new(), Vec::new());
    collect(&source, &mut files);
    for file in &files {
        let inner = file.strip_prefix(&source).unwrap();
        let top = inner.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if !matches!(top, "lib" | "main") && !is_test(inner) {
            let all = imports(&fs::read_to_string(file).unwrap()).into_iter();
            found.extend(
                all.map(|(line, name)| (format!("src/{}:{line}", inner.display()), top.to_owned(), name)),
            );
        }
    }
    found
}

/// The names in the map, each `//! - [`name`]: …`.
fn order(lib: &str) -> Vec<String> {
    lib.lines()
        .filter_map(|line| Some(line.strip_prefix("//! - [`")?.split_once('`')?.0.to_owned()))
        .collect()
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

/// A file up to its test module, if it has one: what follows that is one, too.
fn without_tests(text: &str) -> &str {
    let mut tests =
        text.match_indices("#[cfg(test)]\n").filter(|(at, _)| *at == 0 || text[..*at].ends_with('\n'));
    let module = tests.find(|(at, line)| {
        let mut below = text[at + line.len()..].lines().skip_while(|line| line.starts_with("#["));
        below.next().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    });
    module.map_or(text, |(at, _)| &text[..at])
}

/// What a file names of the crate, with the line: `crate::name` and `crate::{name, …}`.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (n, line) in without_tests(text).lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let names = rest.strip_prefix('{').unwrap_or(rest);
            let many = names.len() < rest.len();
            for part in names.split(',').take(if many { usize::MAX } else { 1 }) {
                let name: String =
                    part.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
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
