//! Errors as RFC 9457 problem documents: what happened and what to do next.

use super::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

/// An answer that says what is wrong.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    more: Vec<(String, Value)>,
    header: Option<(&'static str, &'static str)>,
}

impl Problem {
    /// What happened, in a sentence.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), more: Vec::new(), header: None }
    }

    /// With a further member.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.more.push((key.to_owned(), value.into()));
        self
    }

    /// With a header.
    pub fn header(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether it can be done all the same.
    pub fn offers_force(&self) -> bool {
        self.more.iter().any(|(key, value)| key == "force" && *value == Value::Bool(true))
    }

    /// As an answer.
    pub fn into_response(self) -> Response<Body> {
        let mut document = Map::new();
        document.insert("type".into(), "about:blank".into());
        document.insert("title".into(), self.status.canonical_reason().unwrap_or("error").into());
        document.insert("status".into(), self.status.as_u16().into());
        document.insert("detail".into(), self.detail.into());
        document.extend(self.more);
        let text = format!("{:#}\n", Value::Object(document));
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
