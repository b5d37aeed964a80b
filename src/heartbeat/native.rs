//! The native heartbeat: the body of `POST /heartbeat`, JSON or form, and the answer to it.

mod error;
mod fields;
#[cfg(test)]
mod tests;

use super::ranked::Ranked;
use super::{Announced, Heartbeat, HeartbeatMessage, Load, Role, Roles, Room, Run, Sender};
use crate::base::hash::hash64;
use crate::config::address::{NodeUrl, Scheme};
use crate::config::check::is_name;
use fields::Fields;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub use error::{BodyError, FieldFlaw};

/// The largest body.
pub const LARGEST: usize = 16 << 10;
/// The longest boot or version.
const LONGEST: usize = 128;
/// The longest address: a host name of 253 bytes with what stands around it.
const LONGEST_URL: usize = 280;
/// The longest interval, in seconds.
const LONGEST_INTERVAL: u64 = 3600;

/// Why a heartbeat is not taken; the text is for whoever set the node up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeartbeatRefusal {
    /// It is larger than `LARGEST`.
    TooLarge,
    /// It is neither JSON nor a form.
    MediaType,
    /// It does not make sense.
    Wrong(BodyError),
}

impl HeartbeatRefusal {
    /// The status to answer with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Wrong(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for HeartbeatRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "a heartbeat can have {} KiB at most", LARGEST >> 10),
            Self::MediaType => {
                f.write_str("send Content-Type: application/json or application/x-www-form-urlencoded")
            }
            Self::Wrong(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for HeartbeatRefusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Wrong(why) => Some(why),
            Self::TooLarge | Self::MediaType => None,
        }
    }
}

impl From<BodyError> for HeartbeatRefusal {
    fn from(why: BodyError) -> Self {
        Self::Wrong(why)
    }
}

/// Reads a heartbeat. Fields that are not known are passed over: the node may be newer than we are.
pub fn read(content_type: Option<&str>, body: &[u8]) -> Result<HeartbeatMessage, HeartbeatRefusal> {
    if body.len() > LARGEST {
        return Err(HeartbeatRefusal::TooLarge);
    }
    let fields = match content_type.and_then(|text| text.split(';').next()).map(str::trim) {
        Some(text) if text.eq_ignore_ascii_case("application/json") => Fields::json(body)?,
        Some(text) if text.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Fields::form(body)?,
        _ => return Err(HeartbeatRefusal::MediaType),
    };
    let speaker = Sender::Named {
        cluster: name(&fields, "cluster")?,
        node: name(&fields, "node")?,
        url: url(&fields)?,
    };
    let load = fields.number("load", 0..=100)?.and_then(|load| Load::new(load as u8));
    let beat = Heartbeat {
        room: load.map(Room::Load),
        sessions: count(&fields, "sessions")?,
        capacity: count(&fields, "capacity")?,
        state: fields.word("state", &Announced::ALL.map(|state| (state.word(), state)))?,
        run: run(&fields)?,
        version: fields.text("version", LONGEST)?.map(str::to_owned),
        roles: fields
            .words("roles", &Role::ALL.map(|role| (role.word(), role)))?
            .map(Roles::new)
            .transpose()
            .map_err(|why| FieldFlaw::Roles(why).of("roles"))?,
        interval: fields
            .duration("interval", Duration::from_secs(1)..=Duration::from_secs(LONGEST_INTERVAL))?,
        ..Heartbeat::default()
    };
    Ok(HeartbeatMessage { speaker, beat })
}

fn required<'a>(field: &'static str, value: Option<&'a str>) -> Result<&'a str, BodyError> {
    value.ok_or_else(|| FieldFlaw::Missing.of(field))
}

fn name(fields: &Fields<'_>, field: &'static str) -> Result<String, BodyError> {
    let name = required(field, fields.text(field, LONGEST)?)?;
    if is_name(name) { Ok(name.to_owned()) } else { Err(FieldFlaw::NoName(name.to_owned()).of(field)) }
}

/// A node that comes over the network is reached over the network: it cannot point us at a socket of our own
/// machine.
fn url(fields: &Fields<'_>) -> Result<NodeUrl, BodyError> {
    let text = required("url", fields.text("url", LONGEST_URL)?)?;
    let url: NodeUrl = text.parse().map_err(|why| FieldFlaw::Address(why).of("url"))?;
    match url {
        NodeUrl { scheme: Scheme::Unix, .. } => Err(FieldFlaw::UnixSocket.of("url")),
        NodeUrl { port: 0, .. } => Err(FieldFlaw::PortZero.of("url")),
        url => Ok(url),
    }
}

fn count(fields: &Fields<'_>, field: &'static str) -> Result<Option<u32>, BodyError> {
    Ok(fields.number(field, 0..=u64::from(u32::MAX))?.map(|count| count as u32))
}

fn run(fields: &Fields<'_>) -> Result<Option<Run>, BodyError> {
    let sequence = fields.number("sequence", 0..=u64::MAX)?;
    match fields.text("boot", LONGEST)? {
        Some(boot) => Ok(Some(Run { boot: boot.to_owned(), sequence })),
        None if sequence.is_some() => Err(FieldFlaw::SequenceAlone.of("sequence")),
        None => Ok(None),
    }
}

/// Writes a heartbeat as JSON: what this dialect has a field for.
pub fn write(cluster: &str, node: &str, url: &NodeUrl, beat: &Heartbeat) -> String {
    let run = beat.run.as_ref();
    let fields = [
        ("cluster", Some(json!(cluster))),
        ("node", Some(json!(node))),
        ("url", Some(json!(url.to_string()))),
        ("load", beat.room.and_then(Room::load).map(|load| json!(load.get()))),
        ("sessions", beat.sessions.map(Value::from)),
        ("capacity", beat.capacity.map(Value::from)),
        ("state", beat.state.map(|state| json!(state.word()))),
        ("boot", run.map(|run| json!(run.boot))),
        ("sequence", run.and_then(|run| run.sequence).map(Value::from)),
        ("version", beat.version.as_ref().map(|version| json!(version))),
        ("roles", beat.roles.map(|roles| roles.iter().map(Role::word).collect())),
        ("interval", beat.interval.map(|interval| json!(interval.as_secs()))),
    ];
    let given = fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>()).to_string()
}

/// The answer to a heartbeat: how the proxy sees the node, and what the node is to adopt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeartbeatAnswer<'a> {
    /// The state it is in.
    #[serde(borrow)]
    pub state: Cow<'a, str>,
    /// Why it is in that state.
    #[serde(borrow)]
    pub why: Cow<'a, str>,
    /// The name that its sessions are to carry.
    #[serde(borrow)]
    pub route: Cow<'a, str>,
    /// Seconds to the next heartbeat.
    pub interval: u32,
    /// What holds for every node of the cluster.
    #[serde(borrow)]
    pub settings: Cow<'a, Settings<'a>>,
    /// What holds for this one.
    pub limits: GrantedLimits,
    /// Changes when route, interval, settings or limits do: a node that has adopted this one has nothing to
    /// adopt.
    pub revision: u64,
    /// The nodes that take new sessions, in the order in which to try them; for nodes with the role `lb`, and
    /// who asks for it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Cow<'a, [Ranked<'a>]>>,
}

/// What a node is to know of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings<'a> {
    /// What the key is called that pins are sealed with, if they are: the same on every proxy that honours
    /// them.
    #[serde(borrow)]
    pub affinity_key: Option<Cow<'a, str>>,
    /// The path that health checks ask for, if they ask for one.
    #[serde(borrow)]
    pub health_path: Option<Cow<'a, str>>,
    /// Seconds after which a session that is not seen is not counted any more.
    pub session_idle: u64,
    /// Of all these: the cluster's status has the same one.
    #[serde(borrow)]
    pub hash: Cow<'a, str>,
}

impl Settings<'_> {
    /// With their hash.
    pub fn new(
        affinity_key: Option<String>,
        health_path: Option<String>,
        session_idle: u64,
    ) -> Settings<'static> {
        let all = Settings {
            affinity_key: affinity_key.map(Into::into),
            health_path: health_path.map(Into::into),
            session_idle,
            hash: "".into(),
        };
        let hash = format!("{:016x}", hash64(format!("{all:?}").as_bytes()));
        Settings { hash: hash.into(), ..all }
    }
}

/// What the proxy gives a node at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GrantedLimits {
    /// The sessions that it gives it.
    pub max_sessions: Option<u32>,
    /// The requests that it sends it at once.
    pub max_requests: Option<u32>,
}
