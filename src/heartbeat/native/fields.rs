//! Fields of a heartbeat by name, each read as one type or refused in words that name the field. They stand
//! in the body that they came in: ten thousand nodes beat each second.

use super::error::{BodyError, FieldFlaw};
use crate::base::units;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The most of a wrong value that is repeated.
const SHOWN: usize = 60;

/// The fields that a heartbeat has; others are passed over.
const NAMES: [&str; 12] = [
    "cluster", "node", "url", "load", "sessions", "capacity", "state", "boot", "sequence", "version",
    "roles", "interval",
];

/// A body's fields.
pub struct Fields<'a> {
    /// In the order of `NAMES`.
    values: [Value<'a>; NAMES.len()],
    /// A form has nothing but text, so numbers and lists are read from that.
    form: bool,
}

/// What a field says.
#[derive(Debug, Default)]
enum Value<'a> {
    /// JSON's null is as good as no field.
    #[default]
    Nothing,
    Text(Cow<'a, str>),
    Number(Number),
    Truth(bool),
    List(Vec<Value<'a>>),
    Table,
}

fn place(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

impl<'a> Fields<'a> {
    pub fn json(body: &'a [u8]) -> Result<Self, BodyError> {
        match serde_json::from_slice(body) {
            Ok(Object(values)) => Ok(Self { values, form: false }),
            // whatever a field holds, it is taken: only the whole can be of another kind
            Err(error) if error.is_data() => Err(BodyError::NotObject),
            Err(error) => Err(BodyError::Json(error.to_string())),
        }
    }

    pub fn form(body: &'a [u8]) -> Result<Self, BodyError> {
        if body.trim_ascii_start().starts_with(b"{") {
            return Err(BodyError::JsonAsForm);
        }
        let mut values: [Value<'a>; NAMES.len()] = Default::default();
        for (field, value) in form_urlencoded::parse(body) {
            let Some(at) = place(&field) else { continue };
            if !matches!(std::mem::replace(&mut values[at], Value::Text(value)), Value::Nothing) {
                return Err(BodyError::Twice(field.into_owned()));
            }
        }
        Ok(Self { values, form: true })
    }

    fn get(&self, field: &str) -> Option<&Value<'a>> {
        self.values.get(place(field)?).filter(|value| !matches!(value, Value::Nothing))
    }

    /// A whole number in a range.
    pub fn number(&self, field: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, BodyError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let number = match value {
            Value::Text(digits) if self.form => digits.parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(FieldFlaw::NoNumber {
                value: value.to_string(),
                least: *range.start(),
                most: *range.end(),
            }
            .of(field)),
        }
    }

    /// A time in a range: seconds as a number, or as the conf file writes it.
    pub fn duration(
        &self,
        field: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, BodyError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let seconds = match value {
            Value::Text(digits) if self.form => digits.parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        let time = match value {
            _ if seconds.is_some() => seconds.map(Duration::from_secs),
            Value::Text(text) => text.parse().ok().map(units::Duration::get),
            _ => None,
        };
        match time.filter(|time| range.contains(time)) {
            Some(time) => Ok(Some(time)),
            None => {
                let [least, most] = [*range.start(), *range.end()].map(units::Duration);
                Err(FieldFlaw::NoDuration { value: value.to_string(), least, most }.of(field))
            }
        }
    }

    /// Text that can stand in a log line.
    pub fn text(&self, field: &'static str, longest: usize) -> Result<Option<&str>, BodyError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Text(text)) if text.is_empty() => Err(FieldFlaw::Empty.of(field)),
            Some(Value::Text(text)) if text.len() > longest => Err(FieldFlaw::TooLong(longest).of(field)),
            Some(Value::Text(text)) if text.chars().any(char::is_control) => {
                Err(FieldFlaw::Control.of(field))
            }
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(value) => Err(FieldFlaw::NoText(value.to_string()).of(field)),
        }
    }

    /// One of the words.
    pub fn word<T: Copy>(&self, field: &'static str, words: &[(&str, T)]) -> Result<Option<T>, BodyError> {
        self.get(field).map(|value| find(field, value, words)).transpose()
    }

    /// Any of the words: a JSON array, or text with commas in a form.
    pub fn words<T: Copy>(
        &self,
        field: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<Vec<T>>, BodyError> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::List(list)) => {
                list.iter().map(|value| find(field, value, words)).collect::<Result<_, _>>().map(Some)
            }
            Some(Value::Text(text)) if self.form => {
                let given = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                given
                    .map(|word| find(field, &Value::Text(word.into()), words))
                    .collect::<Result<_, _>>()
                    .map(Some)
            }
            Some(value) => Err(FieldFlaw::NoList(value.to_string()).of(field)),
        }
    }
}

fn find<T: Copy>(field: &'static str, value: &Value<'_>, words: &[(&str, T)]) -> Result<T, BodyError> {
    let found = words.iter().find(|(word, _)| matches!(value, Value::Text(text) if text == word));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        FieldFlaw::NoWord { value: value.to_string(), words: words.join(", ") }.of(field)
    })
}

/// As it is repeated to whoever sent it, and to the log.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Text(text) => match text.char_indices().nth(SHOWN) {
                Some((end, _)) => write!(f, "{:?}", format!("{}…", &text[..end])),
                None => write!(f, "{text:?}"),
            },
            Self::Number(number) => number.fmt(f),
            Self::Truth(truth) => truth.fmt(f),
            Self::List(_) => f.write_str("a list"),
            Self::Table => f.write_str("a table"),
        }
    }
}

/// A JSON object with a heartbeat's fields.
struct Object<'a>([Value<'a>; NAMES.len()]);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl<'de> Visitor<'de> for Whole {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values: [Value<'de>; NAMES.len()] = Default::default();
                while let Some(Value::Text(field)) = map.next_key()? {
                    match place(&field) {
                        Some(at) => values[at] = map.next_value()?,
                        None => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(Object(values))
            }
        }

        deserializer.deserialize_map(Whole)
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Value<'de>, E> {
                Ok(Value::Nothing)
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Value<'de>, E> {
                Ok(Value::Truth(truth))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
                Ok(Value::Number(number.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
                Ok(Value::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
                // JSON has no number that is none
                Ok(Number::from_f64(number).map_or(Value::Nothing, Value::Number))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
                Ok(Value::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
                Ok(Value::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(Value::List(values))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Table)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
