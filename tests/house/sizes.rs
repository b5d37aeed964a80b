//! A file is read in one sitting, a function at one glance.

use super::{collect, is_test, source, without_tests};
use std::fs;

const LINES_OF_A_FILE: usize = 400;
const LINES_OF_A_FUNCTION: usize = 80;

#[test]
fn files_and_functions_are_short() {
    let (mut paths, mut long, mut seen) = (Vec::new(), Vec::new(), 0);
    collect(&source(), &mut paths);
    for path in &paths {
        let inner = path.strip_prefix(source()).unwrap();
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().count();
        if lines > LINES_OF_A_FILE {
            long.push(format!("src/{}: {lines} lines, {LINES_OF_A_FILE} at most", inner.display()));
        }
        for (line, name, lines) in functions(without_tests(&text)).into_iter().filter(|_| !is_test(inner)) {
            seen += 1;
            if lines > LINES_OF_A_FUNCTION {
                long.push(format!(
                    "src/{}:{line}: `{name}` has {lines} lines, {LINES_OF_A_FUNCTION} at most",
                    inner.display()
                ));
            }
        }
    }
    assert!(seen > 1500, "{seen} functions");
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Where each function begins, its name and its length. All of it is formatted: a function ends with the
/// brace below its beginning.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| word.starts_with("pub") || matches!(*word, "const" | "async" | "unsafe"));
        if words.next() != Some("fn") {
            continue;
        }
        let name = words.next().unwrap_or_default().split(['(', '<']).next().unwrap_or_default();
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let ends_at_once = line.trim_end().ends_with(['}', ';']);
        let length = if ends_at_once {
            1
        } else {
            lines[n..].iter().position(|line| **line == end).map_or(1, |last| last + 1)
        };
        found.push((n + 1, name, length));
    }
    found
}

#[test]
fn a_function_is_measured() {
    let text = "impl A {\n    pub(super) async fn one(\n        self,\n    ) {\n        if x {\n        }\n    }\n\n    fn two<T>() {}\n}\n";
    assert_eq!(functions(text), [(2, "one", 6), (9, "two", 1)]);
}
