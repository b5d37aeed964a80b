//! Forms of the page: what a browser without JavaScript sends, read into what the API takes.

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Map, Value};

const KIND: &str = "application/x-www-form-urlencoded";

/// Whether a request's body is a form of a page. Programs such as curl name this kind for whatever they send,
/// but no origin.
pub fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    headers.contains_key(header::ORIGIN)
        && kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(KIND))
}

/// The fields that were filled in.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// From a body.
    pub fn read(body: &Bytes) -> Self {
        let fields = form_urlencoded::parse(body).filter(|(_, value)| !value.trim().is_empty());
        Self(fields.map(|(name, value)| (name.into_owned(), value.trim().to_owned())).collect())
    }

    /// The fields.
    pub fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// With the fields of these names alone.
    pub fn only(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| names.contains(&&**name)).cloned().collect())
    }

    /// As the API takes it: a field is a text, but for what can only be a number or a yes.
    pub fn to_json(&self) -> Bytes {
        let value = |name: &str, value: &str| match name {
            "deadline" | "then" | "reason" => value.into(),
            _ => serde_json::from_str(value)
                .ok()
                .filter(|value: &Value| value.is_number() || value.is_boolean())
                .unwrap_or_else(|| value.into()),
        };
        let fields: Map<String, Value> =
            self.0.iter().map(|(name, text)| (name.clone(), value(name, text))).collect();
        Value::from(fields).to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_what_the_api_takes() {
        for (form, json) in [
            ("", "{}"),
            ("deadline=&then=keep", r#"{"then":"keep"}"#),
            ("deadline=+4h+&then=move&force=true", r#"{"deadline":"4h","then":"move","force":true}"#),
            (
                "weight=50&max-sessions=off&deadline=30",
                r#"{"weight":50,"max-sessions":"off","deadline":"30"}"#,
            ),
            ("x=%22%3C%3E&y=[1]", r#"{"x":"\"<>","y":"[1]"}"#),
        ] {
            assert_eq!(Form::read(&Bytes::from_static(form.as_bytes())).to_json(), json, "{form}");
        }
    }

    #[test]
    fn a_form_is_known_by_its_kind() {
        for (kind, good) in [
            (KIND, true),
            ("Application/X-WWW-Form-Urlencoded; charset=utf-8", true),
            ("application/json", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
            assert!(!is_form(&headers), "a program's {kind}");
            headers.insert(header::ORIGIN, "http://127.0.0.1:9900".parse().unwrap());
            assert_eq!(is_form(&headers), good, "{kind}");
        }
    }
}
