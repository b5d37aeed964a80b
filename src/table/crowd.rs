//! Clients that cannot be told apart: a readable pin names a node and not whose session it is, and a whole
//! office behind one address looks like one visitor. Each pin that is written is a session of its own all the
//! same, or an office would count for one.
//!
//! The sessions of one visitor on one node are members of a crowd, numbered from 0. A member's number is part
//! of its identity in the ledger, which is all that is kept: who comes back is taken for a member whose
//! client was not seen yet, else for one by its connection. Members that nobody is taken for fall idle, so
//! that a crowd that shrinks is believed to.

use crate::base::hash::hash64_pair;
use crate::ledger::{Ledger, Standing};

/// Members that are looked at to find the one that a client is taken for.
const LOOKS: u64 = 32;

/// The sessions of one visitor on one node.
#[derive(Clone, Copy)]
pub struct Crowd<'l> {
    ledger: &'l Ledger,
    base: u64,
}

impl<'l> Crowd<'l> {
    /// Of this visitor on the node of this name.
    pub fn new(ledger: &'l Ledger, visitor: u64, node: &str) -> Self {
        Self { ledger, base: hash64_pair(&visitor.to_le_bytes(), node.as_bytes()) }
    }

    /// An identity that no member has. `dice` is any number.
    pub fn newcomer(&self, dice: u64) -> u64 {
        let reach = self.reach();
        let free = self.probes(dice, reach).find(|&id| self.ledger.find(id).is_none());
        free.unwrap_or_else(|| self.member(reach - 1))
    }

    /// The member that a client is taken for that comes back over this connection.
    pub fn returning(&self, connection: u64) -> u64 {
        let reach = self.reach();
        let mut known = None;
        for id in self.probes(connection, reach) {
            match self.ledger.find(id) {
                Some(seen) if seen.standing != Standing::Confirmed => return id,
                Some(_) => known = known.or(Some(id)),
                None => {}
            }
        }
        known.unwrap_or_else(|| self.member(0))
    }

    /// More than half of the members have a number below this one; the last below it is free.
    fn reach(&self) -> u64 {
        let mut reach = 1;
        while self.ledger.find(self.member(reach - 1)).is_some() {
            reach *= 2;
        }
        reach
    }

    fn probes(&self, seed: u64, reach: u64) -> impl Iterator<Item = u64> {
        let crowd = *self;
        (0..LOOKS)
            .map(move |look| crowd.member(hash64_pair(&seed.to_le_bytes(), &look.to_le_bytes()) % reach))
    }

    fn member(&self, number: u64) -> u64 {
        hash64_pair(&self.base.to_le_bytes(), &number.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::SessionCounter;
    use std::collections::HashSet;

    struct Nobody;

    impl SessionCounter for Nobody {
        fn change(&self, _: u32, _: i32) {}
        fn yields(&self, _: u32, _: i32) {}
    }

    fn members(ledger: &Ledger, count: u64) -> HashSet<u64> {
        (0..count)
            .map(|dice| {
                let id = Crowd::new(ledger, 7, "n1").newcomer(dice);
                ledger.open(id, 0, 0, &Nobody);
                id
            })
            .collect()
    }

    #[test]
    fn every_pin_that_is_written_is_a_session_of_its_own() {
        for count in [1, 2, 6, 100, 3_000] {
            let ledger = Ledger::new(10_000);
            assert_eq!((members(&ledger, count).len(), ledger.len()), (count as usize, count as usize));
        }
    }

    #[test]
    fn clients_that_come_back_confirm_one_session_each() {
        let ledger = Ledger::new(10_000);
        let all = members(&ledger, 100);
        for connection in 0..100 {
            let id = Crowd::new(&ledger, 7, "n1").returning(connection);
            assert!(all.contains(&id), "nobody is counted twice");
            ledger.touch(id, 0, 1, &Nobody);
        }
        ledger.sweep(100, 3600, 60, 0, 1, &Nobody);
        assert!((85..=100).contains(&ledger.len()), "{} of 100 are known to be there", ledger.len());
    }

    #[test]
    fn a_crowd_that_left_is_forgotten_though_one_of_it_stays_for_the_day() {
        let ledger = Ledger::new(10_000);
        members(&ledger, 100).into_iter().for_each(|id| ledger.touch(id, 0, 0, &Nobody));
        // a new connection every three minutes, an idle time of one hour
        for turn in 0..160 {
            ledger.touch(Crowd::new(&ledger, 7, "n1").returning(turn), 0, turn as u32 * 180, &Nobody);
            ledger.sweep(turn as u32 * 180, 3600, 60, 0, 1, &Nobody);
        }
        assert!((1..=12).contains(&ledger.len()), "{} sessions of one client", ledger.len());
    }

    #[test]
    fn a_visitor_that_nobody_knows_is_the_first_of_its_crowd() {
        let ledger = Ledger::new(10);
        let crowd = Crowd::new(&ledger, 7, "n1");
        assert_eq!((crowd.returning(1), crowd.newcomer(5)), (crowd.returning(2), crowd.newcomer(9)));
        assert_ne!(crowd.newcomer(1), Crowd::new(&ledger, 7, "n2").newcomer(1));
    }
}
