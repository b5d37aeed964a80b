//! What a placement keeps of one slot: the latest news of its node and its turn, in atomics.

use super::candidate::{Candidate, Tier, WHOLE};
use super::eased_node::EasedNode;
use super::parts::Part;
use crate::base::maybe::MaybeU32;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::SeqCst};

/// One slot.
pub struct Cell {
    /// None where no node sits.
    position: MaybeU32,
    share: AtomicU32,
    load: AtomicU32,
    sessions: AtomicU32,
    in_flight: AtomicU32,
    /// None without a limit.
    capacity: MaybeU32,
    /// The tier as told, and as it was chosen in last.
    told: AtomicU8,
    tier: AtomicU8,
    full: AtomicBool,
    bare: AtomicBool,
    turn: AtomicU64,
    /// Looks at its node that were begun.
    looks: AtomicU32,
    /// Its first minute.
    pub eased: EasedNode,
    /// Its part of the new sessions.
    pub part: Part,
    ramp: AtomicU32,
}

/// What a write found.
pub struct Before {
    /// The weight it replaced.
    pub share: u32,
    /// The effective tier before.
    pub tier: Tier,
    /// The tier that was told before.
    pub told: Tier,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            position: MaybeU32::none(),
            share: AtomicU32::new(0),
            load: AtomicU32::new(0),
            sessions: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            capacity: MaybeU32::none(),
            told: AtomicU8::new(Tier::Never as u8),
            tier: AtomicU8::new(Tier::Never as u8),
            full: AtomicBool::new(false),
            bare: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            looks: AtomicU32::new(0),
            eased: EasedNode::default(),
            part: Part::default(),
            ramp: AtomicU32::new(WHOLE),
        }
    }
}

impl Cell {
    /// Seats a node.
    pub fn seat(&self, position: u32) {
        self.position.store(Some(position), SeqCst);
    }

    /// Whether a node sits here.
    pub fn seated(&self) -> bool {
        self.position.load(SeqCst).is_some()
    }

    /// The node's order in the conf file.
    pub fn position(&self) -> u32 {
        self.position.load(SeqCst).unwrap_or(u32::MAX)
    }

    /// The weight in units of 1/65536.
    pub fn share(&self) -> u32 {
        self.share.load(SeqCst)
    }

    /// How full it is, in 1/65536.
    pub fn load(&self) -> u32 {
        self.load.load(SeqCst)
    }

    /// Begins a look at its node; returns its number.
    pub fn begin_look(&self) -> u32 {
        self.looks.fetch_add(1, SeqCst).wrapping_add(1)
    }

    /// The number of the look that was begun last.
    pub fn latest_look(&self) -> u32 {
        self.looks.load(SeqCst)
    }

    /// Stores what is known now.
    pub fn write(&self, candidate: &Candidate) -> Before {
        self.sessions.store(candidate.sessions, SeqCst);
        self.in_flight.store(candidate.in_flight, SeqCst);
        self.load.store(candidate.load, SeqCst);
        self.capacity.store(candidate.capacity, SeqCst);
        self.full.store(candidate.full, SeqCst);
        self.ramp.store(candidate.ramp, SeqCst);
        let share = self.share.swap(candidate.weight, SeqCst);
        let told = tier(self.told.swap(candidate.tier as u8, SeqCst));
        Before { share, tier: tier(self.tier.load(SeqCst)), told }
    }

    /// What was stored last.
    pub fn read(&self) -> Candidate {
        Candidate {
            tier: tier(self.told.load(SeqCst)),
            sessions: self.sessions.load(SeqCst),
            in_flight: self.in_flight.load(SeqCst),
            weight: self.share(),
            load: self.load(),
            capacity: self.capacity.load(SeqCst),
            full: self.full.load(SeqCst),
            ramp: self.ramp.load(SeqCst),
            young: false,
        }
    }

    /// Stores the effective tier; returns what was there.
    pub fn set_tier(&self, to: Tier) -> Tier {
        tier(self.tier.swap(to as u8, SeqCst))
    }

    /// Stores whether the node is in play without a capacity; returns what was there.
    pub fn set_bare(&self, bare: bool) -> bool {
        self.bare.swap(bare, SeqCst)
    }

    /// The next turn.
    pub fn turn(&self) -> u64 {
        self.turn.load(SeqCst)
    }

    /// Sets the next turn.
    pub fn start(&self, turn: u64) {
        self.turn.store(turn, SeqCst);
    }

    /// Takes the present turn, which it returns, and moves the next one on.
    pub fn take_turn(&self, stride: u64) -> u64 {
        self.turn.fetch_add(stride, SeqCst)
    }

    /// The next turn comes no earlier.
    pub fn turn_at_least(&self, turn: u64) {
        self.turn.fetch_max(turn, SeqCst);
    }

    /// The next turn comes no later.
    pub fn turn_at_most(&self, turn: u64) {
        self.turn.fetch_min(turn, SeqCst);
    }
}

fn tier(stored: u8) -> Tier {
    match stored {
        0 => Tier::Normal,
        1 => Tier::Backup,
        2 => Tier::Down,
        _ => Tier::Never,
    }
}
