//! The shape of a conf file against its JSON Schema: unknown keys, wrong types, unknown words, values out of
//! range; all of them, each at its place. The schema comes from the model, so a new key needs no line here.

use super::source::{EntryPart, join};
use super::suggest::did_you_mean;
use crate::base::report::Diagnostic;
use crate::base::units::{Duration, Network, Size};
use serde_json::{Map, Value};
use std::sync::OnceLock;

/// The JSON Schema of the conf file.
pub fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(super::model::Config).to_value())
}

/// A finding with the dotted path it is about.
pub struct SchemaError {
    /// The path.
    pub path: String,
    /// Key or value.
    pub part: EntryPart,
    /// What is wrong, without its place.
    pub finding: Diagnostic,
}

/// Every way in which the tree does not fit the schema. What does not fit is taken out of the tree, so that
/// the rest can be read on.
pub fn prune(tree: &mut Value) -> Vec<SchemaError> {
    let mut walk = Walk { misfits: Vec::new() };
    walk.value(tree, schema(), "", "");
    walk.misfits
}

struct Walk {
    misfits: Vec<SchemaError>,
}

impl Walk {
    /// True when the value can stay (its children may have been thinned out).
    fn value(&mut self, value: &mut Value, schema: &Value, path: &str, unit: &str) -> bool {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.rsplit('/').next().unwrap_or_default();
            return match super::schema::schema()["$defs"].get(name) {
                Some(definition) => self.value(value, definition, path, name),
                None => true,
            };
        }
        if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
            return self.any_of(value, branches, path);
        }
        if let Some(words) = words(schema) {
            return self.word(value, &words, path);
        }
        if !type_fits(value, schema) {
            // A unit explains itself better by its name than as the text that it is written as.
            let named = serde_json::json!({ "$ref": format!("#/$defs/{unit}") });
            let expected = if unit.is_empty() { schema } else { &named };
            self.wrong_type(value, &[expected], path);
            return false;
        }
        match value {
            Value::Object(map) => {
                self.object(map, schema, path);
                true
            }
            Value::Array(items) => {
                let Some(of) = schema.get("items") else { return true };
                let mut fit = true;
                for (n, item) in items.iter_mut().enumerate() {
                    fit &= self.value(item, of, &format!("{path}[{n}]"), "");
                }
                fit
            }
            Value::String(text) => self.text(text, unit, path),
            Value::Number(_) => self.number(value, schema, path),
            _ => true,
        }
    }

    fn any_of(&mut self, value: &mut Value, branches: &[Value], path: &str) -> bool {
        let fitting: Vec<&Value> =
            branches.iter().filter(|branch| type_fits(value, resolve(branch))).collect();
        match fitting.as_slice() {
            [] => {
                let branches: Vec<&Value> = branches.iter().collect();
                self.wrong_type(value, &branches, path);
                false
            }
            [only] => self.value(value, only, path, ""),
            several => {
                let mut best: Option<(Vec<SchemaError>, Value, bool)> = None;
                for branch in several {
                    let mut attempt = Walk { misfits: Vec::new() };
                    let mut copy = value.clone();
                    let fit = attempt.value(&mut copy, branch, path, "");
                    if best.as_ref().is_none_or(|(misfits, ..)| attempt.misfits.len() < misfits.len()) {
                        best = Some((attempt.misfits, copy, fit));
                    }
                }
                let Some((misfits, copy, fit)) = best else { return true };
                self.misfits.extend(misfits);
                *value = copy;
                fit
            }
        }
    }

    fn object(&mut self, map: &mut Map<String, Value>, schema: &Value, path: &str) {
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        let keys: Vec<String> = map.keys().cloned().collect();
        for key in keys {
            let at = join(path, &key);
            let of = known.and_then(|known| known.get(&key)).or(others.filter(|others| others.is_object()));
            let keep = match (of, map.get_mut(&key)) {
                (Some(of), Some(value)) => self.value(value, of, &at, ""),
                _ if others != Some(&Value::Bool(false)) => true,
                _ => {
                    let inside = if path.is_empty() {
                        "at the top of the file".to_owned()
                    } else {
                        format!("in `{path}`")
                    };
                    let names = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
                    let help = did_you_mean(&key, names, "known keys here");
                    let finding = Diagnostic::error(format!("unknown key `{key}` {inside}")).help(help);
                    self.misfits.push(SchemaError { path: at, part: EntryPart::Key, finding });
                    false
                }
            };
            if !keep {
                map.shift_remove(&key);
            }
        }
    }

    fn word(&mut self, value: &Value, words: &[&str], path: &str) -> bool {
        let Some(text) = value.as_str() else {
            let finding = Diagnostic::error(format!("`{path}` is {}; it takes a word", kind(value)))
                .help(one_of(words));
            return self.misfit(path, finding);
        };
        if words.contains(&text) {
            return true;
        }
        let help = match super::suggest::nearest(text, words.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => one_of(words),
        };
        self.misfit(path, Diagnostic::error(format!("`{path}` does not know the word \"{text}\"")).help(help))
    }

    /// Units say themselves what they take.
    fn text(&mut self, text: &str, unit: &str, path: &str) -> bool {
        let wrong = match unit {
            "Duration" => text.parse::<Duration>().err().map(|why| why.to_string()),
            "Size" => text.parse::<Size>().err().map(|why| why.to_string()),
            "Network" => text.parse::<Network>().err().map(|why| why.to_string()),
            _ => None,
        };
        match wrong {
            None => true,
            Some(message) => {
                let (message, help) = match message.split_once(": write ") {
                    Some((message, help)) => (message.to_owned(), format!("write {help}")),
                    None => (message.clone(), unit_example(unit).to_owned()),
                };
                self.misfit(path, Diagnostic::error(message).help(help))
            }
        }
    }

    fn number(&mut self, value: &Value, schema: &Value, path: &str) -> bool {
        let (least, most) = range(schema);
        let share = || value.as_f64().filter(|_| schema["type"] == "number");
        let within = match value.as_i64() {
            Some(n) => n >= least && n <= most,
            None => share().is_some_and(|n| n >= least as f64 && n <= most as f64),
        };
        within
            || self.misfit(
                path,
                Diagnostic::error(format!("{value} is out of range for `{path}`"))
                    .help(format!("it takes {least} to {most}")),
            )
    }

    fn wrong_type(&mut self, value: &Value, expected: &[&Value], path: &str) {
        // The reader has already said what is wrong with a value that it left out.
        if value.is_null() {
            return;
        }
        let mut takes: Vec<String> = expected.iter().flat_map(|schema| expectation(schema)).collect();
        takes.dedup();
        let mut finding =
            Diagnostic::error(format!("`{path}` is {}; it takes {}", kind(value), takes.join(" or ")));
        finding.help = example(value, expected);
        self.misfit(path, finding);
    }

    fn misfit(&mut self, path: &str, finding: Diagnostic) -> bool {
        self.misfits.push(SchemaError { path: path.to_owned(), part: EntryPart::Value, finding });
        false
    }
}

/// The definition behind a reference.
fn resolve(schema: &Value) -> &Value {
    match schema.get("$ref").and_then(Value::as_str).and_then(|name| name.rsplit('/').next()) {
        Some(name) => self::schema()["$defs"].get(name).unwrap_or(schema),
        None => schema,
    }
}

/// The words of an enumeration, if it is one.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return Some(list.iter().filter_map(Value::as_str).collect());
    }
    let variants = schema.get("oneOf").and_then(Value::as_array)?;
    Some(variants.iter().filter_map(words).flatten().collect())
}

fn types(schema: &Value) -> Vec<&str> {
    let schema = resolve(schema);
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ if words(schema).is_some() => vec!["string"],
        _ => match schema.get("anyOf").and_then(Value::as_array) {
            Some(branches) => branches.iter().flat_map(types).collect(),
            None => Vec::new(),
        },
    }
}

fn type_fits(value: &Value, schema: &Value) -> bool {
    let types = types(schema);
    let is = match value {
        Value::Null => return false,
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    types.is_empty() || types.contains(&is) || (is == "integer" && types.contains(&"number"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn expectation(schema: &Value) -> Vec<String> {
    let inner = resolve(schema);
    if schema.get("$ref").is_some() && inner.get("pattern").is_some() {
        return inner.get("description").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    }
    if let Some(words) = words(inner) {
        return vec![words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")];
    }
    if let Some(branches) = inner.get("anyOf").and_then(Value::as_array) {
        return branches.iter().flat_map(expectation).collect();
    }
    let name = |t: &str| match t {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        "object" => "a table",
        _ => "a text",
    };
    types(inner).into_iter().filter(|t| *t != "null").map(|t| name(t).to_owned()).collect()
}

/// How the value would be written right, where that can be guessed.
fn example(value: &Value, expected: &[&Value]) -> Option<String> {
    let reference =
        expected.iter().find_map(|schema| schema.get("$ref")).and_then(Value::as_str).unwrap_or_default();
    let unit = reference.rsplit('/').next().unwrap_or_default();
    let types: Vec<&str> = expected.iter().flat_map(|schema| types(schema)).collect();
    match value {
        Value::Number(n) if unit == "Duration" => {
            Some(format!("say the unit and put it in quotes, as in \"{n}s\" or \"{n}ms\""))
        }
        Value::Number(n) if unit == "Size" => {
            Some(format!("say the unit and put it in quotes, as in \"{n}B\" or \"{n}KiB\""))
        }
        Value::Number(_) | Value::Bool(_) if types.contains(&"string") => {
            Some(format!("put it in double quotes: \"{value}\""))
        }
        Value::String(text) if types.contains(&"boolean") => match text.as_str() {
            "yes" | "on" | "true" | "1" => Some("write true, without quotes".into()),
            _ => Some("write true or false, without quotes".into()),
        },
        Value::String(text) if types.contains(&"integer") && text.parse::<i64>().is_ok() => {
            Some(format!("write {text}, without quotes"))
        }
        Value::String(text) if types.contains(&"array") => Some(format!("write a list: [{text:?}]")),
        Value::Object(_) if types.contains(&"array") => {
            let texts = expected.iter().any(|schema| schema["items"]["type"] == "string");
            let help = if texts {
                "write a list of texts, as in [\"…\"]"
            } else {
                "write a list in [ ]; for a rule, the heading is [[rule]]"
            };
            Some(help.into())
        }
        Value::String(_) | Value::Array(_) if types.contains(&"object") => {
            Some("write a table: { key = value }".into())
        }
        _ => Some("see the comments in the example file that comes with homing".into()),
    }
}

fn unit_example(unit: &str) -> &'static str {
    match unit {
        "Duration" => "write a number and ms, s, m, h or d, as in \"5s\"",
        "Size" => "write a number and B, KiB, MiB or GiB, as in \"16KiB\"",
        _ => "write an address and a length, as in \"10.0.0.0/8\"",
    }
}

fn one_of(words: &[&str]) -> String {
    let list: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("write {}", list.join(", "))
}

/// The range of a number, between whole ones; where the schema names only a format, that of the format.
fn range(schema: &Value) -> (i64, i64) {
    let of_format = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (0, i64::from(u8::MAX)),
        Some("uint16") => (0, i64::from(u16::MAX)),
        Some("uint32") => (0, i64::from(u32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let bound = |key: &str| schema.get(key).and_then(|n| n.as_i64().or_else(|| n.as_f64().map(|n| n as i64)));
    (bound("minimum").unwrap_or(of_format.0), bound("maximum").unwrap_or(of_format.1))
}
