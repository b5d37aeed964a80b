//! Which requests lead where, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rule, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownRule {
    /// Its place in the file, from 1.
    pub rule: u64,
    /// Which requests it is for, in the words of the conf file.
    pub when: String,
    /// Where they go: "cluster shop", "redirect 308 to https", "answer 403".
    pub leads_to: String,
    /// The cluster that they come to, if they come to one.
    pub cluster: Option<String>,
    /// What is changed on the way, in the words of the conf file.
    pub edits: String,
    /// It is passed over.
    pub disabled: bool,
}
