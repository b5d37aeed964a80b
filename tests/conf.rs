//! Golden tests of what is said about mistaken conf files, and tests of the files that come with homing.
//!
//! A case in `tests/conf` is a conf file, a line of dashes, and what must be said of it. `HOMING_BLESS=1`
//! writes what is said now.

use homing::config::{self, model::Config};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn bless() -> bool {
    std::env::var_os("HOMING_BLESS").is_some()
}

fn said(text: &str) -> String {
    let found = match config::parse_str(text, Path::new("homing.toml")) {
        Ok(loaded) => loaded.warnings,
        Err(found) => found,
    };
    found.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn mistakes_are_named_with_their_place() {
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(root("tests/conf")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.extension().is_some_and(|extension| extension == "txt"));
    cases.sort();
    assert!(cases.len() >= 24, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let text = std::fs::read_to_string(&case).unwrap();
        let (input, expected) = text.split_once("\n----------\n").unwrap_or((text.trim_end(), ""));
        let said = said(input);
        if bless() {
            std::fs::write(&case, format!("{input}\n----------\n{said}")).unwrap();
        } else if said != expected {
            wrong.push(format!("{}:\n{said}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_has_a_place_and_help() {
    for entry in std::fs::read_dir(root("tests/conf")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let (_, expected) = text.split_once("\n----------\n").unwrap();
        assert!(expected.contains("homing.toml:") && expected.contains("help: "), "{text}");
    }
}

#[test]
fn the_example_file_loads() {
    let loaded = config::load(&root("conf/homing.toml")).unwrap_or_else(|found| panic!("{found:?}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(
        (loaded.config.listener.len(), loaded.config.rule.len(), loaded.config.cluster["app"].nodes.len()),
        (1, 1, 2)
    );
}

#[test]
fn the_example_file_names_every_key() {
    let mut keys = BTreeSet::new();
    collect_keys(config::schema::schema(), &mut keys);
    let text = std::fs::read_to_string(root("conf/homing.toml")).unwrap();
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    let not_yet = ["secret-file"];
    let missing: Vec<&String> =
        keys.iter().filter(|key| !words.contains(key.as_str()) && !not_yet.contains(&key.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(not_yet.iter().all(|key| !words.contains(key)));
}

fn collect_keys(schema: &serde_json::Value, keys: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) {
        keys.extend(properties.keys().cloned());
    }
    if let Some(definitions) = schema.get("$defs").and_then(|p| p.as_object()) {
        definitions.values().for_each(|definition| collect_keys(definition, keys));
    }
}

/// The lines that are commented out must be right too: each block is tried with its `#` taken away.
#[test]
fn the_commented_lines_of_the_example_have_the_right_shape() {
    let text = std::fs::read_to_string(root("conf/homing.toml")).unwrap();
    let mut table = String::new();
    let mut tried = 0;
    for line in text.lines() {
        let line = line
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['))
            .unwrap_or(line);
        if line.starts_with('[') {
            table = line.to_owned();
            continue;
        }
        let key = line.split_once('=').map(|(key, _)| key.trim()).unwrap_or_default();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            continue;
        }
        let one = format!("{}\n{}\n", table, line.replace("${COOKIE_KEY}", "secret"));
        toml::from_str::<Config>(&one).unwrap_or_else(|error| panic!("{one}{error}"));
        tried += 1;
    }
    assert!(tried > 90, "{tried}");
}

#[test]
fn the_schema_file_is_current() {
    let path = root("conf/homing.schema.json");
    if bless() {
        std::fs::write(&path, config::schema_text()).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == config::schema_text(),
        "run with HOMING_BLESS=1 to write it anew"
    );
}
