//! Why a request went where it went, in one word.

use crate::affinity::{Lost, Via};

/// Why a request went where it went: one word in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// A new session, placed by the balancing method.
    New,
    /// Its cookie said so.
    Cookie,
    /// The route in the application's session id said so.
    Route,
    /// The application's session id was remembered.
    Learned,
    /// Its key said so.
    Key,
    /// An operator's bypass said so.
    Forced,
    /// Its node was down.
    MovedDown,
    /// Its node was taken out.
    MovedDraining,
    /// It named a route that no node has.
    MovedUnknownRoute,
    /// Its pin was forged or damaged.
    MovedTampered,
    /// Its pin was too old.
    MovedExpired,
    /// Its node has restarted and lost its sessions.
    MovedRebooted,
    /// The cluster has no affinity, or no node was chosen.
    None,
}

impl Why {
    /// Each of them, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::New,
        Self::Cookie,
        Self::Route,
        Self::Learned,
        Self::Key,
        Self::Forced,
        Self::MovedDown,
        Self::MovedDraining,
        Self::MovedUnknownRoute,
        Self::MovedTampered,
        Self::MovedExpired,
        Self::MovedRebooted,
        Self::None,
    ];

    /// Whether the session was moved.
    pub fn is_move(self) -> bool {
        self.cause().is_some()
    }

    /// What broke the pin, if the session was moved.
    pub fn cause(self) -> Option<&'static str> {
        match self {
            Self::MovedDown => Some("down"),
            Self::MovedDraining => Some("draining"),
            Self::MovedUnknownRoute => Some("unknown-route"),
            Self::MovedTampered => Some("tampered"),
            Self::MovedExpired => Some("expired"),
            Self::MovedRebooted => Some("rebooted"),
            Self::New | Self::Cookie | Self::Route | Self::Learned | Self::Key | Self::Forced | Self::None => None,
        }
    }

    /// The word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Cookie => "cookie",
            Self::Route => "route",
            Self::Learned => "learned",
            Self::Key => "key",
            Self::Forced => "forced",
            Self::MovedDown => "moved:down",
            Self::MovedDraining => "moved:draining",
            Self::MovedUnknownRoute => "moved:unknown-route",
            Self::MovedTampered => "moved:tampered",
            Self::MovedExpired => "moved:expired",
            Self::MovedRebooted => "moved:rebooted",
            Self::None => "none",
        }
    }
}

impl From<Via> for Why {
    fn from(via: Via) -> Self {
        match via {
            Via::Cookie => Self::Cookie,
            Via::Route => Self::Route,
            Via::Learned => Self::Learned,
            Via::Key => Self::Key,
        }
    }
}

impl From<Lost> for Why {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::UnknownRoute => Self::MovedUnknownRoute,
            Lost::Tampered => Self::MovedTampered,
            Lost::Expired => Self::MovedExpired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_told_with_its_cause() {
        for why in Why::ALL {
            assert_eq!(why.word().strip_prefix("moved:"), why.cause(), "{why:?}");
        }
    }
}
