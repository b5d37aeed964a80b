//! A ledger that is kept in the file, and what is written of it.

use super::encode::encode;
use crate::ledger::{FollowResult, Follower};
use crate::table::ClusterLive;
use std::sync::Arc;
use std::task::Waker;

/// Changes of one ledger that are noted at most until the writer asks for them.
const CHANGES: usize = 1 << 18;

/// The ledger of a cluster, as the writer follows it.
pub struct KeptLedger {
    live: Arc<ClusterLive>,
    follower: Follower,
}

impl KeptLedger {
    /// From now on its changes are noted.
    pub fn new(live: Arc<ClusterLive>) -> Self {
        Self { follower: live.ledger.follow(CHANGES), live }
    }

    /// Whether it is the ledger of this cluster, and of no other one that had its name before.
    pub fn is_of(&self, live: &Arc<ClusterLive>) -> bool {
        Arc::ptr_eq(&self.live, live)
    }

    /// Who is called by changes; nobody where they can wait.
    pub fn wakes(&mut self, waker: Option<Waker>) {
        self.follower.wakes(waker);
    }

    /// Writes what is true now of the sessions that changed.
    pub fn changes(&mut self, out: &mut Vec<u8>) -> FollowResult {
        let mut found = Vec::new();
        let noted = self.follower.changes(&mut found);
        encode(&self.live, &found, out);
        noted
    }

    /// Writes what is true now of the sessions in the parts from this one on, until they are so many. Returns
    /// how many they were, and the part to go on with; none after the last.
    pub fn parts(&self, from: usize, most: usize, out: &mut Vec<u8>) -> (usize, Option<usize>) {
        let (mut found, mut part) = (Vec::new(), from);
        while found.len() < most && self.follower.part(part, &mut found) {
            part += 1;
        }
        encode(&self.live, &found, out);
        (found.len(), (found.len() >= most).then_some(part))
    }

    /// Writes what is true now of the sessions that were seen since then.
    pub fn seen_since(&self, then: u32, out: &mut Vec<u8>) {
        let (mut found, mut part) = (Vec::new(), 0);
        while self.follower.part(part, &mut found) {
            found.retain(|(_, known)| known.is_some_and(|known| known.last >= then));
            part += 1;
        }
        encode(&self.live, &found, out);
    }

    /// Whether anybody was seen since then.
    pub fn any_seen_since(&self, then: u32) -> bool {
        self.live.ledger.any_seen_since(then)
    }
}
