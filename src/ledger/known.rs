//! What is known of a session, and who is told how many there are.

/// Where the sessions of each node are counted.
///
/// It is called while a shard is locked, so that the changes of one session arrive in their order and no
/// counter goes below zero in between: it has to be quick and must not call the ledger.
pub trait SessionCounter {
    /// The node in this slot has so many sessions more.
    fn change(&self, slot: u32, by: i32);

    /// Of its sessions so many more give up their place when it is wanted.
    fn yields(&self, slot: u32, by: i32);
}

/// What is known of a session's client, and what follows for its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Standing {
    /// It was placed, and its client has not come back yet. Its pin names its node, so that it may be
    /// forgotten soon.
    Placed,
    /// The same, of one whose node the ledger alone knows: it stays until it falls idle.
    Kept,
    /// As kept, and its place was given to another: it does not count until its client comes back.
    Placeless,
    /// The client came back with its pin: it keeps cookies, and somebody is there.
    Confirmed,
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
    /// What is known of its client.
    pub standing: Standing,
}
