//! What was warned of once, and is not again.

use crate::base::hash::hash64;
use std::sync::Mutex;

/// So many texts; whoever makes up more is not listened to.
const MOST: usize = 32;

/// Texts that somebody was warned of.
#[derive(Debug, Default)]
pub struct WarnedTexts(Mutex<Vec<u64>>);

impl WarnedTexts {
    /// True the first time, for as many texts as are worth a line. Nobody waits for it.
    pub fn is_first(&self, text: &str) -> bool {
        let hash = hash64(text.as_bytes());
        let Ok(mut known) = self.0.try_lock() else { return false };
        let first = known.len() < MOST && !known.contains(&hash);
        if first {
            known.push(hash);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_once_and_not_too_many() {
        let warned = WarnedTexts::default();
        assert!(warned.is_first("a") && !warned.is_first("a") && warned.is_first("b"));
        assert_eq!((0..1000).filter(|n| warned.is_first(&n.to_string())).count(), MOST - 2);
    }
}
