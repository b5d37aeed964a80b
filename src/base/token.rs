//! Secret tokens: what a node shows to be heard, and an operator to be let in.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore;
use std::path::Path;

/// The shortest token: a shorter one can be guessed.
const SHORTEST: usize = 16;
/// The longest token: it travels in a header.
const LONGEST: usize = 256;

/// The tokens of a file; each of them is good, so that one can be changed for another without a gap.
pub struct Tokens {
    /// Their hashes, so that lengths tell nothing and no dump shows a token.
    hashes: Vec<[u8; 32]>,
}

impl Tokens {
    /// Reads a file of tokens.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        Self::parse(&text)
    }

    /// Reads tokens, one a line; empty lines and what follows `#` are passed over.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut hashes = Vec::new();
        for (line, token) in each(text) {
            // The line itself is never repeated: it may be most of a token.
            if !(SHORTEST..=LONGEST).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!(
                    "line {line}: a token has {SHORTEST} to {LONGEST} letters, digits and signs, no spaces: write one that `homing token` made"
                ));
            }
            hashes.push(hash(token.as_bytes()));
        }
        if hashes.is_empty() { Err("no token in it: write one that `homing token` made".into()) } else { Ok(Self { hashes }) }
    }

    /// True when this is one of the tokens. Takes the same time whichever it is, and however much of it is right.
    pub fn admit(&self, token: &[u8]) -> bool {
        let given = hash(token);
        self.hashes.iter().fold(false, |good, hash| good | verify_slices_are_equal(hash, &given).is_ok())
    }

    /// As `admit`, for the value of an Authorization header.
    pub fn admit_header(&self, authorization: &[u8]) -> bool {
        bearer(authorization).is_some_and(|token| self.admit(token))
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Tokens({}, not shown)", self.hashes.len())
    }
}

/// The first token of a file: the one to show.
pub fn first(text: &str) -> Option<&str> {
    each(text).map(|(_, token)| token).next()
}

/// The tokens of a file, with their lines.
fn each(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines());
    lines.map(|(at, line)| (at, line.split('#').next().unwrap_or_default().trim())).filter(|(_, token)| !token.is_empty())
}

/// A fresh token.
pub fn generate() -> String {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    URL_SAFE_NO_PAD.encode(secret)
}

/// The token in `Bearer TOKEN`.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return None;
    }
    Some(token.trim_ascii())
}

fn hash(token: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, token).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_token_of_the_file_is_good() {
        let (new, old) = (generate(), generate());
        let tokens = Tokens::parse(&format!("# newest first\n{new}\n\n  {old}   # until Friday\n")).unwrap();
        for (token, good) in [(new.as_str(), true), (&old, true), (&generate(), false), ("", false), (&new[1..], false), ("#", false)] {
            assert_eq!(tokens.admit(token.as_bytes()), good, "{token}");
        }
        assert_eq!(first("# newest first\nthis-one # until Friday\nthat-one"), Some("this-one"));
        let shown = format!("{tokens:?}");
        assert_eq!(shown, "Tokens(2, not shown)");
    }

    #[test]
    fn files_without_a_good_token_are_refused_without_repeating_them() {
        for wrong in ["", "# nothing\n", "hunter2\n", "abcdefgh ijklmnopqr\n", "p\u{e4}sswordpassword\n", &"x".repeat(257)] {
            let said = Tokens::parse(wrong).unwrap_err();
            assert!(said.contains("homing token"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn tokens_come_as_bearers() {
        let tokens = Tokens::parse("correct-horse-battery").unwrap();
        for (header, good) in [
            ("Bearer correct-horse-battery", true),
            ("bearer  correct-horse-battery ", true),
            ("Basic correct-horse-battery", false),
            ("correct-horse-battery", false),
            ("Bearer", false),
            ("Bearer ", false),
            ("", false),
        ] {
            assert_eq!(tokens.admit_header(header.as_bytes()), good, "{header}");
        }
    }
}
