//! A rule's changes to headers.

use super::rule_error::RuleError;
use crate::config::model::HeaderEdits;
use crate::wire::template::{Template, TemplateFacts};
use http::header::{HeaderMap, HeaderName};

/// Changes to headers, ready to apply.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, Template)>,
    add: Vec<(HeaderName, Template)>,
}

impl Edits {
    /// Reads the edits of a rule.
    pub fn compile(edits: &HeaderEdits) -> Result<Self, RuleError> {
        let name = |text: &str| {
            HeaderName::from_bytes(text.as_bytes()).map_err(|_| RuleError::HeaderName(text.to_owned()))
        };
        let pairs = |map: &indexmap::IndexMap<String, String>| {
            map.iter()
                .map(|(key, value)| Ok((name(key)?, Template::parse(value)?)))
                .collect::<Result<Vec<_>, RuleError>>()
        };
        let (set, add) = (pairs(&edits.set)?, pairs(&edits.add)?);
        let remove = edits.remove.iter().map(|text| name(text)).collect::<Result<Vec<_>, RuleError>>()?;
        Ok(Self { remove, set, add })
    }

    /// True when nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Removes, sets, adds, in this order.
    pub fn apply(&self, headers: &mut HeaderMap, facts: &TemplateFacts<'_>) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, template) in &self.set {
            // With nothing to say the header is absent, and the client's own line of that name must not pass
            // for ours.
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
