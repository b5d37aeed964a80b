//! The conditions of a rule that no index answers: regular expression, method, headers, query, source.

use super::normal_path::{NormalPath, hex};
use super::rule_error::RuleError;
use crate::base::units::Network;
use crate::config::model;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use regex::Regex;
use std::net::IpAddr;

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
pub struct RouteQuery<'a> {
    /// The host asked for, in any case, without port.
    pub host: &'a str,
    /// The path as it came.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The headers as they came.
    pub headers: &'a HeaderMap,
    /// The client's address, past trusted proxies.
    pub client: IpAddr,
}

/// What must be equal; "*" in the file asks only for presence.
#[derive(Debug)]
enum Expected<T> {
    Present,
    Equal(T),
}

/// All must hold.
#[derive(Debug)]
pub(super) struct Conditions {
    path_regex: Option<Regex>,
    methods: Vec<Method>,
    headers: Vec<(HeaderName, Expected<HeaderValue>)>,
    query: Vec<(Box<str>, Expected<Box<str>>)>,
    source: Vec<Network>,
}

impl Conditions {
    pub(super) fn compile(rule: &model::Rule) -> Result<Self, RuleError> {
        if let Some(path) = rule.path.as_slice().iter().find(|path| !path.starts_with('/')) {
            return Err(RuleError::Path { key: "path", path: path.clone() });
        }
        let headers = rule.header.iter().map(|(name, value)| {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| RuleError::HeaderName(name.clone()))?;
            let value = match value.as_str() {
                "*" => Expected::Present,
                text => Expected::Equal(
                    HeaderValue::from_str(text).map_err(|_| RuleError::HeaderValue(name.to_string()))?,
                ),
            };
            Ok((name, value))
        });
        let query = rule.query.iter().map(|(name, value)| {
            let value = if value == "*" { Expected::Present } else { Expected::Equal(value.as_str().into()) };
            (name.as_str().into(), value)
        });
        let method = |text: &String| {
            Method::from_bytes(text.to_ascii_uppercase().as_bytes())
                .map_err(|_| RuleError::Method(text.clone()))
        };
        Ok(Self {
            path_regex: rule.path_regex.as_deref().map(Regex::new).transpose().map_err(RuleError::Regex)?,
            methods: rule.method.as_slice().iter().map(method).collect::<Result<_, _>>()?,
            headers: headers.collect::<Result<_, RuleError>>()?,
            query: query.collect(),
            source: rule.source.as_slice().to_vec(),
        })
    }

    pub(super) fn path_regex(&self) -> Option<&Regex> {
        self.path_regex.as_ref()
    }

    /// The first header that must have one value, and the value.
    pub(super) fn first_header(&self) -> Option<(&HeaderName, &HeaderValue)> {
        self.headers.iter().find_map(|(name, wanted)| match wanted {
            Expected::Equal(value) => Some((name, value)),
            Expected::Present => None,
        })
    }

    /// The cheap ones first.
    pub(super) fn hold(&self, request: &RouteQuery<'_>, path: &NormalPath<'_>) -> bool {
        (self.methods.is_empty() || self.methods.contains(request.method))
            && (self.source.is_empty() || self.source.iter().any(|network| network.contains(request.client)))
            && self.headers.iter().all(|(name, wanted)| match wanted {
                Expected::Present => request.headers.contains_key(name),
                Expected::Equal(value) => request.headers.get_all(name).iter().any(|line| line == value),
            })
            && self
                .query
                .iter()
                .all(|(name, wanted)| query_has(request.query.unwrap_or_default(), name, wanted))
            && self.path_regex.as_ref().is_none_or(|regex| regex.is_match(&path.text))
    }
}

fn query_has(query: &str, name: &str, wanted: &Expected<Box<str>>) -> bool {
    query.split('&').any(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        !pair.is_empty()
            && decoded_equals(key, name)
            && match wanted {
                Expected::Present => true,
                Expected::Equal(text) => decoded_equals(value, text),
            }
    })
}

/// Compares after percent-decoding once, without a copy. A plus also stands for a blank, as forms write it.
fn decoded_equals(raw: &str, wanted: &str) -> bool {
    let (raw, mut at) = (raw.as_bytes(), 0);
    for expected in wanted.bytes() {
        let (byte, length) = match raw.get(at) {
            None => return false,
            Some(b'+') if expected == b' ' => (b' ', 1),
            Some(b'%') => {
                match raw.get(at + 1..at + 3).and_then(|pair| Some(hex(pair[0])? << 4 | hex(pair[1])?)) {
                    Some(byte) => (byte, 3),
                    None => (b'%', 1),
                }
            }
            Some(byte) => (*byte, 1),
        };
        if byte != expected {
            return false;
        }
        at += length;
    }
    at == raw.len()
}
