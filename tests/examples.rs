//! What the repository shows as a conf file is one.

use homing::config::model::Config;
use std::fs;
use std::path::Path;

fn parse(name: &str, text: &str) -> Config {
    toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_example_is_a_valid_conf() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            let conf = parse(&path.display().to_string(), &fs::read_to_string(&path).unwrap());
            assert!(!conf.listener.is_empty() && !conf.cluster.is_empty(), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} examples");
}
