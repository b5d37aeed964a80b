//! When a node counts as up or down: a state machine over check results, without clock or network.
//!
//! A pause is not a death and one good check is not a recovery, so it takes `fall` bad or `rise` good checks
//! in a row. A node that keeps changing sides moves sessions each time, so it is held down for longer and
//! longer.

use crate::table::Health;
use std::collections::VecDeque;

/// What one check said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It answered as it should.
    Good,
    /// It did not answer in time: dead, or only paused.
    Silent,
    /// Something answered for certain that it does not serve: refused, reset, a wrong status, a name that
    /// does not resolve.
    Definite,
}

/// Falls in `FLIP_WINDOW_MS` that are still taken as they come.
const FLIPS_FREE: usize = 3;
/// The time in which falls are counted, and the time a node must stay up to be forgiven.
const FLIP_WINDOW_MS: u64 = 120_000;
/// The first hold; each further one is twice as long.
const HOLD_MS: u64 = 10_000;
/// The longest hold is `HOLD_MS` doubled so often: 160 seconds.
const HOLD_DOUBLINGS: u32 = 4;

/// The memory of one node's checks.
#[derive(Debug, Clone)]
pub struct Watch {
    rise: u8,
    fall: u8,
    /// Milliseconds for which an answer to a client outweighs silent checks.
    patience: u64,
    health: Health,
    /// The next check decides alone: nothing is known of the node at this address.
    fresh: bool,
    good: u32,
    bad: u32,
    flaps: Flaps,
    /// As they were before it fell, until its checks call it up.
    before_fall: Option<Flaps>,
    up_since: u64,
    /// Its checks called it up before, or it is taken to have served before it was checked.
    served: bool,
}

/// How often it changed sides lately, and what came of it.
#[derive(Debug, Clone, Default)]
struct Flaps {
    /// When it fell, within the window.
    falls: VecDeque<u64>,
    /// Falls since it was last forgiven, for the words.
    flips: u32,
    /// Holds in a row; 0 while the node is trusted.
    holds: u32,
    held_until: u64,
}

impl Watch {
    /// A node with this health so far; `Unknown` for one that was never checked.
    pub fn new(health: Health, rise: u8, fall: u8, interval_ms: u64) -> Self {
        let mut watch = Self {
            rise: 1,
            fall: 1,
            patience: 0,
            health,
            fresh: health == Health::Unknown,
            good: 0,
            bad: 0,
            flaps: Flaps::default(),
            before_fall: None,
            up_since: 0,
            served: health == Health::Up,
        };
        watch.set_limits(rise, fall, interval_ms);
        watch
    }

    /// New limits; what was seen so far stays.
    pub fn set_limits(&mut self, rise: u8, fall: u8, interval_ms: u64) {
        self.rise = rise.max(1);
        self.fall = fall.max(1);
        self.patience = interval_ms.saturating_mul(u64::from(self.fall));
    }

    /// The address changed: the next check decides alone, and old flips say nothing about the new place.
    /// Health stays until then.
    pub fn start_anew(&mut self) {
        self.fresh = true;
        self.good = 0;
        self.bad = 0;
        self.forgive();
    }

    /// Takes a check's result; returns the new health if it changed. `since_answer`: milliseconds since the
    /// node last answered a client.
    pub fn observe(
        &mut self,
        now_ms: u64,
        outcome: CheckOutcome,
        since_answer: Option<u64>,
    ) -> Option<Health> {
        let good = outcome == CheckOutcome::Good;
        if good {
            self.good = self.good.saturating_add(1);
            self.bad = 0;
            if self.fresh || self.health == Health::Up || self.good >= u32::from(self.rise) {
                self.served = true;
                self.before_fall = None;
            }
        } else if !self.fresh && outcome == CheckOutcome::Silent && self.has_proof_of_life(since_answer) {
            // busy or pausing, but clients do get answers: neither good nor bad
            self.good = 0;
            return None;
        } else {
            self.bad = self.bad.saturating_add(1);
            self.good = 0;
        }
        if std::mem::take(&mut self.fresh) {
            return self.turn(now_ms, if good { Health::Up } else { Health::Down });
        }
        match self.health {
            Health::Up if self.bad >= u32::from(self.fall) => {
                self.note_fall(now_ms);
                self.turn(now_ms, Health::Down)
            }
            Health::Down if self.good >= u32::from(self.rise) && now_ms >= self.flaps.held_until => {
                self.turn(now_ms, Health::Up)
            }
            Health::Unknown => self.turn(now_ms, if good { Health::Up } else { Health::Down }),
            _ => None,
        }
    }

    /// What the checks say so far.
    pub fn health(&self) -> Health {
        self.health
    }

    /// It served before anybody checked it here: its first check may be one of those that fail.
    pub fn assume_served(&mut self) {
        self.served = true;
    }

    /// Whether the next check decides alone.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// What its checks alone make of it, holds left aside: they fail at a node that served, or call it up;
    /// `None` for neither.
    pub fn fails(&self) -> Option<bool> {
        match self.bad {
            0 => (self.health == Health::Up || self.good >= u32::from(self.rise)).then_some(false),
            _ => self.served.then_some(true),
        }
    }

    /// Bad checks in a row.
    pub fn failed_checks(&self) -> u32 {
        self.bad
    }

    /// While good checks do not bring it up because it changed sides too often: how often, and the
    /// milliseconds left.
    pub fn held(&self, now_ms: u64) -> Option<(u32, u64)> {
        let left = self.flaps.held_until.saturating_sub(now_ms);
        (self.health == Health::Down && left > 0).then_some((self.flaps.flips, left))
    }

    /// Its last fall was one of many at the same time, and says nothing of this node.
    pub fn excuse_fall(&mut self) {
        if let Some(before) = self.before_fall.take() {
            self.flaps = before;
        }
    }

    /// Nobody else takes new sessions: good checks bring it up, however often it changed sides.
    pub fn lift_hold(&mut self) {
        self.flaps.held_until = 0;
    }

    /// How often it changed sides does not count any more: an operator wants it back, or it has stayed up for long
    /// enough.
    pub fn forgive(&mut self) {
        self.flaps = Flaps::default();
    }

    fn has_proof_of_life(&self, since_answer: Option<u64>) -> bool {
        self.health == Health::Up && since_answer.is_some_and(|ms| ms <= self.patience)
    }

    fn turn(&mut self, now_ms: u64, health: Health) -> Option<Health> {
        if self.health == health {
            return None;
        }
        self.health = health;
        if health == Health::Up {
            self.up_since = now_ms;
        }
        Some(health)
    }

    fn note_fall(&mut self, now_ms: u64) {
        self.before_fall = Some(self.flaps.clone());
        if self.flaps.holds > 0 && now_ms.saturating_sub(self.up_since) >= FLIP_WINDOW_MS {
            self.forgive();
        }
        let flaps = &mut self.flaps;
        while flaps.falls.front().is_some_and(|at| now_ms.saturating_sub(*at) > FLIP_WINDOW_MS) {
            flaps.falls.pop_front();
        }
        if flaps.holds == 0 {
            flaps.flips = flaps.falls.len() as u32;
        }
        flaps.flips = flaps.flips.saturating_add(1);
        flaps.falls.push_back(now_ms);
        if flaps.falls.len() > FLIPS_FREE + 1 {
            flaps.falls.pop_front();
        }
        // a long hold outlives the window, so the first hold starts a series that only staying up ends
        if flaps.holds > 0 || flaps.falls.len() > FLIPS_FREE {
            flaps.held_until = now_ms + (HOLD_MS << flaps.holds.min(HOLD_DOUBLINGS));
            flaps.holds = flaps.holds.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
