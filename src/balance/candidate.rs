//! What a placement is told: by which method it compares, of which nodes, and what is known of each.

use crate::config::model::Balance;

/// A seat, as a weight.
pub const SEAT: u32 = 256;

/// The ramp of a node that is not eased in.
pub const WHOLE: u32 = 1 << 16;

/// A balancing method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Fewest live sessions for the node's share.
    LeastSessions,
    /// Fewest requests in flight for the node's weight.
    LeastRequests,
    /// In turn, by weight, evenly spread.
    RoundRobin,
    /// The less full of two drawn by size.
    Room,
    /// The better of two drawn by weight.
    Random,
    /// By key, consistently.
    Hash,
    /// The first that has room.
    First,
}

impl Method {
    /// Whether a node that was given less than others is given more for it later.
    pub fn catches_up(self) -> bool {
        matches!(self, Self::LeastSessions | Self::LeastRequests)
    }

    /// The method behind a word of the conf file.
    pub fn of(balance: Balance) -> Self {
        match balance {
            Balance::LeastSessions => Self::LeastSessions,
            Balance::LeastRequests => Self::LeastRequests,
            Balance::RoundRobin => Self::RoundRobin,
            Balance::Heartbeat => Self::Room,
            Balance::Random => Self::Random,
            Balance::Hash => Self::Hash,
            Balance::First => Self::First,
        }
    }
}

/// Which nodes are considered before which others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Takes new sessions.
    Normal = 0,
    /// Takes new sessions when no normal node can.
    Backup = 1,
    /// Believed dead; comes last, and the caller decides whether to try it all the same.
    Down = 2,
    /// Takes nothing new.
    Never = 3,
}

/// What is known of a node at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its tier by state.
    pub tier: Tier,
    /// Live sessions.
    pub sessions: u32,
    /// Requests it is working on.
    pub in_flight: u32,
    /// Weight in units of 1/65536; 0 for no new sessions. By room: its size instead, in units of [`SEAT`].
    pub weight: u32,
    /// The part of its share that it gets while it is eased in, in units of 1/65536.
    pub ramp: u32,
    /// By room: how full it is, in units of 1/65536 of its size.
    pub load: u32,
    /// The most sessions it takes, if there is such a limit. At the limit it is full.
    pub capacity: Option<u32>,
    /// It has no room for another reason.
    pub full: bool,
    /// It has just come to others: until it has caught up it is given at most twice its fair rate, by the
    /// methods that would make up for what it has not been given.
    pub young: bool,
}

/// A node's place in a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// Stable for the node's name; slots may have holes.
    pub slot: u32,
    /// As configured, 0 to 1000.
    pub weight: u32,
    /// The node's name, by which the hash ring places it.
    pub name: &'a str,
    /// Its order in the conf file.
    pub position: u32,
}
