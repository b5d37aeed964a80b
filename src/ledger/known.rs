//! What is known of a session, and who is told how many there are.

/// Where the sessions of each node are counted.
///
/// It is called while a shard is locked, so that the changes of one session arrive in their order and no
/// counter goes below zero in between: it has to be quick and must not call the ledger.
pub trait SessionCounter {
    /// The node in this slot has so many sessions more.
    fn change(&self, slot: u32, by: i32);
}

/// What the ledger knows of a session. Times are in seconds of the coarse clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownSession {
    /// The node it is on.
    pub slot: u32,
    /// When it was placed there.
    pub first: u32,
    /// When it was last seen.
    pub last: u32,
    /// The client came back with its pin: it keeps cookies, and somebody is there.
    pub confirmed: bool,
}
