//! What is wrong with an argument, and what to write instead.

use std::error::Error;
use std::fmt;

/// What it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentError {
    /// No `CLUSTER/NODE`.
    NodePath,
    /// Neither a node nor a cluster nor a rule.
    SwitchTarget,
    /// No `KEY=VALUE`.
    NoValue,
    /// No limit.
    Limit(String),
    /// No weight.
    Weight(String),
    /// No key that can be set.
    Key(String),
    /// A key that is set twice.
    Twice(&'static str),
    /// No scheme that the proxy is spoken to by.
    Scheme(String),
    /// No address.
    Address(String),
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodePath => out.write_str(
                "write CLUSTER/NODE, as in app/n1, or for what changes nodes a pattern, as in 'app/*-old'",
            ),
            Self::SwitchTarget => out.write_str("write CLUSTER/NODE as in app/n1, CLUSTER, or rule:N"),
            Self::NoValue => out.write_str("write KEY=VALUE, as in weight=50"),
            Self::Limit(value) => write!(out, "{value:?} is no limit: write a number, or off"),
            Self::Weight(value) => write!(out, "{value:?} is no weight: write a number from 0 to 1000"),
            Self::Key(key) => {
                write!(out, "{key:?} cannot be set: write weight, max-sessions or max-requests")
            }
            Self::Twice(key) => write!(out, "{key} is given twice: write it once"),
            Self::Scheme(scheme) => {
                write!(
                    out,
                    "{scheme}:// is not spoken to the proxy: write http://host:port, https://host:port or unix:/path"
                )
            }
            Self::Address(url) => {
                write!(out, "{url:?} is no address: write http://host:port, https://host:port or unix:/path")
            }
        }
    }
}

impl Error for ArgumentError {}
