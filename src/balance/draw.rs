//! Drawing by weight: a table of running totals, in which a random number finds its owner by halving.

use super::Seat;
use rand::Rng;

/// The running totals of the configured weights.
pub struct Draw {
    ends: Box<[u64]>,
    owners: Box<[Ticket]>,
}

/// Whose number was drawn.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// The node's slot.
    pub slot: u32,
    /// Its weight as configured, which the draw has taken into account.
    pub weight: u32,
}

impl Draw {
    /// A table over all nodes that have a weight.
    pub fn new(seats: &[Seat<'_>]) -> Self {
        let owners: Box<[_]> =
            seats.iter().filter(|seat| seat.weight > 0).map(|seat| Ticket { slot: seat.slot, weight: seat.weight }).collect();
        let mut total = 0;
        let ends = owners.iter().map(|owner| {
            total += u64::from(owner.weight);
            total
        });
        Self { ends: ends.collect(), owners }
    }

    /// One node, as often as its weight says.
    pub fn draw(&self, rng: &mut impl Rng) -> Option<Ticket> {
        let total = *self.ends.last()?;
        let number = rng.random_range(0..total);
        self.owners.get(self.ends.partition_point(|&end| end <= number)).copied()
    }
}
