//! From TOML text to a tree of values, with the place of everything noted and `${ENV}` filled in.

use super::env;
use super::schema::SchemaError;
use super::source::{EntryPart, Spans, join};
use crate::base::report::Diagnostic;
use serde_json::{Map, Number, Value};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads one file's text. `first_rule` is the number of rules already read from earlier files, so that theirs
/// are counted on.
pub fn read(
    spans: &mut Spans,
    file: usize,
    first_rule: usize,
    environment: Environment<'_>,
    found: &mut Vec<SchemaError>,
) -> Map<String, Value> {
    let Some(text) = spans.source(file).map(|source| source.text.clone()) else { return Map::new() };
    let (table, errors) = DeTable::parse_recoverable(&text);
    if !errors.is_empty() {
        syntax_errors(spans, file, &errors, found);
        return Map::new();
    }
    let mut reader = ConfReader { spans, file, first_rule, environment, found };
    reader.table("", table.get_ref())
}

/// One finding a line: what follows a mistake on its own line is seldom a second one.
fn syntax_errors(spans: &Spans, file: usize, errors: &[toml::de::Error], found: &mut Vec<SchemaError>) {
    let mut last_line = None;
    for error in errors.iter() {
        let place = spans
            .source(file)
            .map(|source| source.place(error.span().map_or(source.text.len(), |span| span.start)));
        let line = place.as_ref().map(|p| p.line);
        if line == last_line {
            continue;
        }
        last_line = line;
        let mut message = error.message().trim().replace('\n', ", ");
        let key = spans.source(file).zip(error.span()).and_then(|(source, span)| source.text.get(span));
        let help = match message.as_str() {
            "duplicate key" => {
                message = format!("`{}` is given twice", key.unwrap_or_default());
                "each key and each table can stand once; put both into one"
            }
            m if m.contains("string")
                || m.starts_with("invalid float")
                || m.starts_with("invalid integer")
                || m.contains("literal") =>
            {
                message = m.trim_end_matches(", expected nothing").to_owned();
                "texts stand in double quotes, as in key = \"value\""
            }
            _ => "the file is TOML: [table] lines, and key = value lines with texts in double quotes",
        };
        let finding = Diagnostic::error(message).help(help);
        let finding = place.into_iter().fold(finding, Diagnostic::at);
        found.push(SchemaError { path: String::new(), part: EntryPart::Value, finding });
    }
}

struct ConfReader<'a, 'e> {
    spans: &'a mut Spans,
    file: usize,
    first_rule: usize,
    environment: Environment<'e>,
    found: &'a mut Vec<SchemaError>,
}

impl ConfReader<'_, '_> {
    fn table(&mut self, path: &str, table: &DeTable<'_>) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in table {
            let at = join(path, key.get_ref());
            self.spans.note(&at, self.file, key.span(), value.span());
            if let Some(value) = self.value(&at, value, key.span()) {
                map.insert(key.get_ref().to_string(), value);
            }
        }
        map
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>, key: Range<usize>) -> Option<Value> {
        match value.get_ref() {
            DeValue::String(text) => self.string(path, text),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                parsed
                    .ok()
                    .map(Value::from)
                    .or_else(|| self.refuse(path, format!("the number {number} is too large")))
            }
            DeValue::Float(number) => {
                let parsed = number.as_str().parse().ok().and_then(Number::from_f64);
                parsed
                    .map(Value::Number)
                    .or_else(|| self.refuse(path, format!("{number} is not a number that can be used here")))
            }
            DeValue::Boolean(yes) => Some(Value::Bool(*yes)),
            DeValue::Datetime(date) => self.refuse(
                path,
                format!("{date} is a date; no key takes one, and a text stands in double quotes"),
            ),
            DeValue::Array(items) => {
                let base = if path == "rule" { self.first_rule } else { 0 };
                let mut list = Vec::new();
                for (n, item) in items.iter().enumerate() {
                    let at = format!("{path}[{}]", base + n);
                    // A `[[rule]]` table has a span of its own; for inline items key and value are the same
                    // place.
                    let span = if item.span().is_empty() { key.clone() } else { item.span() };
                    self.spans.note(&at, self.file, span.clone(), span.clone());
                    // An item refused stays as null, so that the others keep their numbers; the load fails
                    // anyway.
                    list.push(self.value(&at, item, span).unwrap_or(Value::Null));
                }
                Some(Value::Array(list))
            }
            DeValue::Table(table) => Some(Value::Object(self.table(path, table))),
        }
    }

    fn string(&mut self, path: &str, text: &str) -> Option<Value> {
        match env::expand(text, self.environment) {
            Ok(text) => Some(Value::String(text)),
            Err(env::EnvError { message, help }) => {
                self.push(path, Diagnostic::error(message).help(help));
                None
            }
        }
    }

    fn refuse(&mut self, path: &str, message: String) -> Option<Value> {
        self.push(path, Diagnostic::error(message));
        None
    }

    fn push(&mut self, path: &str, finding: Diagnostic) {
        let finding = self.spans.place(path, EntryPart::Value).into_iter().fold(finding, Diagnostic::at);
        self.found.push(SchemaError { path: path.to_owned(), part: EntryPart::Value, finding });
    }
}
