//! What was warned of once, and is not again for a while.

use crate::base::hash::hash64;
use std::sync::Mutex;

/// So many texts; whoever makes up more is not listened to,
const MOST: usize = 32;
/// until so many milliseconds after the first of them.
const WHILE: u64 = 3_600_000;

/// Texts that somebody was warned of.
#[derive(Debug, Default)]
pub struct WarnedTexts(Mutex<WarnedLately>);

#[derive(Debug, Default)]
struct WarnedLately {
    texts: Vec<u64>,
    since: u64,
}

impl WarnedTexts {
    /// True the first time, for as many texts as are worth a line. Nobody waits for it.
    pub fn is_first(&self, text: &str, now_ms: u64) -> bool {
        let hash = hash64(text.as_bytes());
        let Ok(mut known) = self.0.try_lock() else { return false };
        if known.texts.is_empty() || now_ms.saturating_sub(known.since) > WHILE {
            (known.texts, known.since) = (Vec::new(), now_ms);
        }
        let first = known.texts.len() < MOST && !known.texts.contains(&hash);
        if first {
            known.texts.push(hash);
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
        assert!(warned.is_first("a", 7) && !warned.is_first("a", 8) && warned.is_first("b", 9));
        assert_eq!((0..1000).filter(|n| warned.is_first(&n.to_string(), 10)).count(), MOST - 2);
        assert!(!warned.is_first("a", 7 + WHILE) && warned.is_first("a", 8 + WHILE), "it still happens");
    }
}
