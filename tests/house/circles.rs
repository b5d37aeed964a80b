//! No file imports one that imports it, by however many others. What a module only passes on (`pub use`) it
//! does not use itself: who imports it from there is held to import the file that has it.

use super::{collect, is_test, source, without_tests};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

type Path = Vec<String>;

/// The files of a crate by the paths of their modules.
struct Crate(BTreeMap<Path, File>);

struct File {
    name: String,
    code: String,
    uses: Vec<Use>,
}

/// One name of a `use`.
struct Use {
    path: Path,
    /// What it is called here.
    name: String,
    /// It is passed on.
    public: bool,
}

#[test]
fn no_file_imports_one_that_imports_it() {
    let mut paths = Vec::new();
    collect(&source(), &mut paths);
    let files = paths.iter().filter_map(|path| {
        let inner = path.strip_prefix(source()).unwrap();
        let name = inner.to_str().unwrap().to_owned();
        (!is_test(inner) && !matches!(&*name, "lib.rs" | "main.rs"))
            .then(|| (name, fs::read_to_string(path).unwrap()))
    });
    let files: Vec<_> = files.collect();
    let house = Crate::of(files.iter().map(|(name, text)| (&**name, &**text)));
    let imports = house.imports();
    let seen: usize = imports.values().map(BTreeMap::len).sum();
    assert!(files.len() > 200 && seen > 500, "{} files, {seen} imports", files.len());
    let circles = circles(&imports);
    assert!(circles.is_empty(), "files that import each other:\n{}", circles.join("\n"));
}

impl Crate {
    fn of<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.map(|(name, text)| {
            let plain = name.trim_end_matches(".rs");
            let path = plain.strip_suffix("/mod").unwrap_or(plain).split('/').map(str::to_owned).collect();
            let code: String = without_tests(text)
                .lines()
                .map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n")
                .collect();
            (path, File { name: name.to_owned(), code, uses: Vec::new() })
        });
        let mut all = Self(files.collect());
        let uses: Vec<(Path, Vec<Use>)> =
            all.0.iter().map(|(path, file)| (path.clone(), all.uses(path, &file.code))).collect();
        for (path, uses) in uses {
            all.0.get_mut(&path).unwrap().uses = uses;
        }
        all
    }

    fn uses(&self, module: &Path, code: &str) -> Vec<Use> {
        let mut found = Vec::new();
        for (at, statement) in statements(code) {
            let before = code[..at].trim_end();
            let public = before.ends_with("pub") || before.ends_with(')');
            for leaf in leaves(statement) {
                let (path, name) =
                    leaf.split_once(" as ").map_or((&*leaf, None), |(path, name)| (path, Some(name)));
                if let Some(path) = self.absolute(module, path) {
                    let name = name.unwrap_or(path.last().map_or("", String::as_str)).to_owned();
                    found.push(Use { path, name, public });
                }
            }
        }
        found
    }

    /// A path from the root of the crate; none for what is of another crate, or of this file itself.
    fn absolute(&self, module: &Path, path: &str) -> Option<Path> {
        let mut parts = path.split("::").map(|part| part.trim().to_owned()).peekable();
        let mut whole = match parts.peek()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => module.clone(),
            child => {
                let path: Path = module.iter().cloned().chain([child.to_owned()]).collect();
                return self.0.contains_key(&path).then(|| module.iter().cloned().chain(parts).collect());
            }
        };
        while let Some(first) = parts.next_if(|part| matches!(&**part, "crate" | "self" | "super")) {
            if first == "super" {
                whole.pop();
            }
        }
        whole.extend(parts.filter(|part| part != "self"));
        Some(whole)
    }

    /// The files that have what a path names.
    fn files(&self, path: &[String], depth: usize) -> BTreeSet<&str> {
        let mut longest = (0..=path.len()).rev().filter(|length| self.0.contains_key(&path[..*length]));
        let Some(length) = longest.next() else { return BTreeSet::new() };
        let file = &self.0[&path[..length]];
        let passed_on = path
            .get(length)
            .filter(|_| depth < 8)
            .map(|name| file.uses.iter().filter(move |found| found.name == **name));
        let further: BTreeSet<&str> = passed_on
            .into_iter()
            .flatten()
            .flat_map(|found| self.files(&[&found.path[..], &path[length + 1..]].concat(), depth + 1))
            .collect();
        if further.is_empty() { [&*file.name].into() } else { further }
    }

    /// What each file imports, and by which path.
    fn imports(&self) -> BTreeMap<&str, BTreeMap<&str, String>> {
        let mut all: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for (module, file) in &self.0 {
            let used = file.uses.iter().filter(|found| !found.public).map(|found| found.path.clone());
            let named = paths(&file.code).into_iter().filter_map(|path| self.absolute(module, path));
            let own = all.entry(&file.name).or_default();
            for path in used.chain(named) {
                let others = self.files(&path, 0).into_iter().filter(|other| *other != file.name);
                others.for_each(|other| _ = own.entry(other).or_insert_with(|| path.join("::")));
            }
        }
        all
    }
}

/// What stands in `use …;`, and where that begins.
fn statements(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let begins = code
        .match_indices("use ")
        .filter(|(at, _)| code[..*at].chars().next_back().is_none_or(char::is_whitespace));
    begins.filter_map(|(at, word)| Some((at, code[at + word.len()..].split_once(';')?.0)))
}

/// The single paths of a tree: `a::{b, c::{self, d as e}}` has three.
fn leaves(tree: &str) -> Vec<String> {
    let Some((before, inner)) = tree.trim().split_once('{') else {
        return vec![tree.split_whitespace().collect::<Vec<_>>().join(" ")];
    };
    let inner = inner
        .trim_end()
        .trim_end_matches(|c: char| c == '}' && inner.matches('{').count() < inner.matches('}').count());
    let (mut depth, mut branches) = (0, vec![String::new()]);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if depth == 0 => branches.push(String::new()),
            _ => branches.last_mut().unwrap().push(c),
        }
    }
    let branches = branches.iter().filter(|branch| !branch.trim().is_empty());
    branches.flat_map(|branch| leaves(branch)).map(|leaf| format!("{}{leaf}", before.trim())).collect()
}

/// The paths that stand in the code, outside of `use`.
fn paths(code: &str) -> Vec<&str> {
    let of_use: Vec<_> = statements(code).map(|(at, statement)| at..at + statement.len() + 4).collect();
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c| !is_path(c)).filter(|word| word.contains("::"));
    let place = |word: &str| word.as_ptr() as usize - code.as_ptr() as usize;
    words
        .filter(|word| !of_use.iter().any(|range| range.contains(&place(word))))
        .map(|word| word.trim_end_matches(':'))
        .collect()
}

/// The imports that lead back to where they are.
fn circles(imports: &BTreeMap<&str, BTreeMap<&str, String>>) -> Vec<String> {
    let edges = imports
        .iter()
        .flat_map(|(file, others)| others.iter().map(move |(other, path)| (*file, *other, path)));
    let back = edges.filter(|(file, other, _)| leads_to(other, file, imports));
    back.map(|(file, other, path)| format!("{file} imports {other} ({path})")).collect()
}

fn leads_to(from: &str, to: &str, imports: &BTreeMap<&str, BTreeMap<&str, String>>) -> bool {
    let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
    while let Some(file) = open.pop() {
        if file == to {
            return true;
        }
        open.extend(imports[file].keys().copied().filter(|other| seen.insert(other)));
    }
    false
}

#[test]
fn a_circle_is_seen_whichever_way_it_is_imported() {
    let found = |files: &[(&str, &str)]| circles(&Crate::of(files.iter().copied()).imports()).len();
    let straight = [
        ("a/mod.rs", "mod x;\nmod y;\npub use x::X;\n"),
        ("a/x.rs", "pub struct X;"),
        ("a/y.rs", "use super::X;"),
    ];
    assert_eq!(found(&straight), 0, "what is passed on is not used");
    assert_eq!(
        found(&[straight[0], ("a/x.rs", "use super::y::{self, Y};"), straight[2]]),
        2,
        "by what is passed on"
    );
    assert_eq!(
        found(&[("a.rs", "use crate::b::{c::D, self};"), ("b.rs", "fn f(a: crate::a::A) {} // b::c")]),
        2,
        "in the code"
    );
    assert_eq!(
        found(&[("a/mod.rs", "mod x;\nuse x::X;"), ("a/x.rs", "use super::{\n    Y, Z as W,\n};")]),
        2,
        "parent and child"
    );
    assert_eq!(
        found(&[
            ("a/mod.rs", "mod x;\nfn f() { x::g() }"),
            ("a/x.rs", "#[cfg(test)]\nmod tests {\n    use super::super::f;")
        ]),
        0,
        "a test"
    );
    assert_eq!(
        found(&[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c::C;"), ("c.rs", "use crate::a::A;")]),
        3
    );
}
