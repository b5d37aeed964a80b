//! What a conf file says at all, whatever it says: a file that says less than before may be half a file.

use serde_json::Value;
use std::collections::HashSet;
use std::hash::Hasher;
use twox_hash::XxHash64;

/// Every key that is written, each listener, cluster, node and rule with it. Names stand as hashes: there may
/// be very many.
#[derive(Debug, Clone, Default)]
pub struct GivenKeys(HashSet<u64>);

impl GivenKeys {
    /// What stands in a tree into which no defaults were filled.
    pub fn of(tree: &Value) -> Self {
        let mut given = Self::default();
        given.walk(0, tree);
        given
    }

    /// Whether something was said before and is not any more.
    pub fn lacks(&self, before: &Self) -> bool {
        before.0.iter().any(|key| !self.0.contains(key))
    }

    /// Whether a key is written.
    pub fn has(&self, path: &[&str]) -> bool {
        self.0.contains(&path.iter().fold(0, |at, key| place(at, key.as_bytes())))
    }

    fn walk(&mut self, at: u64, value: &Value) {
        let below: &mut dyn Iterator<Item = (u64, &Value)> = match value {
            Value::Object(fields) => {
                &mut fields.iter().map(|(key, value)| (place(at, key.as_bytes()), value))
            }
            Value::Array(items) => {
                &mut items.iter().enumerate().map(|(n, value)| (place(at, &n.to_le_bytes()), value))
            }
            _ => return,
        };
        for (at, value) in below {
            self.0.insert(at);
            self.walk(at, value);
        }
    }
}

fn place(parent: u64, key: &[u8]) -> u64 {
    let mut hasher = XxHash64::with_seed(parent);
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_no_more_is_lacking_and_what_is_said_otherwise_is_not() {
        let whole = "[[rule]]\ncluster = 'shop'\n[cluster.shop]\naffinity = 'route'\nretries = 1\n[cluster.shop.nodes]\nn1 = 'a'\nn2 = 'b'\n";
        let given = |text: &str| GivenKeys::of(&toml::from_str(text).unwrap());
        let before = given(whole);
        for (what, from, to, lacks) in [
            ("nothing", "", "", false),
            ("a value", "retries = 1", "retries = 2", false),
            ("an address", "n2 = 'b'", "n2 = { url = 'c' }", false),
            ("one more", "n1 = 'a'", "n1 = 'a'\nn3 = 'c'", false),
            ("a node", "n2 = 'b'\n", "", true),
            ("a node by another", "n2 = 'b'", "n3 = 'b'", true),
            ("an affinity", "affinity = 'route'\n", "", true),
            ("a key that falls back to its default", "retries = 1\n", "", true),
            ("the rule", "[[rule]]\ncluster = 'shop'\n", "", true),
            ("the cluster's name", "cluster.shop", "cluster.bank", true),
        ] {
            assert_eq!(given(&whole.replace(from, to)).lacks(&before), lacks, "{what}");
        }
        for end in 0..whole.len() {
            if let Ok(half) = toml::from_str(&whole[..end]) {
                assert!(
                    GivenKeys::of(&half).lacks(&before) || end > whole.rfind('n').unwrap() + 3,
                    "{}",
                    &whole[..end]
                );
            }
        }
    }
}
