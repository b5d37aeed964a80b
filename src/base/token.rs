//! Secret tokens: read from a file, compared without telling by time how much was right, never printed.

use aws_lc_rs::{constant_time, digest};
use std::path::Path;

/// What a bearer has to show. Only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

const SHORTEST: usize = 16;
const LONGEST: usize = 1024;

impl Token {
    /// Reads the file that holds it, alone on its line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        Self::parse(&text)
    }

    /// A token as text, white space around it ignored.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !(SHORTEST..=LONGEST).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("holds no token: write {SHORTEST} to {LONGEST} letters, digits and signs on one line"));
        }
        Ok(Self(hash(text.as_bytes())))
    }

    /// Whether this is it.
    pub fn is(&self, shown: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &hash(shown)).is_ok()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_it() {
        let token = Token::parse("  abcdefghijklmnop\n").unwrap();
        assert!(token.is(b"abcdefghijklmnop"));
        for other in ["", "abcdefghijklmno", "abcdefghijklmnopq", " abcdefghijklmnop", "ABCDEFGHIJKLMNOP"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert!(!format!("{token:?}").contains("abc"));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for bad in ["", "short", "sixteen letters!", &"x".repeat(1025), "line-one-line-one\nline-two"] {
            assert!(Token::parse(bad).is_err(), "{bad:?}");
        }
    }
}
