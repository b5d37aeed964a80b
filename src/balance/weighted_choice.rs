//! Drawing by weight: a table of running totals, in which a random number finds its owner by halving.

use super::candidate::{Method, SEAT, Seat};
use rand::Rng;

/// The running totals of the shares.
pub struct WeightedChoice {
    ends: Box<[u64]>,
    owners: Box<[Choice]>,
}

/// Whose number was drawn.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// The node's slot.
    pub slot: u32,
    /// Its share, which the draw has taken into account.
    pub share: u32,
}

impl WeightedChoice {
    /// A table over all that have a share.
    pub fn new(shares: impl Iterator<Item = (u32, u32)>) -> Self {
        let owners: Box<[_]> =
            shares.filter(|(_, share)| *share > 0).map(|(slot, share)| Choice { slot, share }).collect();
        let mut total = 0;
        let ends = owners.iter().map(|owner| {
            total += u64::from(owner.share);
            total
        });
        Self { ends: ends.collect(), owners }
    }

    /// By the weights in the conf file, which stand for sizes until these are told.
    pub fn by_weight(seats: &[Seat<'_>], method: Method) -> Self {
        let unit = if method == Method::Room { SEAT } else { 1 << 16 };
        Self::new(seats.iter().map(|seat| (seat.slot, seat.weight * unit)))
    }

    /// One node, as often as its share says.
    pub fn draw(&self, rng: &mut impl Rng) -> Option<Choice> {
        let total = *self.ends.last()?;
        let number = rng.random_range(0..total);
        self.owners.get(self.ends.partition_point(|&end| end <= number)).copied()
    }
}
