//! What an operator can do to a node: the words of the API for a change.

use crate::base::units::Duration;
use crate::base::words::words;
use crate::config::check::is_name;
use crate::config::model::Then;
use crate::control::Error;
use crate::control::asker::StatedReason;
use crate::control::drain::DrainRequest;
use crate::control::limits::{Limit, NodeLimits, said};
use crate::control::op::{NodeChange, SessionChange, Switch};
use crate::serve::problem::Problem;
use bytes::Bytes;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

words! {
    /// What an operator asks for, as the last word of the API's path.
    pub enum NodeAction {
        /// Its sessions stay, new ones go elsewhere.
        Drain = "drain",
        /// It takes everything again, whatever took it out.
        Enable = "enable",
        /// Nobody is sent there.
        Disable = "disable",
        /// A node that announced itself is let in.
        Accept = "accept",
        /// It leaves the cluster.
        Remove = "remove",
        /// It joined, or waits, and is no longer known.
        Forget = "forget",
        /// Its limits change.
        Set = "set",
    }
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

/// New limits of a node; what is not said stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(rename = "Set", extend("minProperties" = 1))]
pub struct SetLimits {
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
    /// Even if something stops working without it.
    pub force: bool,
}

impl SetLimits {
    /// The limits, and whether they are set even if something stops working.
    fn apart(self) -> (NodeLimits, bool) {
        let Self { weight, max_sessions, max_requests, force } = self;
        (NodeLimits { weight, max_sessions, max_requests }, force)
    }
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
        regex(
            pattern = r"^([1-9][0-9]{3,6} ?ms|[1-9][0-9]{0,3} ?s|[1-9][0-9]{0,2} ?(m|min)|([1-9]|1[0-9]|2[0-4]) ?h|1 ?d)$"
        )
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
            _ if lasts > LONGEST_BYPASS => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "A bypass lasts 24h at most: nobody can take it back.",
            )),
            _ => Ok(lasts),
        }
    }
}

impl NodeAction {
    /// What it does to a node, and whether even if something stops working: by the body, which may be empty
    /// where nothing need be said.
    pub fn read(self, body: &Bytes) -> Result<(NodeChange, bool), Problem> {
        Ok(match self {
            Self::Drain => {
                let Drain { deadline, then, force } = parse(body)?;
                (NodeChange::Drain(DrainRequest { deadline, then }), force)
            }
            Self::Disable => (NodeChange::Disable, parse::<Force>(body)?.force),
            Self::Remove => (NodeChange::Remove, parse::<Force>(body)?.force),
            Self::Forget => (NodeChange::Forget, parse::<Force>(body)?.force),
            Self::Set => {
                let (limits, force) = parse::<SetLimits>(body)?.apart();
                if let Some(flaw) = limits.flaw() {
                    return Err(Problem::new(StatusCode::BAD_REQUEST, flaw.to_string()));
                }
                (NodeChange::Set(limits), force)
            }
            Self::Enable => parse::<Nothing>(body).map(|_| (NodeChange::Enable, false))?,
            Self::Accept => parse::<Nothing>(body).map(|_| (NodeChange::Accept, false))?,
        })
    }
}

/// Why a change is asked for, by the member `reason` of its body, and the body without it.
pub fn reason_of(body: Bytes) -> Result<(Option<StatedReason>, Bytes), Problem> {
    // what is no object is for who reads the rest to refuse
    let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(&body) else { return Ok((None, body)) };
    let Some(reason) = fields.remove("reason") else { return Ok((None, body)) };
    let reason = serde_json::from_value(reason).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("The body does not fit: `reason`: {error}."))
    })?;
    Ok((Some(reason), Value::from(fields).to_string().into()))
}

/// That nothing else is said in a body.
pub fn nothing_else(body: &Bytes) -> Result<(), Problem> {
    parse::<Nothing>(body).map(|_| ())
}

/// Where a session goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MoveTo {
    /// To this node; else where a new session would go.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    #[schemars(with = "String", regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$"))]
    pub to: Option<String>,
}

/// A session is over, by a body that need say nothing.
pub fn end(body: &Bytes) -> Result<SessionChange, Problem> {
    parse::<Nothing>(body).map(|_| SessionChange::End)
}

/// A session goes to another node, by a body that may say which.
pub fn send(body: &Bytes) -> Result<SessionChange, Problem> {
    let MoveTo { to } = parse(body)?;
    match to.as_ref().is_none_or(|to| is_name(to)) {
        true => Ok(SessionChange::Move { to }),
        false => {
            Err(Problem::new(StatusCode::BAD_REQUEST, "to is the name of a node of the session's cluster."))
        }
    }
}

/// Whether a cluster or a rule is switched even if something stops working, by the body, which may be empty.
pub fn is_forced(to: Switch, body: &Bytes) -> Result<bool, Problem> {
    match to {
        Switch::Disable => Ok(parse::<Force>(body)?.force),
        Switch::Enable => parse::<Nothing>(body).map(|_| false),
    }
}

/// JSON has one kind of number: 50.0 is 50.
fn whole(value: &mut Value) {
    if let Some(n) = value
        .as_f64()
        .filter(|n| value.is_f64() && n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n))
    {
        *value = (n as u64).into();
    }
}

/// Nothing need be said.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

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

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Harm(harm) => {
                Self::new(StatusCode::CONFLICT, harm.to_string()).with("force", harm.can_be_forced())
            }
            Error::NoSession(_)
            | Error::NoCluster { .. }
            | Error::NoNode { .. }
            | Error::NoRule { .. }
            | Error::NoMatch { .. } => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            _ => Self::new(StatusCode::CONFLICT, error.to_string()).with("force", false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::limits::{Limit, Off};

    fn read(verb: &str, body: &'static str) -> Option<(NodeChange, bool)> {
        NodeAction::of_word(verb)?.read(&Bytes::from_static(body.as_bytes())).ok()
    }

    #[test]
    fn bodies_say_how() {
        let drain = |deadline, then| NodeChange::Drain(DrainRequest { deadline, then });
        assert_eq!(read("drain", ""), Some((drain(None, None), false)));
        let four = Some(Duration::secs(14_400));
        assert_eq!(
            read("drain", r#"{"deadline":"4h","then":"move","force":true}"#),
            Some((drain(four, Some(Then::Move)), true))
        );
        assert_eq!(read("drain", r#"{"deadline":"off"}"#), Some((drain("off".parse().ok(), None), false)));
        let set = |weight, max_sessions, max_requests| {
            Some((NodeChange::Set(NodeLimits { weight, max_sessions, max_requests }), false))
        };
        let limits = set(Some(50), Some(Limit::Most(1)), Some(Limit::Word(Off::Off)));
        assert_eq!(read("set", r#"{"weight":50,"max-sessions":1,"max-requests":"off"}"#), limits);
        assert_eq!(read("set", r#"{"weight":50.0}"#), set(Some(50), None, None));
        assert_eq!(read("remove", r#"{"force":true}"#), Some((NodeChange::Remove, true)));
        assert_eq!(
            (read("enable", "{}"), read("accept", "")),
            (Some((NodeChange::Enable, false)), Some((NodeChange::Accept, false)))
        );
        for verb in NodeAction::ALL {
            assert_eq!(read(verb.word(), "").is_some(), verb != NodeAction::Set, "{verb:?}");
        }
    }

    #[test]
    fn what_nothing_can_change_is_told() {
        let problem = Problem::from(Error::Fixed(crate::control::op::Target::Listener("web".into())));
        assert_eq!((problem.status(), problem.offers_force()), (StatusCode::CONFLICT, false));
        assert!(
            problem.detail().starts_with("listener web cannot be changed at run time"),
            "{}",
            problem.detail()
        );
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
