//! What changed between two conf files, in a few words for the log.

use super::model::Config;
use serde_json::{Map, Value};

/// The most phrases for one listener or cluster; beyond it only their number is said.
const MOST_PHRASES: usize = 8;

/// Short phrases, one for each part that changed; none when nothing did.
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let (old, new) = (super::to_value(old), super::to_value(new));
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return Vec::new() };
    let mut phrases = Vec::new();
    for key in keys(&old, &new) {
        let (before, after) = (old.get(&key), new.get(&key));
        if before == after {
            continue;
        }
        match (key.as_str(), before, after) {
            ("listener" | "cluster", Some(Value::Object(before)), Some(Value::Object(after))) => named(&key, before, after, &mut phrases),
            (_, Some(Value::Object(before)), Some(Value::Object(after))) => {
                let mut inside = Vec::new();
                walk("", before, after, &mut inside);
                phrases.push(format!("{key}: {}", shorten(inside)));
            }
            ("rule", Some(Value::Array(before)), Some(Value::Array(after))) => {
                phrases.push(match before.len() == after.len() {
                    true => {
                        let changed = before.iter().zip(after).filter(|(a, b)| a != b).count();
                        format!("rules changed ({changed} of {})", after.len())
                    }
                    false => format!("rules changed ({}→{})", before.len(), after.len()),
                });
            }
            _ => phrases.push(format!("{key} {}→{}", short(before), short(after))),
        }
    }
    phrases
}

/// Things that have a name: which came, which went, what changed in the others.
fn named(kind: &str, old: &Map<String, Value>, new: &Map<String, Value>, phrases: &mut Vec<String>) {
    for name in keys(old, new) {
        match (old.get(&name), new.get(&name)) {
            (None, Some(_)) => phrases.push(format!("+ {kind} {name}")),
            (Some(_), None) => phrases.push(format!("- {kind} {name}")),
            (Some(Value::Object(before)), Some(Value::Object(after))) if before != after => {
                let mut inside = Vec::new();
                walk("", before, after, &mut inside);
                if !inside.is_empty() {
                    phrases.push(format!("{kind} {name}: {}", shorten(inside)));
                }
            }
            _ => {}
        }
    }
    if old.len() == new.len() && old.keys().ne(new.keys()) && old.keys().all(|name| new.contains_key(name)) {
        phrases.push(format!("{kind}s in another order"));
    }
}

fn walk(at: &str, old: &Map<String, Value>, new: &Map<String, Value>, phrases: &mut Vec<String>) {
    for key in keys(old, new) {
        let (before, after) = (old.get(&key), new.get(&key));
        if before == after {
            continue;
        }
        if key == "nodes" && at.is_empty() {
            nodes(before, after, phrases);
            continue;
        }
        let name = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (before, after) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => walk(&name, before, after, phrases),
            _ => phrases.push(format!("{name} {}→{}", short(before), short(after))),
        }
    }
}

/// A node may be written in two ways; only what it says is compared.
fn nodes(old: Option<&Value>, new: Option<&Value>, phrases: &mut Vec<String>) {
    let none = Map::new();
    let table = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let (old, new) = (table(old), table(new));
    let full = |value: &Value| match value {
        Value::String(_) => serde_json::from_value::<super::model::Node>(value.clone())
            .ok()
            .and_then(|node| serde_json::to_value(node.table()).ok())
            .unwrap_or_default(),
        other => other.clone(),
    };
    for name in keys(&old, &new) {
        if old.get(&name) == new.get(&name) {
            continue;
        }
        match (old.get(&name).map(full), new.get(&name).map(full)) {
            (None, Some(_)) => phrases.push(format!("+ node {name}")),
            (Some(_), None) => phrases.push(format!("- node {name}")),
            (Some(before), Some(after)) => {
                walk(&name, before.as_object().unwrap_or(&none), after.as_object().unwrap_or(&none), phrases);
            }
            (None, None) => {}
        }
    }
    if old.len() == new.len() && old.keys().ne(new.keys()) && old.keys().all(|name| new.contains_key(name)) {
        phrases.push("nodes in another order".into());
    }
}

/// The keys of both, the old one's order first.
fn keys(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))).cloned().collect()
}

fn short(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return "unset".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    // The phrase is one line of a log, whatever the text holds.
    let mut line: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        line.push('…');
    }
    line
}

fn shorten(mut phrases: Vec<String>) -> String {
    let more = phrases.len().saturating_sub(MOST_PHRASES);
    phrases.truncate(MOST_PHRASES);
    if more > 0 {
        phrases.push(format!("and {more} more"));
    }
    phrases.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn phrases_name_what_changed() {
        let old = config("listener.web.bind = '127.0.0.1:1'\n[cluster.shop.nodes]\nn1 = 'http://a:1'\nn2 = 'http://b:1'");
        let new = config(
            "listener.web.bind = '127.0.0.1:2'\n[[rule]]\ncluster = 'shop'\n[cluster.shop]\nretries = 1\n[cluster.shop.nodes]\nn1 = { url = 'http://a:1', weight = 50 }\nn4 = 'http://c:1'",
        );
        assert_eq!(
            diff(&old, &new),
            [
                "listener web: bind 127.0.0.1:1→127.0.0.1:2",
                "rules changed (0→1)",
                "cluster shop: retries 2→1, n1.weight 100→50, - node n2, + node n4"
            ]
        );
    }

    #[test]
    fn the_same_said_otherwise_is_no_change() {
        let old = config("[cluster.shop.nodes]\nn1 = 'http://a:1'");
        assert!(diff(&old, &old).is_empty());
        let new = config("[cluster.shop.nodes]\nn1 = { url = 'http://a:1' }");
        assert!(diff(&old, &new).is_empty(), "{:?}", diff(&old, &new));
    }
}
