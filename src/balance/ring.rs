//! The consistent ring: a key belongs to the next point on it, and a node that leaves hands over only its own
//! keys.

use super::candidate::Seat;
use crate::base::hash::{hash64, hash64_pair};

/// Points of a node of weight 100.
const POINTS: u64 = 64;
/// More points than this are not worth their memory; in a huge cluster each node has fewer.
const MOST_POINTS: u64 = 1 << 18;

/// The points of all nodes, sorted.
pub struct Ring(Box<[(u64, u32)]>);

impl Ring {
    /// Places every node by its name, with as many points as its weight asks for.
    pub fn new(seats: &[Seat<'_>]) -> Self {
        let wanted = |seat: &Seat<'_>| (POINTS * u64::from(seat.weight) / 100).max(1);
        let total: u64 = seats.iter().filter(|seat| seat.weight > 0).map(wanted).sum();
        let mut points = Vec::new();
        for seat in seats.iter().filter(|seat| seat.weight > 0) {
            let count =
                if total > MOST_POINTS { (wanted(seat) * MOST_POINTS / total).max(1) } else { wanted(seat) };
            // Always the first so many of one sequence: a change of weight moves as few keys as it can.
            points
                .extend((0..count).map(|i| (hash64_pair(seat.name.as_bytes(), &i.to_le_bytes()), seat.slot)));
        }
        points.sort_unstable();
        Self(points.into())
    }

    /// The slots from the key's point onwards, once round; a slot comes as often as it has points.
    pub fn from(&self, key: u64) -> impl Iterator<Item = u32> + '_ {
        // Mixed once more, because keys are often hashes of the same kind as the points, or not hashes at
        // all.
        let key = hash64(&key.to_le_bytes());
        let start = self.0.partition_point(|&(point, _)| point < key);
        self.0[start..].iter().chain(&self.0[..start]).map(|&(_, slot)| slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(names: &[String], weight: u32) -> Vec<Seat<'_>> {
        names
            .iter()
            .enumerate()
            .map(|(i, name)| Seat { slot: i as u32, weight, name, position: i as u32 })
            .collect()
    }

    #[test]
    fn an_empty_ring_has_nobody() {
        assert_eq!(Ring::new(&[]).from(7).next(), None);
        let names = ["a".to_owned()];
        assert_eq!(Ring::new(&seats(&names, 0)).from(7).next(), None);
    }

    #[test]
    fn the_points_stay_within_bounds_and_everyone_has_one() {
        let names: Vec<_> = (0..10_000).map(|i| format!("node-{i}")).collect();
        let ring = Ring::new(&seats(&names, 1000));
        assert!(ring.0.len() as u64 <= MOST_POINTS + 10_000);
        let met: std::collections::HashSet<_> = ring.from(1).collect();
        assert_eq!(met.len(), 10_000);
    }
}
