//! The effective conf file: everything said, defaults filled in, as TOML that reads back to the same.

use super::env::escape;
use super::model::Config;

/// The file as TOML.
pub fn dump(config: &Config) -> Result<String, toml::ser::Error> {
    let mut tree = toml::Value::try_from(config)?;
    escape_texts(&mut tree);
    toml::to_string_pretty(&tree)
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
