//! The rules as people read them: which requests, and where they lead.

use super::open;
use super::status::ShownRule;
use crate::config::model::{Config, Rule};
use serde_json::{Map, Value};

/// Keys that say where a request goes, or nothing of it at all; all others say which requests, or what is
/// changed.
const ACTIONS: [&str; 5] = ["cluster", "hand-off", "redirect", "respond", "disabled"];
/// Keys that say what is changed on the way.
const EDITS: [&str; 5] = ["strip-prefix", "add-prefix", "rewrite", "request-headers", "response-headers"];

/// All of them, in the order of the file.
pub fn list(config: &Config) -> Vec<ShownRule> {
    config.rule.iter().enumerate().map(|(at, rule)| shown(at, rule)).collect()
}

fn shown(at: usize, rule: &Rule) -> ShownRule {
    let said = match open::rule(rule) {
        Value::Object(said) => said,
        _ => Map::new(),
    };
    let words = |wanted: &dyn Fn(&str) -> bool| {
        let words =
            said.iter().filter(|(key, _)| wanted(key)).map(|(key, value)| format!("{key} {}", text(value)));
        words.collect::<Vec<_>>().join(", ")
    };
    let when = words(&|key| !ACTIONS.contains(&key) && !EDITS.contains(&key));
    let (leads_to, cluster) = leads_to(rule);
    ShownRule {
        rule: at as u64 + 1,
        when: if when.is_empty() { "every request".to_owned() } else { when },
        leads_to,
        cluster,
        edits: words(&|key| EDITS.contains(&key)),
        disabled: rule.disabled,
    }
}

fn leads_to(rule: &Rule) -> (String, Option<String>) {
    if let Some(cluster) = &rule.cluster {
        return (format!("cluster {cluster}"), Some(cluster.clone()));
    }
    if let Some(to) = &rule.hand_off {
        return (format!("redirect {} to a node of {}", to.status, to.cluster), Some(to.cluster.clone()));
    }
    if let Some(to) = &rule.redirect {
        let parts = [("", &to.to), ("scheme ", &to.scheme), ("host ", &to.host), ("path ", &to.path)];
        let parts: Vec<String> =
            parts.iter().filter_map(|(what, value)| Some(format!("{what}{}", value.as_ref()?))).collect();
        return (format!("redirect {} to {}", to.status, parts.join(", ")), None);
    }
    match &rule.respond {
        Some(answer) => (format!("answer {}", answer.status), None),
        None => ("nowhere".to_owned(), None),
    }
}

/// A value of the file in a line.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(" or "),
        Value::Object(all) => {
            all.iter().map(|(key, value)| format!("{key} = {}", text(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_which_requests_and_where_they_lead() {
        let conf = r#"
            [[rule]]
            host = ["shop.example.com", "*.shop.example.com"]
            path = "/shop"
            header = { X-Api-Key = "s3cret", X-Beta = "*" }
            cluster = "shop"
            strip-prefix = "/shop"
            [[rule]]
            listener = "web"
            redirect = { scheme = "https", status = 308 }
            disabled = true
            [[rule]]
            path-regex = "^/old"
            redirect = { to = "https://new.example.com{path}", status = 301 }
            [[rule]]
            method = ["PUT", "DELETE"]
            respond = { status = 403 }
            [[rule]]
            hand-off = { cluster = "chat", status = 307 }
        "#;
        let rules = list(&toml::from_str(conf).unwrap());
        let said: Vec<_> =
            rules.iter().map(|rule| (&*rule.when, &*rule.leads_to, rule.cluster.as_deref())).collect();
        assert_eq!(
            said,
            [
                (
                    "host shop.example.com or *.shop.example.com, path /shop, header X-Api-Key = (hidden), X-Beta = *",
                    "cluster shop",
                    Some("shop")
                ),
                ("listener web", "redirect 308 to scheme https", None),
                ("path-regex ^/old", "redirect 301 to https://new.example.com{path}", None),
                ("method PUT or DELETE", "answer 403", None),
                ("every request", "redirect 307 to a node of chat", Some("chat")),
            ]
        );
        assert_eq!((rules[0].edits.as_str(), rules[0].rule), ("strip-prefix /shop", 1));
        assert_eq!(
            rules.iter().map(|rule| rule.disabled).collect::<Vec<_>>(),
            [false, true, false, false, false]
        );
    }
}
