//! Why an affinity, or a ring of keys, cannot be used.

use std::error::Error;
use std::fmt;

/// What is wrong with an affinity. The check of the conf says the same at its place in the file, and what to
/// write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AffinityError {
    /// Not exactly one form.
    Forms,
    /// A form under `also` that has others under it.
    NestedAlso,
    /// A form under `also` that only the ledger could answer.
    LearnUnderAlso,
    /// No cookie's name.
    CookieName(String),
    /// No header's name.
    HeaderName(String),
    /// A key of no known kind.
    Key(String),
    /// A place of an id of no known kind.
    Learn(String),
    /// A separator of no characters.
    EmptySeparator,
    /// Ages of a cookie that another writes.
    AgesOfAnothers,
    /// A sealed cookie that another writes.
    SealedAnothers,
    /// A dynamic cookie without its key.
    NoDynamicKey,
    /// A route that ends the value of a cookie.
    Route(String),
    /// An attribute that ends the attribute, or the line.
    Attribute(String),
}

/// What is wrong with a file of keys. The line itself is never repeated: it may be most of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRingError {
    /// This line is no key.
    Line(usize),
    /// There is none.
    Empty,
}

impl fmt::Display for AffinityError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forms => out.write_str("affinity needs exactly one of `cookie`, `route`, `learn`, `key`"),
            Self::NestedAlso => out.write_str("a form under `also` cannot have an `also` of its own"),
            Self::LearnUnderAlso => {
                out.write_str("`learn` cannot stand under `also`: it would never learn anything")
            }
            Self::CookieName(name) => write!(out, "\"{name}\" is no cookie's name"),
            Self::HeaderName(name) => write!(out, "\"{name}\" is no header's name"),
            Self::Key(text) => {
                write!(out, "key \"{text}\" is not \"query:NAME\", \"header:NAME\" or \"source\"")
            }
            Self::Learn(text) => write!(
                out,
                "learn \"{text}\" is no cookie's name, \"header:NAME\", \"query:NAME\" or \"path:NAME\""
            ),
            Self::EmptySeparator => {
                out.write_str("`separator` is empty; \"off\" takes the whole value as the route")
            }
            Self::AgesOfAnothers => out.write_str("`max-idle` and `max-life` need `mode = \"insert\"`"),
            Self::SealedAnothers => out.write_str(
                "only a cookie of ours can be sealed: `value = \"sealed\"` needs `mode = \"insert\"`",
            ),
            Self::NoDynamicKey => out.write_str("`value = \"dynamic\"` needs `dynamic-key`"),
            Self::Route(text) => write!(out, "route \"{text}\" cannot stand in a cookie"),
            Self::Attribute(text) => {
                write!(out, "\"{}\" cannot stand in a Set-Cookie header", text.escape_debug())
            }
        }
    }
}

impl fmt::Display for KeyRingError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(out, "line {number}: not a key (32 bytes in base64url)"),
            Self::Empty => out.write_str("no key in it"),
        }
    }
}

impl Error for AffinityError {}
impl Error for KeyRingError {}
