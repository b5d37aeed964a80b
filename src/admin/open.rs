//! The conf as whoever may look is shown it.

use crate::config::dump::{HIDDEN, is_secret};
use crate::config::model::{Config, Rule};
use serde_json::Value;

/// The conf as it runs, without what must not be seen.
pub fn config(config: &Config) -> Value {
    let mut tree = crate::config::to_value(config);
    hide(&mut tree, "", "");
    tree
}

/// One rule of it.
pub fn rule(rule: &Rule) -> Value {
    let mut tree = serde_json::to_value(rule).unwrap_or_default();
    hide(&mut tree, "", "");
    tree
}

fn hide(value: &mut Value, parent: &str, key: &str) {
    match value {
        Value::String(text) if is_secret(parent, key) => HIDDEN.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, parent, key)),
        Value::Object(items) => items.iter_mut().for_each(|(inner, value)| hide(value, key, inner)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let conf = r#"
            server.admin-token-file = "admin.token"
            [[rule]]
            header = { X-Api-Key = "s3cret" }
            request-headers = { set = { Authorization = "Basic s3cret", X-Real-IP = "{client.ip}" } }
            [cluster.app]
            affinity = { cookie = "SRV", value = "dynamic", dynamic-key = "s3cret" }
            join.token = "node"
        "#;
        let text = config(&toml::from_str(conf).unwrap()).to_string();
        assert!(!text.contains("s3cret"), "{text}");
        for open in ["admin.token", "SRV", "{client.ip}", r#""token":"node""#] {
            assert!(text.contains(open), "{open} in {text}");
        }
    }
}
