//! The effective conf file: everything said, defaults filled in, as TOML that reads back to the same.

use super::env::escape;
use super::model::Config;

/// What stands for a secret that is not shown.
pub const HIDDEN: &str = "(hidden)";

/// The file as TOML.
pub fn dump(config: &Config) -> Result<String, toml::ser::Error> {
    let mut tree = toml::Value::try_from(config)?;
    escape_texts(&mut tree);
    toml::to_string_pretty(&tree)
}

/// The same without its secrets, and how many these are.
pub fn dump_open(config: &Config) -> Result<(String, u64), toml::ser::Error> {
    let mut tree = toml::Value::try_from(config)?;
    escape_texts(&mut tree);
    let hidden = hide(&mut tree, "", "");
    Ok((toml::to_string_pretty(&tree)?, hidden))
}

/// Keys whose texts are secrets, or may well be: the conf's own, and headers that carry them. `parent` is the
/// key of the table that it stands in.
pub fn is_secret(parent: &str, key: &str) -> bool {
    if (parent, key) == ("join", "token") {
        // a keyword: whose tokens count
        return false;
    }
    let key = key.to_ascii_lowercase();
    let secret = ["authorization", "dynamic-key", "secret", "token", "password", "api-key", "apikey"]
        .iter()
        .any(|word| key.contains(word));
    (secret && !key.ends_with("-file")) || key == "set-cookie"
}

fn hide(value: &mut toml::Value, parent: &str, key: &str) -> u64 {
    match value {
        toml::Value::String(text) if is_secret(parent, key) => {
            HIDDEN.clone_into(text);
            1
        }
        toml::Value::Array(items) => items.iter_mut().map(|item| hide(item, parent, key)).sum(),
        toml::Value::Table(table) => table.iter_mut().map(|(inner, value)| hide(value, key, inner)).sum(),
        _ => 0,
    }
}

/// A text with `${` in it would be filled in when it is read again.
fn escape_texts(value: &mut toml::Value) {
    match value {
        toml::Value::String(text) => *text = escape(text),
        toml::Value::Array(items) => items.iter_mut().for_each(escape_texts),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| escape_texts(value)),
        _ => {}
    }
}
