//! Why an address of the control plane cannot be made ready.

use crate::base::token::TokenError;
use crate::listen::ListenError;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// What is wrong with it.
#[derive(Debug)]
pub enum ControlError {
    /// Where it was to be.
    Listen(ListenError),
    /// What was to keep strangers out.
    Tokens(TokenFileError),
}

/// A file of tokens that is of no use.
#[derive(Debug)]
pub struct TokenFileError {
    /// The key of the conf that names it.
    pub key: String,
    /// Where it is.
    pub file: PathBuf,
    /// Why.
    pub why: TokenError,
}

impl From<ListenError> for ControlError {
    fn from(why: ListenError) -> Self {
        Self::Listen(why)
    }
}

impl From<TokenFileError> for ControlError {
    fn from(why: TokenFileError) -> Self {
        Self::Tokens(why)
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(why) => why.fmt(out),
            Self::Tokens(why) => why.fmt(out),
        }
    }
}

impl fmt::Display for TokenFileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} {}", self.key, self.file.display(), self.why)
    }
}

impl Error for ControlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen(why) => Some(why),
            Self::Tokens(why) => Some(why),
        }
    }
}

impl Error for TokenFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.why)
    }
}
