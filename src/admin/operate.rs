//! What an operator can do to a node: the words of the API for an edit.

use crate::base::units::Duration;
use crate::control::drain::{self, Asked};
use crate::control::edit;
use crate::serve::problem::Problem;
use bytes::Bytes;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A change of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Its sessions stay, new ones go elsewhere.
    Drain(Drain),
    /// It takes everything again, whatever took it out.
    Enable,
    /// Nobody is sent there.
    Disable(Force),
    /// A node that announced itself is let in.
    Accept,
    /// It leaves the cluster.
    Remove(Force),
    /// Its limits change.
    Set(Set),
}

/// How a node is drained; what is not said of a drain that is on stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Drain {
    /// How long its sessions may take to end; "off" for ever, as is a new drain of which nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schemars(with = "Duration")]
    pub deadline: Option<Duration>,
    /// What becomes of the sessions that are left then; a new drain keeps them.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schemars(with = "Then")]
    pub then: Option<Then>,
    /// Even if something stops working without it.
    pub force: bool,
}

/// What becomes of sessions that are left at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// They stay as long as they live.
    #[default]
    Keep,
    /// They are moved to other nodes.
    Move,
}

/// Whether it is done even if something stops working.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Force {
    /// It is.
    pub force: bool,
}

/// A value that leads past everything to one node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bypass {
    /// How long it is good for; ten minutes if not said.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schemars(
        with = "String",
        regex(pattern = r"^([1-9][0-9]{3,6} ?ms|[1-9][0-9]{0,3} ?s|[1-9][0-9]{0,2} ?(m|min)|([1-9]|1[0-9]|2[0-4]) ?h|1 ?d)$")
    )]
    pub lasts: Option<Duration>,
}

/// A bypass is for the moment: nobody takes it back.
const LONGEST_BYPASS: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

impl Bypass {
    /// How long it is to last, from a body that may be empty.
    pub fn read(body: &Bytes) -> Result<std::time::Duration, Problem> {
        let lasts = parse::<Self>(body)?.lasts.map_or(std::time::Duration::from_secs(600), Duration::get);
        match lasts.as_secs() {
            0 => Err(Problem::new(StatusCode::BAD_REQUEST, "A bypass lasts a second at least.")),
            _ if lasts > LONGEST_BYPASS => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "A bypass lasts 24h at most: nobody can take it back."))
            }
            _ => Ok(lasts),
        }
    }
}

/// New limits; what is not said stays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub struct Set {
    /// Share of new sessions, 0 to 1000.
    #[schemars(with = "u16", range(max = 1000))]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub weight: Option<u16>,
    /// The most live sessions.
    #[schemars(with = "Limit")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub max_sessions: Option<Limit>,
    /// The most requests at one time.
    #[schemars(with = "Limit")]
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

/// The words of the API's path.
pub const VERBS: [&str; 6] = ["drain", "enable", "disable", "accept", "remove", "set"];

/// The largest weight.
const HEAVIEST: u16 = 1000;

impl Action {
    /// From the path's last word and the body, which may be empty where nothing need be said.
    pub fn read(verb: &str, body: &Bytes) -> Result<Self, Problem> {
        Ok(match verb {
            "drain" => Self::Drain(parse(body)?),
            "disable" => Self::Disable(parse(body)?),
            "remove" => Self::Remove(parse(body)?),
            "set" => Self::Set(parse::<Set>(body)?.checked()?),
            "enable" => parse::<Nothing>(body).map(|_| Self::Enable)?,
            "accept" => parse::<Nothing>(body).map(|_| Self::Accept)?,
            _ => return Err(Problem::new(StatusCode::NOT_FOUND, "There is nothing here.")),
        })
    }
}

/// JSON has one kind of number: 50.0 is 50.
fn whole(value: &mut Value) {
    if let Some(n) = value.as_f64().filter(|n| value.is_f64() && n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n)) {
        *value = (n as u64).into();
    }
}

/// A field that may be left out, and is no `null` if it is there.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn parse<T: Default + for<'de> Deserialize<'de>>(body: &Bytes) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    // an object first: serde would take a list for the fields in their order
    let read = serde_json::from_slice::<Map<String, Value>>(body).and_then(|mut fields| {
        fields.values_mut().for_each(whole);
        serde_json::from_value(fields.into())
    });
    read.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("The body does not fit: {error}.")))
}

impl Set {
    fn checked(self) -> Result<Self, Problem> {
        if self == Self::default() {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "Nothing is set: write weight, max-sessions or max-requests."));
        }
        if self.weight.is_some_and(|weight| weight > HEAVIEST) {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "weight is a number from 0 to 1000."));
        }
        if [self.max_sessions, self.max_requests].contains(&Some(Limit::Most(0))) {
            let detail = "A limit of 0 would refuse everything: write at least 1, or \"off\"; to take a node out, drain or disable it.";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
        Ok(self)
    }
}

impl From<Action> for edit::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::Drain(Drain { deadline, then, .. }) => {
                let deadline = deadline.map(|deadline| deadline.limit().map(|limit| limit.as_secs()));
                let then = then.map(|then| if then == Then::Move { drain::Then::Move } else { drain::Then::Keep });
                Self::Drain(Asked { deadline, then })
            }
            Action::Enable => Self::Enable,
            Action::Disable(_) => Self::Disable,
            Action::Accept => Self::Accept,
            Action::Remove(_) => Self::Remove,
            Action::Set(Set { weight, max_sessions, max_requests }) => {
                let (max_sessions, max_requests) = (max_sessions.map(Limit::get), max_requests.map(Limit::get));
                Self::Set(edit::Limits { weight, max_sessions, max_requests })
            }
        }
    }
}

impl Action {
    /// Even if something stops working.
    pub fn force(&self) -> bool {
        match self {
            Self::Drain(drain) => drain.force,
            Self::Disable(force) | Self::Remove(force) => force.force,
            Self::Enable | Self::Accept | Self::Set(_) => false,
        }
    }
}

impl From<edit::Refused> for Problem {
    fn from(refused: edit::Refused) -> Self {
        match refused {
            edit::Refused::Harm { why, force } => Self::new(StatusCode::CONFLICT, why).with("force", force),
            edit::Refused::Invalid(why) => Self::new(StatusCode::CONFLICT, why).with("force", false),
            edit::Refused::Unknown(why) => Self::new(StatusCode::NOT_FOUND, why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(verb: &str, body: &'static str) -> Option<Action> {
        Action::read(verb, &Bytes::from_static(body.as_bytes())).ok()
    }

    #[test]
    fn bodies_say_how() {
        assert_eq!(read("drain", ""), Some(Action::Drain(Drain::default())));
        let drain = Drain { deadline: Some(Duration::secs(14_400)), then: Some(Then::Move), force: true };
        assert_eq!(read("drain", r#"{"deadline":"4h","then":"move","force":true}"#), Some(Action::Drain(drain)));
        for (body, deadline) in [("", None), (r#"{"deadline":"off"}"#, Some(None)), (r#"{"deadline":"30s"}"#, Some(Some(30)))] {
            let asked = Asked { deadline, then: None };
            assert_eq!(read("drain", body).map(edit::Action::from), Some(edit::Action::Drain(asked)), "{body}");
        }
        let set = Set { weight: Some(50), max_sessions: Some(Limit::Most(1)), max_requests: Some(Limit::Word(Off::Off)) };
        assert_eq!(read("set", r#"{"weight":50,"max-sessions":1,"max-requests":"off"}"#), Some(Action::Set(set)));
        let weight = Set { weight: Some(50), ..Set::default() };
        assert_eq!(read("set", r#"{"weight":50.0}"#), Some(Action::Set(weight)));
        assert_eq!(read("remove", r#"{"force":true}"#), Some(Action::Remove(Force { force: true })));
        assert_eq!((read("enable", "{}"), read("accept", "")), (Some(Action::Enable), Some(Action::Accept)));
        for verb in VERBS {
            assert_eq!(read(verb, "").is_some(), verb != "set", "{verb}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (verb, body) in [
            ("drain", "{"),
            ("drain", "[]"),
            ("drain", r#"{"deadline":"soon"}"#),
            ("drain", r#"{"dealine":"4h"}"#),
            ("drain", r#"{"then":"kill"}"#),
            ("enable", r#"{"force":true}"#),
            ("set", "{}"),
            ("set", r#"{"weight":1001}"#),
            ("set", r#"{"weight":-1}"#),
            ("set", r#"{"weight":null,"max-sessions":1}"#),
            ("set", r#"{"max-sessions":0}"#),
            ("set", r#"{"max-sessions":"none"}"#),
            ("explode", ""),
        ] {
            assert_eq!(read(verb, body), None, "{verb} {body}");
        }
    }
}
