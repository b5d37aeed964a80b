//! What changed between two conf files, in a few words for the log.

use super::model::{Cluster, Config, Node, Rule};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value};

/// The most phrases for one listener or cluster; beyond it only their number is said.
const MOST_PHRASES: usize = 8;

/// Short phrases, one for each part that changed; none when nothing did. There may be very many nodes: only
/// what differs is taken apart.
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let mut phrases = Vec::new();
    if old.include != new.include {
        let [before, after] =
            [old, new].map(|config| (!config.include.is_empty()).then(|| value(&config.include)));
        phrases.push(format!("include {}→{}", short(before.as_ref()), short(after.as_ref())));
    }
    if old.server != new.server {
        phrases.push(format!("server: {}", shorten(inside(&old.server, &new.server))));
    }
    named("listener", &old.listener, &new.listener, &mut phrases, inside);
    if old.rule.len() != new.rule.len() {
        phrases.push(format!("rules changed ({}→{})", old.rule.len(), new.rule.len()));
    } else if old.rule != new.rule {
        rules(&old.rule, &new.rule, &mut phrases);
    }
    named("cluster", &old.cluster, &new.cluster, &mut phrases, |before, after| {
        let bare = |cluster: &Cluster| Cluster { nodes: IndexMap::new(), ..cluster.clone() };
        let (bare_before, bare_after) = (bare(before), bare(after));
        // mostly it is the nodes alone
        let mut phrases =
            if bare_before == bare_after { Vec::new() } else { inside(&bare_before, &bare_after) };
        nodes(&before.nodes, &after.nodes, &mut phrases);
        phrases
    });
    phrases
}

/// What changed of one node, in words.
pub fn diff_of_node(cluster: &str, node: &str, old: &Config, new: &Config) -> String {
    let find = |config: &Config| Some(config.cluster.get(cluster)?.nodes.get(node)?.table());
    let mut phrases = Vec::new();
    match (find(old), find(new)) {
        (Some(before), Some(after)) => walk("", &fields(&before), &fields(&after), &mut phrases),
        (Some(_), None) => phrases.push("no longer known".into()),
        _ => {}
    }
    if phrases.is_empty() { "nothing changed".into() } else { phrases.join(", ") }
}

/// As many rules as before: those that were only switched are named, the others counted.
fn rules(old: &[Rule], new: &[Rule], phrases: &mut Vec<String>) {
    let (mut changed, mut switched) = (0, Vec::new());
    for (at, (before, after)) in
        old.iter().zip(new).enumerate().filter(|(_, (before, after))| before != after)
    {
        if before.disabled != after.disabled
            && *before == (Rule { disabled: before.disabled, ..after.clone() })
        {
            switched.push(format!("rule {}: disabled {}→{}", at + 1, before.disabled, after.disabled));
        } else {
            changed += 1;
        }
    }
    if !switched.is_empty() {
        phrases.push(shorten(switched));
    }
    if changed > 0 {
        phrases.push(format!("rules changed ({changed} of {})", new.len()));
    }
}

/// Things that have a name: which came, which went, what changed in the others.
fn named<T: PartialEq>(
    kind: &str,
    old: &IndexMap<String, T>,
    new: &IndexMap<String, T>,
    phrases: &mut Vec<String>,
    inside: impl Fn(&T, &T) -> Vec<String>,
) {
    for name in names(old, new) {
        match (old.get(name), new.get(name)) {
            (None, _) => phrases.push(format!("+ {kind} {name}")),
            (_, None) => phrases.push(format!("- {kind} {name}")),
            (Some(before), Some(after)) if before != after => {
                let inside = inside(before, after);
                if !inside.is_empty() {
                    phrases.push(format!("{kind} {name}: {}", shorten(inside)));
                }
            }
            _ => {}
        }
    }
    if is_reordered(old, new) {
        phrases.push(format!("{kind}s in another order"));
    }
}

/// A node may be written in two ways; only what it says is compared.
fn nodes(old: &IndexMap<String, Node>, new: &IndexMap<String, Node>, phrases: &mut Vec<String>) {
    for name in names(old, new) {
        match (old.get(name), new.get(name)) {
            (None, _) => phrases.push(format!("+ node {name}")),
            (_, None) => phrases.push(format!("- node {name}")),
            (Some(before), Some(after)) if before != after => {
                walk(name, &fields(&before.table()), &fields(&after.table()), phrases)
            }
            _ => {}
        }
    }
    if is_reordered(old, new) {
        phrases.push("nodes in another order".into());
    }
}

/// The names in both, the old one's order first.
fn names<'a, T>(
    old: &'a IndexMap<String, T>,
    new: &'a IndexMap<String, T>,
) -> impl Iterator<Item = &'a String> {
    old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)))
}

fn is_reordered<T>(old: &IndexMap<String, T>, new: &IndexMap<String, T>) -> bool {
    old.len() == new.len() && old.keys().ne(new.keys()) && old.keys().all(|name| new.contains_key(name))
}

/// What changed in a table.
fn inside<T: Serialize>(old: &T, new: &T) -> Vec<String> {
    let mut phrases = Vec::new();
    walk("", &fields(old), &fields(new), &mut phrases);
    phrases
}

fn value<T: Serialize>(of: &T) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

fn fields<T: Serialize>(of: &T) -> Map<String, Value> {
    match value(of) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn walk(at: &str, old: &Map<String, Value>, new: &Map<String, Value>, phrases: &mut Vec<String>) {
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        let (before, after) = (old.get(key), new.get(key));
        if before == after {
            continue;
        }
        let name = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (before, after) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => walk(&name, before, after, phrases),
            _ => phrases.push(format!("{name} {}→{}", short(before), short(after))),
        }
    }
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
        let old = config(
            "listener.web.bind = '127.0.0.1:1'\n[cluster.shop.nodes]\nn1 = 'http://a:1'\nn2 = 'http://b:1'",
        );
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
    fn rules_that_were_only_switched_are_named() {
        let rules = |rules: [&str; 3]| config(&format!("rule = [{{ {} }}]", rules.join(" }, { ")));
        let old = rules(["cluster = 'a'", "cluster = 'b', disabled = true", "cluster = 'c'"]);
        let new =
            rules(["cluster = 'a', disabled = true", "cluster = 'b'", "cluster = 'd', disabled = true"]);
        assert_eq!(
            diff(&old, &new),
            ["rule 1: disabled false→true, rule 2: disabled true→false", "rules changed (1 of 3)"]
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
