//! Why a request went where it went, in one word.

use crate::affinity::{Lost, Via};
use crate::base::words::words;

words! {
    /// Why a request went where it went: one word in the log.
    #[derive(Hash)]
    pub enum Why {
        /// A new session, placed by the balancing method.
        New = "new",
        /// Its cookie said so.
        Cookie = "cookie",
        /// The route in the application's session id said so.
        Route = "route",
        /// The application's session id was remembered.
        Learned = "learned",
        /// Its key said so.
        Key = "key",
        /// An operator's bypass said so.
        Forced = "forced",
        /// Its node was down.
        MovedDown = "moved:down",
        /// Its node was taken out.
        MovedDraining = "moved:draining",
        /// It named a route that no node has.
        MovedUnknownRoute = "moved:unknown-route",
        /// Its pin was forged or damaged.
        MovedTampered = "moved:tampered",
        /// Its pin was too old.
        MovedExpired = "moved:expired",
        /// Its node has restarted and lost its sessions.
        MovedRebooted = "moved:rebooted",
        /// An operator moved its session by hand.
        MovedOperator = "moved:operator",
        /// The cluster has no affinity, or no node was chosen.
        None = "none",
    }
}

impl Why {
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
            Self::MovedOperator => Some("operator"),
            Self::New
            | Self::Cookie
            | Self::Route
            | Self::Learned
            | Self::Key
            | Self::Forced
            | Self::None => None,
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
            Lost::Ended => Self::New,
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
