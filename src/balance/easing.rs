//! Nodes that come to others are eased in, by whatever method: an empty one looks best to every method that
//! compares, and one with a small share looks worst to some. While it *ramps* it is given exactly its part of
//! the new sessions, no more and no less, and the method chooses among the others. Then it *catches up*: the
//! method chooses again, and it is given at most twice its part until it is no longer behind.

use super::cell::Cell;
use super::eased_node::{EasedNode, ONE, Phase};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};

/// Which nodes are eased in. Costs nothing while none is.
pub struct Easing {
    any: AtomicBool,
    slots: ArcSwap<Vec<u32>>,
}

/// Who may be chosen now.
pub struct Turn {
    /// It is this one's turn, whatever the method says.
    pub due: Option<u32>,
    /// These are passed over.
    pub passed: Vec<u32>,
}

impl Easing {
    /// Of nodes of which none is.
    pub fn none() -> Self {
        Self { any: AtomicBool::new(false), slots: ArcSwap::default() }
    }

    /// Whether any node is eased in.
    pub fn applies(&self) -> bool {
        self.any.load(Relaxed)
    }

    /// Takes in whether a node ramps, and whether it is in its first minute. `catches_up`: by a method that
    /// would make up for what it has not been given.
    pub fn tell(&self, slot: u32, cells: &[Cell], ramps: bool, young: bool, catches_up: bool) {
        let node = &cells[slot as usize].eased;
        let before = node.phase();
        let now = match before {
            _ if ramps => Phase::Ramps,
            Phase::Ramps | Phase::CatchesUp if catches_up => Phase::CatchesUp,
            Phase::Grown if young && catches_up => Phase::CatchesUp,
            _ if young => Phase::CaughtUp,
            _ => Phase::Grown,
        };
        self.set(node, before, now, cells);
    }

    /// It is not behind any more.
    pub fn caught_up(&self, slot: u32, cells: &[Cell]) {
        self.set(&cells[slot as usize].eased, Phase::CatchesUp, Phase::CaughtUp, cells);
    }

    fn set(&self, node: &EasedNode, before: Phase, now: Phase, cells: &[Cell]) {
        if before == now || !node.enter(now) {
            return;
        }
        // whoever comes last has seen all of them
        self.slots.rcu(|_| {
            let is_eased = |cell: &Cell| matches!(cell.eased.phase(), Phase::Ramps | Phase::CatchesUp);
            let slots = (0..).zip(cells).filter(|(_, cell)| is_eased(cell)).map(|(slot, _)| slot);
            Arc::new(slots.collect::<Vec<u32>>())
        });
        self.any.store(!self.slots.load().is_empty(), SeqCst);
    }

    /// Who may be chosen now, of those that are `eligible`. `part`: of the new sessions. `dry`: somebody only
    /// asks.
    pub fn turn(
        &self,
        cells: &[Cell],
        eligible: impl Fn(u32) -> bool,
        part: impl Fn(u32) -> f64,
        dry: bool,
    ) -> Turn {
        let (slots, mut turn, mut most) = (self.slots.load(), Turn { due: None, passed: Vec::new() }, ONE);
        for slot in slots.iter().copied().filter(|slot| eligible(*slot)) {
            let node = &cells[slot as usize].eased;
            let ramps = node.phase() == Phase::Ramps;
            let earned = if ramps { part(slot) } else { 2.0 * part(slot) };
            let credit = node.credit(earned);
            if !dry {
                node.earn(earned);
            }
            if ramps && credit >= most {
                (turn.due, most) = (Some(slot), credit);
            }
            if ramps || credit < ONE {
                turn.passed.push(slot);
            }
        }
        turn
    }

    /// Those that catch up.
    pub fn catching_up(&self, cells: &[Cell]) -> Vec<u32> {
        let catches_up = |slot: &u32| cells[*slot as usize].eased.phase() == Phase::CatchesUp;
        self.slots.load().iter().copied().filter(catches_up).collect()
    }
}
