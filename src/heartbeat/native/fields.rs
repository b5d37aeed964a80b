//! Fields of a heartbeat by name, each read as one type or refused in words that name the field.

use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The most of a wrong value that is repeated.
const SHOWN: usize = 60;

/// A body's fields.
pub struct Fields {
    values: Map<String, Value>,
    /// A form has nothing but text, so numbers and lists are read from that.
    form: bool,
}

impl Fields {
    pub fn json(body: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self { values, form: false }),
            Ok(_) => Err("the body is not a JSON object: write {\"cluster\": …, \"node\": …, \"url\": …}".into()),
            Err(error) => Err(format!("the JSON does not parse: {error}")),
        }
    }

    pub fn form(body: &[u8]) -> Result<Self, String> {
        if body.trim_ascii_start().starts_with(b"{") {
            return Err("the body is JSON but is sent as a form: send Content-Type: application/json".into());
        }
        let mut values = Map::new();
        for (field, value) in form_urlencoded::parse(body) {
            if values.insert(field.clone().into_owned(), Value::String(value.into_owned())).is_some() {
                return Err(format!("{:?} is given twice; a list has commas, as in roles=a,b", shorten(&field)));
            }
        }
        Ok(Self { values, form: true })
    }

    /// JSON's null is as good as no field.
    fn get(&self, field: &str) -> Option<&Value> {
        self.values.get(field).filter(|value| !value.is_null())
    }

    /// A whole number in a range.
    pub fn number(&self, field: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, String> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let number = match value {
            Value::String(digits) if self.form => digits.parse().ok(),
            value => value.as_u64(),
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{field}: {} is not a whole number between {} and {}", show(value), range.start(), range.end())),
        }
    }

    /// Text that can stand in a log line.
    pub fn text(&self, field: &str, longest: usize) -> Result<Option<String>, String> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Err(format!("{field}: empty; leave it out or give it a value")),
            Some(Value::String(text)) if text.len() > longest => Err(format!("{field}: longer than {longest} bytes")),
            Some(Value::String(text)) if text.chars().any(char::is_control) => Err(format!("{field}: holds a control character")),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value) => Err(format!("{field}: {} is not a text", show(value))),
        }
    }

    /// One of the words.
    pub fn word<T: Copy>(&self, field: &str, words: &[(&str, T)]) -> Result<Option<T>, String> {
        let Some(value) = self.get(field) else { return Ok(None) };
        find(field, value, words).map(Some)
    }

    /// Any of the words: a JSON array, or text with commas in a form.
    pub fn words<T: Copy>(&self, field: &str, words: &[(&str, T)]) -> Result<Option<Vec<T>>, String> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Array(list)) => list.iter().map(|value| find(field, value, words)).collect::<Result<_, _>>().map(Some),
            Some(Value::String(text)) if self.form => {
                let given = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                given.map(|word| find(field, &Value::from(word), words)).collect::<Result<_, _>>().map(Some)
            }
            Some(value) => Err(format!("{field}: {} is not a list of words", show(value))),
        }
    }
}

fn find<T: Copy>(field: &str, value: &Value, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("{field}: {} is not one of {}", show(value), words.join(", "))
    })
}

/// A value as it is repeated to whoever sent it, and to the log.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", shorten(text)),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a table".into(),
        other => other.to_string(),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
