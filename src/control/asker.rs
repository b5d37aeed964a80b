//! Who asks for a change, from where, and why: what the log, the history and the status say of it.

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// The longest reason, in characters: it stands in a line of the log.
const LONGEST: usize = 200;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// In a word or two: "operator", the name of a token, "deadline".
    pub who: String,
    /// Where from, if somebody asked from somewhere: an address, or "unix".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Why, in his words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StatedReason>,
}

impl From<&str> for Asker {
    fn from(who: &str) -> Self {
        Self { who: who.to_owned(), from: None, reason: None }
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.who)?;
        self.from.iter().try_for_each(|from| write!(out, " from {from}"))?;
        self.reason.iter().try_for_each(|reason| write!(out, " ({reason})"))
    }
}

/// Why a change is made: a line of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatedReason(String);

/// What is no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatedReasonError {
    /// It says nothing.
    Empty,
    /// It is too long.
    Long,
    /// It is no line of text.
    Control,
}

impl FromStr for StatedReason {
    type Err = StatedReasonError;
    fn from_str(text: &str) -> Result<Self, StatedReasonError> {
        match text.trim() {
            "" => Err(StatedReasonError::Empty),
            text if text.chars().count() > LONGEST => Err(StatedReasonError::Long),
            text if text.chars().any(char::is_control) => Err(StatedReasonError::Control),
            text => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for StatedReason {
    type Error = StatedReasonError;
    fn try_from(text: String) -> Result<Self, StatedReasonError> {
        text.parse()
    }
}

impl From<StatedReason> for String {
    fn from(reason: StatedReason) -> Self {
        reason.0
    }
}

impl fmt::Display for StatedReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for StatedReasonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("the reason is empty: say why, or leave it out"),
            Self::Long => write!(out, "the reason is too long: write {LONGEST} characters at most"),
            Self::Control => out.write_str("the reason is to be one line, without control characters"),
        }
    }
}

impl Error for StatedReasonError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line_of_text() {
        for (text, read) in [
            ("kernel update", Ok("kernel update")),
            ("  ticket 4711 – Müller\t", Ok("ticket 4711 – Müller")),
            ("", Err(StatedReasonError::Empty)),
            ("  ", Err(StatedReasonError::Empty)),
            ("a\nb", Err(StatedReasonError::Control)),
            ("\u{1b}[2J", Err(StatedReasonError::Control)),
        ] {
            assert_eq!(text.parse().map(|StatedReason(text)| text), read.map(str::to_owned), "{text:?}");
        }
        assert!("x".repeat(LONGEST).parse::<StatedReason>().is_ok());
        assert_eq!("x".repeat(LONGEST + 1).parse::<StatedReason>(), Err(StatedReasonError::Long));
    }

    #[test]
    fn who_asks_is_said_with_what_is_known_of_him() {
        let all =
            Asker { who: "ops".into(), from: Some("10.0.0.9".into()), reason: "kernel update".parse().ok() };
        for (asker, said) in [
            (Asker::from("deadline"), "deadline"),
            (Asker { reason: None, ..all.clone() }, "ops from 10.0.0.9"),
            (all, "ops from 10.0.0.9 (kernel update)"),
        ] {
            assert_eq!(asker.to_string(), said);
        }
    }
}
