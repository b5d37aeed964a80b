//! Whether what a command printed is what a page tells: numbers, ids, times and widths may be other ones.

pub fn regex(pattern: &str) -> regex::Regex {
    regex::Regex::new(pattern).unwrap()
}

/// Whether a text has these parts in this order; `…` stands for anything.
fn fits(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    pattern.split('…').filter(|part| !part.is_empty()).all(|part| match rest.find(part.trim()) {
        Some(at) => {
            rest = &rest[at + part.trim().len()..];
            true
        }
        None => false,
    })
}

/// A line without what differs from run to run; `names`: nodes were drawn, so that theirs differ too.
fn masked(line: &str, names: bool) -> String {
    let line = regex(r"\d{4}-\d\d-\d\dT\S+|[0-9a-f]{16}|\d+ (s|min|h)\b( \d+ (s|min)\b)?")
        .replace_all(line, "#")
        .into_owned();
    let line = if line.contains("visit") {
        line
    } else {
        regex(r"([A-Za-z]?)\d+(\.\d+)*").replace_all(&line, Number).into_owned()
    };
    let line = if names { regex(r"\bn\d\b").replace_all(&line, "n#").into_owned() } else { line };
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number; one behind a letter is part of a name.
struct Number;

impl regex::Replacer for Number {
    fn replace_append(&mut self, found: &regex::Captures<'_>, out: &mut String) {
        out.push_str(if found[1].is_empty() { "#" } else { &found[0] });
    }
}

/// Whether all that is said to be printed was, line for line and in this order; a line of `…` is any lines.
pub fn is_as_told(said: &str, printed: &[String], names: bool) -> bool {
    let mut lines = said.lines().map(|line| masked(line, names));
    printed.iter().filter(|line| !matches!(line.trim(), "" | "…")).all(|line| {
        let told = masked(line, names);
        lines.any(|line| if told.contains('…') { fits(&line, &told) } else { line == told })
    })
}

#[test]
fn what_was_not_printed_is_seen() {
    let told = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let said = "node n1  ready  12 s\nnode n2  down  3 s\n";
    assert!(is_as_told(said, &told(&["node n1 ready 1 s", "…", "…n2 …down…"]), false));
    assert!(
        !is_as_told(said, &told(&["node n1 down 1 s"]), false)
            && is_as_told(said, &told(&["node n2 ready 1 s"]), true)
    );
    assert!(!is_as_told(said, &told(&["…n2…", "…n1…"]), false), "the order counts");
}
