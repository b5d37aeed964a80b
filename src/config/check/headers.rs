//! Header names, values and the `{…}` in them.

use super::super::model::HeaderEdits;
use super::super::source::join;
use super::super::suggest::did_you_mean;
use super::checker::Checker;
use crate::wire::template;
use http::{HeaderName, HeaderValue};

/// Headers that belong to the connection; changing them would break the message.
const OURS: [&str; 7] =
    ["connection", "content-length", "transfer-encoding", "upgrade", "keep-alive", "te", "trailer"];

impl Checker<'_> {
    /// Checks a header's name.
    pub(super) fn header_name(&mut self, path: &str, name: &str) {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            self.error_key(
                path,
                format!("\"{name}\" is not a header name"),
                "use letters, digits and `-`, without a colon",
            );
        }
    }

    /// Checks a value with `{…}` in it.
    pub(super) fn template(&mut self, path: &str, text: &str) {
        if HeaderValue::from_str(text).is_err() && HeaderValue::from_bytes(text.as_bytes()).is_err() {
            self.error(
                path,
                "a header value cannot hold line breaks or control characters",
                "write it on one line",
            );
        }
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix('{') {
                rest = after;
                continue;
            }
            let Some(end) = after.find('}') else {
                self.error(
                    path,
                    "a `{` is not closed",
                    "close it with `}`, or write `{{` for the brace itself",
                );
                return;
            };
            let name = &after[..end];
            let header = name
                .strip_prefix("header.")
                .is_some_and(|name| HeaderName::from_bytes(name.as_bytes()).is_ok());
            if !header && !template::names().any(|known| known == name) {
                let help = did_you_mean(name, template::names().chain(["header.NAME"]), "known values");
                self.error(path, format!("`{{{name}}}` is not a value that can be filled in"), help);
            }
            rest = &after[end + 1..];
        }
    }

    /// Checks a rule's changes to headers.
    pub(super) fn header_edits(&mut self, path: &str, edits: &HeaderEdits) {
        for (key, map) in [("set", &edits.set), ("add", &edits.add)] {
            for (name, value) in map {
                let at = join(&join(path, key), name);
                self.header_name(&at, name);
                self.not_ours(&at, name);
                self.template(&at, value);
            }
        }
        for (n, name) in edits.remove.iter().enumerate() {
            let at = format!("{path}.remove[{n}]");
            self.header_name(&at, name);
            self.not_ours(&at, name);
        }
    }

    fn not_ours(&mut self, path: &str, name: &str) {
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            self.error_key(
                path,
                format!("{name} belongs to the connection and cannot be changed"),
                "remove the line",
            );
        }
    }
}
