//! What nodes say of themselves: every dialect of heartbeat, read into one value.
//!
//! Codecs alone: bytes in, a [`Heartbeat`] out; no I/O, no clock. Who may speak, and what becomes of a beat,
//! is decided elsewhere.
//!
//! | dialect | comes as | read by |
//! |---|---|---|
//! | native | `POST /heartbeat`, JSON or form | [`native`] |
//! | Apache's mod_heartbeat, Tomcat's HeartbeatListener | UDP datagram or a bare HTTP/1.0 POST | [`datagram`], [`post`] |
//! | HAProxy's agent-check | a line, asked for over TCP | [`agent`] |

pub mod agent;
pub mod datagram;
pub mod native;
pub mod post;
pub mod ranked;
pub mod replay;

pub use crate::config::model::Role;
pub use replay::Run;

use crate::base::words::words;
use crate::config::address::NodeUrl;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

/// A beat, and who sent it. An agent's line is only a [`Heartbeat`]: whoever asked for it knows the node.
#[derive(Debug, Clone, PartialEq)]
pub struct HeartbeatMessage {
    /// Who speaks.
    pub speaker: Sender,
    /// What it says.
    pub beat: Heartbeat,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A node that says its name.
    Named {
        /// The cluster it belongs to.
        cluster: String,
        /// Its own name.
        node: String,
        /// Where it is to be reached.
        url: NodeUrl,
    },
    /// A node that is known by its address alone.
    Address {
        /// Where the message came from.
        ip: IpAddr,
        /// The port of the node's connector, which tells nodes on one address apart. It may be an AJP port.
        port: Option<u16>,
    },
}

/// What a node says of itself, the same for every dialect. What it does not say is absent, and then nothing
/// changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// How much room it has.
    pub room: Option<Room>,
    /// Its live sessions, direct clients included.
    pub sessions: Option<u32>,
    /// The sessions it can hold; 0 is as good as not said.
    pub capacity: Option<u32>,
    /// What it wants done with it.
    pub state: Option<Announced>,
    /// Whether an agent calls it up or down.
    pub health: Option<ReportedHealth>,
    /// Its present run.
    pub run: Option<Run>,
    /// The version of the application it runs.
    pub version: Option<String>,
    /// What it is there for.
    pub roles: Option<Roles>,
    /// How often it beats.
    pub interval: Option<Duration>,
    /// How many requests it takes at once.
    pub max_requests: Option<ReportedLimit>,
    /// Its own words, for people.
    pub note: Option<String>,
}

/// Load in percent: 0 is idle, 100 has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Load(u8);

impl Load {
    /// No room left.
    pub const FULL: Self = Self(100);

    /// None above 100.
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 { Some(Self(percent)) } else { None }
    }

    /// Percent taken, 100 at most.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// How a node says how much room it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// By its load.
    Load(Load),
    /// By its workers.
    Slots {
        /// Idle ones.
        ready: u32,
        /// Busy ones.
        busy: u32,
    },
    /// By the weight it wants.
    Weight(Weight),
}

impl Room {
    /// The load that it amounts to. An absolute weight says nothing of a load, except that 0 leaves no room.
    pub fn load(self) -> Option<Load> {
        match self {
            Self::Load(load) => Some(load),
            Self::Slots { ready: 0, .. } => Some(Load::FULL),
            Self::Slots { ready, busy } => {
                let (ready, busy) = (u64::from(ready), u64::from(busy));
                Load::new(u8::try_from(busy * 100 / (ready + busy)).ok()?)
            }
            Self::Weight(Weight::Relative(percent)) => Load::new(100 - u8::try_from(percent.min(100)).ok()?),
            Self::Weight(Weight::Absolute(0)) => Some(Load::FULL),
            Self::Weight(Weight::Absolute(_)) => None,
        }
    }
}

/// The weight that an agent wants for its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Percent of the weight in the conf file.
    Relative(u16),
    /// This weight.
    Absolute(u16),
}

/// A limit that may be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedLimit {
    /// Any number.
    None,
    /// This many.
    AtMost(NonZeroU32),
}

words! {
    /// What a node wants done with it.
    #[derive(Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Announced {
        /// New sessions.
        Ready = "ready",
        /// Not yet new sessions: it is behind the others.
        Syncing = "syncing",
        /// The sessions it has, no new ones.
        Draining = "draining",
        /// As draining: it is about to end.
        Stopping = "stopping",
        /// Nobody.
        Maintenance = "maintenance",
    }
}

/// Whether a node serves at all, as its agent sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReportedHealth {
    /// It does.
    Up,
    /// It does not.
    Down,
}

/// A set of roles that may stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Roles(u8);

impl Roles {
    /// The set of these; `lb` and `batch` exclude each other.
    pub fn new(roles: impl IntoIterator<Item = Role>) -> Result<Self, &'static str> {
        let set = Self(roles.into_iter().fold(0, |set, role| set | 1 << role as u8));
        match set.has(Role::Lb) && set.has(Role::Batch) {
            true => Err(
                "a node that is `lb` serves nothing itself, so it cannot be `batch` too: name one of the two",
            ),
            false => Ok(set),
        }
    }

    /// These and those.
    pub fn and(self, others: Self) -> Result<Self, &'static str> {
        Self::new(self.iter().chain(others.iter()))
    }

    /// True when the role is among them.
    pub const fn has(self, role: Role) -> bool {
        self.0 & 1 << role as u8 != 0
    }

    /// The set as a number, for cells that hold no more.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set that `bits` gave.
    pub const fn of_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The roles in it.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_a_percentage() {
        assert_eq!(Load::new(100), Some(Load::FULL));
        assert_eq!(Load::new(101), None);
    }

    #[test]
    fn every_kind_of_room_is_a_load() {
        let relative = |percent| Room::Weight(Weight::Relative(percent));
        for (room, load) in [
            (Room::Slots { ready: 190, busy: 10 }, Some(5)),
            (Room::Slots { ready: 200, busy: 0 }, Some(0)),
            (Room::Slots { ready: 1, busy: u32::MAX }, Some(99)),
            (Room::Slots { ready: 0, busy: 200 }, Some(100)),
            (relative(75), Some(25)),
            (relative(0), Some(100)),
            (relative(25_600), Some(0)),
            (Room::Weight(Weight::Absolute(0)), Some(100)),
            (Room::Weight(Weight::Absolute(256)), None),
        ] {
            assert_eq!(room.load().map(Load::get), load, "{room:?}");
        }
    }

    #[test]
    fn a5_a_load_balancer_runs_no_batch_jobs() {
        assert!(Roles::new([Role::Lb, Role::Batch]).unwrap_err().contains("`lb`"));
        let batch = Roles::new([Role::Batch, Role::Batch]).unwrap();
        assert!(batch.has(Role::Batch) && !batch.has(Role::Lb));
        assert_eq!(batch.iter().collect::<Vec<_>>(), [Role::Batch]);
        assert_eq!(Roles::new([]).unwrap(), Roles::default());
    }
}
