//! The path a node is asked for, where a rule changes it.

use super::normal_path::{encode, normal};
use super::rule_error::RuleError;
use http::uri::PathAndQuery;
use regex::Regex;

/// The rewritten path would be longer than a path can be; the answer is 414.
#[derive(Debug, PartialEq, Eq)]
pub struct PathTooLong;

#[derive(Debug)]
enum RewritePart {
    Text(Box<str>),
    Group(usize),
}

/// A path with the groups of a regular expression in it.
#[derive(Debug)]
pub(super) struct Rewrite {
    parts: Vec<RewritePart>,
    keeps_query: bool,
}

impl Rewrite {
    /// `$1` or `${1}` is the first group, `${name}` a named one, `$$` a dollar.
    pub(super) fn parse(text: &str, regex: Option<&Regex>) -> Result<Self, RuleError> {
        if !text.starts_with('/') && !text.starts_with('$') {
            return Err(RuleError::Path { key: "rewrite", path: text.to_owned() });
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            parts.push(RewritePart::Text(rest[..dollar].into()));
            rest = &rest[dollar + 1..];
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (name, length) = if let Some(inner) = rest.strip_prefix('{') {
                let end = inner.find('}').ok_or_else(|| RuleError::OpenBrace(text.to_owned()))?;
                (&inner[..end], end + 2)
            } else if digits > 0 {
                (&rest[..digits], digits)
            } else {
                parts.push(RewritePart::Text("$".into()));
                rest = rest.strip_prefix('$').unwrap_or(rest);
                continue;
            };
            let missing = || RuleError::NoGroup { rewrite: text.to_owned(), group: name.to_owned() };
            parts.push(RewritePart::Group(group(name, regex).ok_or_else(missing)?));
            rest = &rest[length..];
        }
        parts.push(RewritePart::Text(rest.into()));
        Ok(Self { parts, keeps_query: !text.contains('?') })
    }

    pub(super) fn apply(
        &self,
        regex: Option<&Regex>,
        asked: &PathAndQuery,
    ) -> Result<PathAndQuery, PathTooLong> {
        let path = normal(asked.path());
        // The groups come from the path as it was sent if its shape is the one the rule saw, so that `%2B`
        // stays `%2B`.
        let raw = if path.reshaped { None } else { regex.and_then(|regex| regex.captures(asked.path())) };
        let captures = raw.or_else(|| regex.and_then(|regex| regex.captures(&path.text)));
        let mut out = String::with_capacity(asked.as_str().len() + 32);
        for part in &self.parts {
            match part {
                RewritePart::Text(text) => out.push_str(text),
                // A decoded question mark in a group is part of the path, not the start of a query.
                RewritePart::Group(n) => {
                    let text = captures
                        .as_ref()
                        .and_then(|captures| captures.get(*n))
                        .map_or("", |found| found.as_str());
                    out.push_str(&text.replace('?', "%3F"));
                }
            }
        }
        finish("", &out, asked.query().filter(|_| self.keeps_query))
    }
}

fn group(name: &str, regex: Option<&Regex>) -> Option<usize> {
    let regex = regex?;
    match name.parse::<usize>() {
        Ok(n) => (n < regex.captures_len()).then_some(n),
        Err(_) => regex.capture_names().position(|known| known == Some(name)),
    }
}

/// A path for the wire: below a prefix or, without one, behind a leading slash; nothing in it that may not
/// be.
pub(super) fn finish(prefix: &str, rest: &str, query: Option<&str>) -> Result<PathAndQuery, PathTooLong> {
    let mut out = encode(rest);
    if prefix.is_empty() && !out.starts_with('/') {
        out.insert(0, '/');
    }
    out.insert_str(0, prefix);
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(out)).map_err(|_| PathTooLong)
}
