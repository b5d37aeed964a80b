//! Who searches for a type finds one.

use super::{collect, is_test, source, without_tests};
use std::collections::BTreeMap;
use std::fs;

/// Where a name may stand that a type elsewhere has: the conf file's and the API's words, which are the
/// user's, and what stands in for spans where they are not built in.
const OTHERS: [&str; 6] = [
    "config/model",
    "admin/status",
    "admin/operate.rs",
    "admin/openapi.rs",
    "telemetry/traces/absent.rs",
    "telemetry/traces/no_span.rs",
];

#[test]
fn a_name_is_borne_by_one_type() {
    let (mut paths, mut all) = (Vec::new(), BTreeMap::<String, Vec<String>>::new());
    collect(&source(), &mut paths);
    for path in &paths {
        let inner = path.strip_prefix(source()).unwrap();
        if !is_test(inner) && !OTHERS.iter().any(|other| inner.to_str().unwrap().starts_with(other)) {
            for (line, name) in types(without_tests(&fs::read_to_string(path).unwrap())) {
                all.entry(name).or_default().push(format!("src/{}:{line}", inner.display()));
            }
        }
    }
    let shared: Vec<_> = all
        .iter()
        .filter(|(_, at)| at.len() > 1)
        .map(|(name, at)| format!("{name}: {}", at.join(", ")))
        .collect();
    assert!(
        all.len() > 500 && shared.is_empty(),
        "of {} names, by several types:\n{}",
        all.len(),
        shared.join("\n")
    );
}

/// The types that a file defines, with the line. What a trait leaves open is none.
fn types(text: &str) -> Vec<(usize, String)> {
    let name = |line: &str| {
        let code = line.trim_start();
        let code =
            code.strip_prefix("pub(").and_then(|code| code.split_once(") ")).map_or(code, |(_, code)| code);
        let code = code.strip_prefix("pub ").unwrap_or(code);
        let kinds = if line.starts_with(' ') {
            &["struct ", "enum ", "trait "][..]
        } else {
            &["struct ", "enum ", "trait ", "type "]
        };
        let name = kinds.iter().find_map(|kind| code.strip_prefix(kind))?;
        let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        // a macro's is whatever it is called with
        (!name.is_empty()).then_some(name)
    };
    text.lines().enumerate().filter_map(|(n, line)| Some((n + 1, name(line)?))).collect()
}

#[test]
fn a_type_is_seen() {
    let text = "pub struct A<T>(T);\nimpl X for A {\n    type Y = Z;\n}\npub(super) enum B {\n    pub trait C: D {}\ntype E = F;\n// struct G";
    let found: Vec<_> = types(text).into_iter().map(|(line, name)| format!("{line} {name}")).collect();
    assert_eq!(found, ["1 A", "5 B", "6 C", "7 E"]);
}
