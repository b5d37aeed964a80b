//! A rule's changes to headers.

use crate::config::model::HeaderEdits;
use crate::wire::template::{Facts, Template};
use http::header::{HeaderMap, HeaderName};

/// Changes to headers, ready to apply.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Template)>,
    add: Vec<(HeaderName, Template)>,
    reads_headers: bool,
}

impl Edits {
    /// Reads the edits of a rule.
    pub fn compile(edits: &HeaderEdits) -> Result<Self, String> {
        let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` cannot be a header's name"));
        let pairs = |map: &indexmap::IndexMap<String, String>| {
            map.iter().map(|(key, value)| Ok((name(key)?, Template::parse(value)?))).collect::<Result<Vec<_>, String>>()
        };
        let (set, add) = (pairs(&edits.set)?, pairs(&edits.add)?);
        let remove = edits.remove.iter().map(|text| name(text)).collect::<Result<Vec<_>, String>>()?;
        let reads_headers = set.iter().chain(&add).any(|(_, template)| template.reads_headers());
        Ok(Self { remove, set, add, reads_headers })
    }

    /// True when nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// True when a value holds `{header.NAME}`: on the way back the caller then needs to have kept the request's headers.
    pub fn reads_headers(&self) -> bool {
        self.reads_headers
    }

    /// Removes, sets, adds, in this order. All values are taken from the headers as they were before.
    pub fn apply(&self, headers: &mut HeaderMap, facts: &Facts<'_>) {
        if self.is_empty() {
            return;
        }
        if self.reads_headers && facts.headers.is_none() {
            // A removed header may be named in a value, so a copy of the old ones is what the values are read from.
            let before = headers.clone();
            return self.change(headers, &Facts { headers: Some(&before), ..*facts });
        }
        self.change(headers, facts);
    }

    fn change(&self, headers: &mut HeaderMap, facts: &Facts<'_>) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, template) in &self.set {
            // With nothing to say the header is absent, and the client's own line of that name must not pass for ours.
            match template.value(facts) {
                Some(value) => drop(headers.try_insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
        for (name, template) in &self.add {
            if let Some(value) = template.value(facts) {
                drop(headers.try_append(name, value));
            }
        }
    }
}

#[cfg(test)]
#[path = "edits_tests.rs"]
mod tests;
