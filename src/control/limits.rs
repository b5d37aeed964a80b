//! The limits of a node that can be changed at run time.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The largest weight.
const HEAVIEST: u16 = 1000;

/// New limits; what is not said stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NodeLimits {
    /// Share of new sessions, 0 to 1000.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub weight: Option<u16>,
    /// The most live sessions.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub max_sessions: Option<Limit>,
    /// The most requests at one time.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub max_requests: Option<Limit>,
}

/// A limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Limit {
    /// So many.
    Most(#[schemars(range(min = 1, max = 4_294_967_295_u32))] u32),
    /// No limit.
    Word(Off),
}

/// The word for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Off {
    /// "off"
    Off,
}

impl Limit {
    /// As the conf has it.
    pub fn get(self) -> Option<u32> {
        match self {
            Self::Most(n) => Some(n),
            Self::Word(Off::Off) => None,
        }
    }
}

impl NodeLimits {
    /// What makes no sense of it.
    pub fn flaw(&self) -> Option<LimitsFlaw> {
        match self {
            _ if *self == Self::default() => Some(LimitsFlaw::Nothing),
            _ if self.weight.is_some_and(|weight| weight > HEAVIEST) => Some(LimitsFlaw::Weight),
            _ if [self.max_sessions, self.max_requests].contains(&Some(Limit::Most(0))) => {
                Some(LimitsFlaw::Zero)
            }
            _ => None,
        }
    }
}

/// What makes no sense of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitsFlaw {
    /// None is said.
    Nothing,
    /// There is no such weight.
    Weight,
    /// A limit of 0.
    Zero,
}

impl std::fmt::Display for LimitsFlaw {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Nothing => "Nothing is set: write weight, max-sessions or max-requests.",
            Self::Weight => "weight is a number from 0 to 1000.",
            Self::Zero => "A limit of 0 would refuse everything: write at least 1, or \"off\"; to take a node out, drain or disable it.",
        })
    }
}

/// A field that may be left out, and is no `null` if it is there.
pub fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}
