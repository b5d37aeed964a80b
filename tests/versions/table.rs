//! The tables: rows as text, read and written. Their form is told at the head of `down.txt`.

use std::fmt::Write as _;
use std::path::PathBuf;

/// Which HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Http {
    One,
    Two,
}

/// Who was asked; as indices of a row's results.
pub const WHO: [&str; 3] = ["homing", "haproxy", "httpd"];

/// One case.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub name: String,
    /// The clause that it follows from.
    pub clause: String,
    /// `h2 > h1`: a request's way down; `h2 < h1`: an answer's way up.
    pub way: String,
    pub sent: Vec<String>,
    /// What arrived, by [`WHO`].
    pub seen: [Vec<String>; 3],
    /// Why Homing agrees with neither of the others.
    pub because: String,
}

impl Row {
    pub fn client(&self) -> Http {
        if self.way.starts_with("h2") { Http::Two } else { Http::One }
    }

    pub fn node(&self) -> Http {
        if self.way.ends_with("h2") { Http::Two } else { Http::One }
    }

    pub fn is_answer(&self) -> bool {
        self.way.contains('<')
    }

    /// What is left of a row without its values: rows that differ in nothing else are one.
    pub fn shape(&self) -> String {
        let bare = |item: &String| match item.split_once(": ") {
            _ if item.starts_with("raw: ") => item.clone(),
            Some((name, _)) => name.to_owned(),
            None if item.contains(" HTTP/1.") => item.split(' ').next().unwrap_or_default().to_owned(),
            None => item.clone(),
        };
        let sent: Vec<String> = self.sent.iter().map(bare).collect();
        format!("{} {}", self.way, sent.join("|"))
    }
}

/// A table: what stands before its first row, and its rows.
pub struct Table {
    path: PathBuf,
    preface: String,
    pub rows: Vec<Row>,
}

impl Table {
    pub fn read(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/versions").join(name);
        let text = std::fs::read_to_string(&path).expect("the table is there");
        let (preface, text) = text.split_at(text.find("\n== ").map_or(text.len(), |at| at + 1));
        let rows = text.split("== ").filter(|block| !block.trim().is_empty()).map(row).collect();
        Self { path, preface: preface.to_owned(), rows }
    }

    /// Writes it back, with what was seen.
    pub fn write(&self) {
        let mut text = self.preface.clone();
        for row in &self.rows {
            let _ = write!(text, "== {}\n{}\n{}\n", row.name, row.clause, row.way);
            row.sent.iter().for_each(|item| _ = writeln!(text, "  {item}"));
            for (who, seen) in WHO.iter().zip(&row.seen) {
                let _ = writeln!(text, "{who}");
                seen.iter().for_each(|line| _ = writeln!(text, "  {line}"));
            }
            if !row.because.is_empty() {
                let _ = writeln!(text, "because {}", row.because);
            }
            text.push('\n');
        }
        std::fs::write(&self.path, text.trim_end().to_owned() + "\n").expect("the table is written");
    }
}

fn row(block: &str) -> Row {
    let mut lines = block.lines();
    let mut next = || lines.next().unwrap_or_default().trim().to_owned();
    let mut row = Row { name: next(), clause: next(), way: next(), ..Row::default() };
    let mut part: Option<usize> = None;
    for line in lines.filter(|line| !line.is_empty()) {
        match (line.strip_prefix("  "), part) {
            (Some(item), None) => row.sent.push(item.to_owned()),
            (Some(item), Some(who)) => row.seen[who].push(item.to_owned()),
            (None, _) if line.starts_with("because ") => row.because = line["because ".len()..].to_owned(),
            (None, _) => {
                let at = WHO.iter().position(|who| *who == line);
                part = Some(at.unwrap_or_else(|| panic!("{}: {line:?} is no part of a row", row.name)));
            }
        }
    }
    row
}

/// What was decided: in how many words a request is refused does not matter, nor the order of fields of
/// different names. That a whole connection ends with it does.
pub fn decision(seen: &[String]) -> Vec<String> {
    match seen {
        [one] if ["status 4", "status 5", "reset ", "closed"].iter().any(|how| one.starts_with(how)) => {
            vec!["refused".into()]
        }
        _ => {
            let mut lines = seen.to_vec();
            lines.sort_by(|a, b| a.split(": ").next().cmp(&b.split(": ").next()));
            lines
        }
    }
}

/// A part of a body, if the item is one.
pub fn data(item: &str) -> Option<&str> {
    item.strip_prefix("data:").map(|text| text.strip_prefix(' ').unwrap_or(text))
}

/// Bytes that are sent as they stand, if the item says so.
pub fn raw(item: &str) -> Option<Vec<u8>> {
    item.strip_prefix("raw: ").map(bytes)
}

/// Bytes as a table writes them.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        let edge = at == 0 || at + 1 == bytes.len();
        match byte {
            b' ' if edge => text.push_str("\\s"),
            b'\t' => text.push_str("\\t"),
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => _ = write!(text, "\\x{byte:02x}"),
        }
    }
    text
}

/// And back.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let (byte, length) = match rest {
            [b's', ..] => (b' ', 1),
            [b't', ..] => (b'\t', 1),
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b'x', high, low, ..] => {
                (u8::from_str_radix(&format!("{}{}", char::from(*high), char::from(*low)), 16).unwrap(), 3)
            }
            _ => (b'\\', 1),
        };
        out.push(byte);
        rest = &rest[length..];
    }
    out
}
