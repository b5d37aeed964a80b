//! What is wrong with the body of a heartbeat, for whoever set the node up.

use crate::base::units::Duration;
use crate::config::address::AddressError;
use std::error::Error;
use std::fmt;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// JSON, but no object.
    NotObject,
    /// No JSON, in the words of who reads it.
    Json(String),
    /// JSON that is sent as a form.
    JsonAsForm,
    /// A field that is given twice.
    Twice(String),
    /// A field.
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        flaw: FieldFlaw,
    },
}

/// What is wrong with a field. Values are as they are repeated: in part, and without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldFlaw {
    /// It is missing, and no heartbeat can do without.
    Missing,
    /// It has no value.
    Empty,
    /// It is longer than so many bytes.
    TooLong(usize),
    /// It holds a control character.
    Control,
    /// It is no text.
    NoText(String),
    /// It is no whole number, or none between these.
    NoNumber {
        /// The value.
        value: String,
        /// The least that it may be.
        least: u64,
        /// The most.
        most: u64,
    },
    /// It is no time, or none between these.
    NoDuration {
        /// The value.
        value: String,
        /// The least that it may be.
        least: Duration,
        /// The most.
        most: Duration,
    },
    /// It is no list.
    NoList(String),
    /// It is none of the words that are known.
    NoWord {
        /// The value.
        value: String,
        /// The words.
        words: String,
    },
    /// It cannot be a name.
    NoName(String),
    /// It is no address.
    Address(AddressError),
    /// A socket of our own machine, which no node of the network can point us at.
    UnixSocket,
    /// A port that cannot be connected to.
    PortZero,
    /// A sequence without the run that it counts.
    SequenceAlone,
    /// Roles that exclude each other.
    Roles(&'static str),
}

impl FieldFlaw {
    /// Of this field.
    pub fn of(self, field: &'static str) -> BodyError {
        BodyError::Field { field, flaw: self }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotObject => out
                .write_str("the body is not a JSON object: write {\"cluster\": …, \"node\": …, \"url\": …}"),
            Self::Json(why) => write!(out, "the JSON does not parse: {why}"),
            Self::JsonAsForm => {
                out.write_str("the body is JSON but is sent as a form: send Content-Type: application/json")
            }
            Self::Twice(field) => write!(out, "{field:?} is given twice; a list has commas, as in roles=a,b"),
            Self::Field { field, flaw } => write!(out, "{field}: {flaw}"),
        }
    }
}

impl fmt::Display for FieldFlaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => {
                out.write_str("missing; a heartbeat names its cluster, its node and the node's url")
            }
            Self::Empty => out.write_str("empty; leave it out or give it a value"),
            Self::TooLong(longest) => write!(out, "longer than {longest} bytes"),
            Self::Control => out.write_str("holds a control character"),
            Self::NoText(value) => write!(out, "{value} is not a text"),
            Self::NoNumber { value, least, most } => {
                write!(out, "{value} is not a whole number between {least} and {most}")
            }
            Self::NoDuration { value, least, most } => write!(
                out,
                "{value} is not a time between {least} and {most}: write whole seconds, or a number and ms, s, m, h or d, as in \"5s\""
            ),
            Self::NoList(value) => write!(out, "{value} is not a list of words"),
            Self::NoWord { value, words } => write!(out, "{value} is not one of {words}"),
            Self::NoName(name) => {
                write!(out, "{name:?} cannot be a name; use letters, digits, `-`, `_` and `.`, 253 at most")
            }
            Self::Address(why) => why.fmt(out),
            Self::UnixSocket => {
                out.write_str("only the conf file can name a Unix socket; write http://host:port")
            }
            Self::PortZero => {
                out.write_str("port 0 cannot be connected to; write the port that the node listens on")
            }
            Self::SequenceAlone => {
                out.write_str("needs `boot` beside it, or a restarted node would pass for a replay")
            }
            Self::Roles(why) => out.write_str(why),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Field { flaw: FieldFlaw::Address(why), .. } => Some(why),
            _ => None,
        }
    }
}
