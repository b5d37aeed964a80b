//! The words for the state of a node.

use crate::base::words::words;

words! {
    /// The effective state: the one word that decides what a node is given.
    pub enum State {
        /// It announced itself and nobody has accepted it.
        Pending = "pending",
        /// Not yet checked.
        Unknown = "checking",
        /// Catching up with the others: keeps its sessions, takes no new ones.
        Syncing = "syncing",
        /// Takes everything.
        Ready = "ready",
        /// Has all the sessions it may have; takes no new ones.
        Full = "full",
        /// Keeps its sessions, takes no new ones.
        Draining = "draining",
        /// Its drain is over, and who was left goes elsewhere.
        Drained = "drained",
        /// Takes everything, and has stopped announcing itself: shown so, and given what one that is ready
        /// is.
        Silent = "silent",
        /// Does not answer.
        Down = "down",
        /// Taken out by the operator.
        Maintenance = "maintenance",
        /// Stands alone: known, reached by bypass only.
        Removed = "removed",
        /// There, and for telling clients where to go alone: shown as ready.
        Aside = "ready",
    }
}

/// A node is shown in another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateChange {
    /// The one before; none at the first look.
    pub before: Option<State>,
    /// From here on.
    pub now: State,
}

impl State {
    /// Those that a node is shown in.
    pub fn all_shown() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|state| *state != Self::Aside)
    }

    /// Whether a session that is on this node stays there.
    pub fn keeps_sessions(self) -> bool {
        matches!(self, Self::Ready | Self::Silent | Self::Full | Self::Draining | Self::Syncing)
    }
}
