//! Which part of the new sessions each node has in the long run, by its size and how far it is eased in.

use super::candidate::Tier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The sums over all nodes of a tier. A node's own number is packed with its tier, so that it is taken out of
/// the sum that it was put in, whichever thread does it.
#[derive(Default)]
pub struct PartSums([AtomicU64; 3]);

const TIER_SHIFT: u32 = 62;
const SIZE: u64 = (1 << TIER_SHIFT) - 1;

/// A node's own number.
#[derive(Default)]
pub struct Part(AtomicU64);

impl PartSums {
    /// A node has this size in this tier from now on.
    pub fn put(&self, part: &Part, tier: Tier, size: u64) {
        let new = match tier {
            Tier::Never => 0,
            tier => (tier as u64) << TIER_SHIFT | size.min(SIZE),
        };
        let old = part.0.swap(new, SeqCst);
        if old != new {
            let of = |packed: u64| &self.0[(packed >> TIER_SHIFT) as usize];
            of(new).fetch_add(new & SIZE, SeqCst);
            of(old).fetch_sub(old & SIZE, SeqCst);
        }
    }

    /// Its part, from 0 to 1, of what goes to its tier.
    pub fn of(&self, part: &Part) -> f64 {
        let packed = part.0.load(SeqCst);
        let sum = self.0[(packed >> TIER_SHIFT) as usize].load(SeqCst);
        if sum == 0 { 0.0 } else { ((packed & SIZE) as f64 / sum as f64).min(1.0) }
    }
}
