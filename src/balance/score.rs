//! What a balancing method is: a function from what is known of a node to one number, the smaller the better.
//!
//! `tier (2 bits) | method (62 bits)`, so that a backup never beats a normal node. Where the method compares
//! a workload, the 62 bits are `workload (31) | tie (31)`: a positive `f32` has 31 bits that sort as the
//! number does, exact enough to tell 16 million sessions from one more.

use super::candidate::{Candidate, Method, Tier};
use super::tournament::NEVER;

const TIER_SHIFT: u32 = 62;
const TIE_BITS: u32 = 31;
/// Of the tie in `least-sessions`, so many bits belong to the turn and the ones above to the requests in
/// flight.
const TURN_BITS: u32 = 20;
/// One turn of round-robin for a node whose share is 1; divided by the share it is the node's own stride.
const STRIDE: u64 = 1 << 40;

/// The distance between two turns of a node with this share.
pub fn stride(share: u32) -> u64 {
    STRIDE / u64::from(share.max(1))
}

/// The first turn that this method's score cannot hold any more.
pub fn turn_limit(method: Method) -> u64 {
    match method {
        Method::LeastSessions => 1 << TURN_BITS,
        Method::LeastRequests => 1 << TIE_BITS,
        _ => 1 << TIER_SHIFT,
    }
}

/// The tier in which this node is chosen: never, too, when it is full or has no share.
pub fn effective_tier(candidate: &Candidate) -> Tier {
    let spent = candidate.capacity.is_some_and(|capacity| candidate.sessions >= capacity);
    if candidate.full || candidate.weight == 0 || spent { Tier::Never } else { candidate.tier }
}

/// The tier that a score belongs to.
pub fn tier_of(score: u64) -> Tier {
    match score {
        NEVER => Tier::Never,
        _ => match score >> TIER_SHIFT {
            0 => Tier::Normal,
            1 => Tier::Backup,
            2 => Tier::Down,
            _ => Tier::Never,
        },
    }
}

/// The workload in a score of a method that has one: comparable between slots of one tier.
pub fn workload_of(score: u64) -> u64 {
    score >> TIE_BITS
}

/// A score as a person reads it: the part of its room that is taken, the workload for a share of 1, how many
/// turns of such a node away it is, or its place in the file.
pub fn readable(method: Method, score: u64, clock: u64) -> f64 {
    let rest = score & ((1 << TIER_SHIFT) - 1);
    match method {
        Method::RoundRobin => rest.saturating_sub(clock) as f64 / (STRIDE >> 16) as f64,
        Method::First => (rest + 1) as f64,
        Method::Room => f64::from(f32::from_bits((rest >> TIE_BITS) as u32)),
        _ => f64::from(f32::from_bits((rest >> TIE_BITS) as u32)) * 65_536.0,
    }
}

/// The score of a node.
///
/// `turn` is when its next turn comes (round-robin) or how lately it was chosen (the others, to take turns
/// among equals); `capped` is whether sessions are measured by capacity.
pub fn score(method: Method, candidate: &Candidate, position: u32, turn: u64, capped: bool) -> u64 {
    let tier = effective_tier(candidate);
    if tier == Tier::Never {
        return NEVER;
    }
    let turn = turn.min(turn_limit(method) - 1);
    let share = f64::from(candidate.weight);
    let method = match method {
        Method::RoundRobin => turn,
        Method::First => u64::from(position),
        Method::LeastRequests => workload((f64::from(candidate.in_flight) + 1.0) / share) | turn,
        Method::LeastSessions => {
            let room = if capped { f64::from(candidate.capacity.unwrap_or(1)) } else { 1.0 };
            let busy = u64::from(candidate.in_flight).min((1 << (TIE_BITS - TURN_BITS)) - 1);
            workload((f64::from(candidate.sessions) + 1.0) / (share * room)) | busy << TURN_BITS | turn
        }
        Method::Room => workload(f64::from(candidate.load) / 65_536.0),
        // Without the one to come: among idle nodes the draw decides, so that it stays weighted.
        Method::Random | Method::Hash => workload(f64::from(candidate.in_flight) / share),
    };
    (tier as u64) << TIER_SHIFT | method
}

fn workload(value: f64) -> u64 {
    u64::from((value as f32).to_bits()) << TIE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::WHOLE;
    use crate::balance::tests::candidate;
    use proptest::prelude::*;

    const WORKLOADS: [Method; 2] = [Method::LeastSessions, Method::LeastRequests];

    #[test]
    fn a_full_or_weightless_node_is_never_chosen() {
        let full = Candidate { full: true, ..candidate(1) };
        let spent = Candidate { capacity: Some(3), sessions: 3, ..candidate(1) };
        for one in [candidate(0), full, spent] {
            assert_eq!(score(Method::First, &one, 0, 0, false), NEVER);
        }
    }

    #[test]
    fn one_more_session_counts_even_among_millions() {
        let few = Candidate { sessions: 10_000_000, ..candidate(1) };
        let more = Candidate { sessions: 10_000_001, ..few };
        assert!(
            score(Method::LeastSessions, &few, 0, 9, false)
                < score(Method::LeastSessions, &more, 0, 0, false)
        );
    }

    proptest! {
        #[test]
        fn the_tier_comes_before_everything(
            sessions: u32, in_flight: u32, weight in 1u32.., position: u32, turn: u64, capped: bool,
        ) {
            use Method::*;
            for method in [LeastSessions, LeastRequests, RoundRobin, Room, Random, Hash, First] {
                for tier in [Tier::Normal, Tier::Backup, Tier::Down] {
                    let one = Candidate { tier, sessions, in_flight, weight, load: in_flight, capacity: None, full: false, ramp: WHOLE, young: false };
                    let score = score(method, &one, position, turn, capped);
                    prop_assert_eq!(tier_of(score), tier);
                }
            }
        }

        #[test]
        fn more_work_never_scores_better(work in 0u32..1_000_000, extra in 1u32..1000, weight in 1u32..1000 << 16) {
            for method in WORKLOADS {
                let less = Candidate { sessions: work, in_flight: work, ..candidate(1) };
                let less = Candidate { weight, ..less };
                let more = Candidate { sessions: work + extra, in_flight: work + extra, ..less };
                prop_assert!(score(method, &less, 0, 0, false) < score(method, &more, 0, 0, false));
            }
        }
    }
}
