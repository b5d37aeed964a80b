//! Times, numbers and the values of enumerations as people read them.

pub use super::units::span;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An enumeration whose values have a word each.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$inner:meta])* $value:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$inner])* $value,)* }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$value),*];

            /// The word for it, wherever it is shown.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }

            /// The first that has this word.
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.word() == word)
            }
        }

        impl crate::base::words::Worded for $name {
            fn word(self) -> &'static str {
                self.word()
            }

            fn of_word(word: &str) -> Option<Self> {
                Self::of_word(word)
            }
        }
    };
}
pub(crate) use words;

/// What has a word for each of its values.
pub trait Worded: Copy + PartialEq {
    /// The word.
    fn word(self) -> &'static str;
    /// The value.
    fn of_word(word: &str) -> Option<Self>;
}

/// A value by its word, as a proxy of any version says it: a newer one may have words that are not known
/// here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word<T> {
    /// One that is known.
    Known(T),
    /// Another.
    Other(String),
}

impl<T: Worded> Word<T> {
    /// The value, if it is known.
    pub fn known(&self) -> Option<T> {
        match self {
            Self::Known(value) => Some(*value),
            Self::Other(_) => None,
        }
    }

    /// As it is said.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(value) => value.word(),
            Self::Other(word) => word,
        }
    }
}

impl<T> From<T> for Word<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: Worded> PartialEq<T> for Word<T> {
    fn eq(&self, other: &T) -> bool {
        self.known() == Some(*other)
    }
}

impl<T: Worded> fmt::Display for Word<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl<T: Worded> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de, T: Worded> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        Ok(T::of_word(&word).map_or(Self::Other(word), Self::Known))
    }
}

/// The time between two moments as RFC 3339 writes them, roughly; empty if they are no such.
pub fn age(since: &str, now: &str) -> String {
    seconds(since, now).map_or_else(String::new, |seconds| span(seconds.max(0).unsigned_abs()))
}

/// What is left until a moment, to the second: "1:02:03"; none if it has passed.
pub fn left(now: &str, until: &str) -> Option<String> {
    let left = seconds(now, until).filter(|left| *left > 0)?;
    Some(format!("{}:{:02}:{:02}", left / 3600, left % 3600 / 60, left % 60))
}

/// Whole seconds from one moment to another, as RFC 3339 writes them.
pub fn seconds(from: &str, to: &str) -> Option<i64> {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    Some((parse(to)? - parse(from)?).whole_seconds())
}

/// "1 node", "2 nodes".
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// What there is of these; the first is always said: "0 sessions, 3 sockets".
pub fn counts(of: &[(u64, &str)]) -> String {
    let said = of.iter().enumerate().filter(|(at, (n, _))| *at == 0 || *n > 0);
    said.map(|(_, (n, what))| count(*n, what)).collect::<Vec<_>>().join(", ")
}

/// Names in a sentence: "n1, n2"; of very many only the first.
pub fn listed<N: AsRef<str>>(names: &[N]) -> String {
    const MOST: usize = 12;
    let of = |names: &[N]| names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names {
        [] => "none".to_owned(),
        names if names.len() > MOST => format!("{}, … ({} in all)", of(&names[..MOST]), names.len()),
        names => of(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    words! {
        /// Two of them.
        pub enum Side {
            /// Here.
            Left = "left",
            /// There.
            Right = "right",
        }
    }

    #[test]
    fn a_word_that_is_not_known_is_kept_as_it_is() {
        for (word, side) in [("left", Some(Side::Left)), ("right", Some(Side::Right)), ("above", None)] {
            let read: Word<Side> = serde_json::from_value(word.into()).unwrap();
            assert_eq!((read.known(), read.as_str()), (side, word));
            assert_eq!(serde_json::to_value(&read).unwrap(), word);
        }
    }

    #[test]
    fn what_there_is_none_of_is_left_out() {
        assert_eq!(counts(&[(0, "session"), (0, "request"), (3, "socket")]), "0 sessions, 3 sockets");
        assert_eq!(counts(&[(1, "session"), (2, "request"), (0, "socket")]), "1 session, 2 requests");
    }

    #[test]
    fn times_are_never_below_zero() {
        assert_eq!(age("2026-11-21T16:00:00.900Z", "2026-11-21T16:00:05.100Z"), "4 s");
        assert_eq!(age("2026-11-21T16:00:05Z", "2026-11-21T16:00:00Z"), "0 s", "clocks differ");
        assert_eq!(left("2026-11-21T16:00:00Z", "2026-11-21T17:02:03Z").as_deref(), Some("1:02:03"));
        assert_eq!(left("2026-11-21T16:00:00Z", "2026-11-21T16:00:00Z"), None);
    }
}
