//! placement tests
use super::*;
/// An idle normal node of this weight.
pub(super) fn candidate(weight: u32) -> Candidate {
    Candidate { tier: Tier::Normal, sessions: 0, in_flight: 0, weight: weight << 16, capacity: None, full: false }
}
