//! When a node counts as up or down: a state machine over check results, without clock or network.
//!
//! A pause is not a death and one good check is not a recovery, so it takes `fall` bad or `rise` good checks in a row. A node
//! that keeps changing sides moves sessions each time, so it is held down for longer and longer.

use crate::table::Health;
use std::collections::VecDeque;

/// What one check said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered as it should.
    Good,
    /// It did not answer in time: dead, or only paused.
    Silent,
    /// Something answered for certain that it does not serve: refused, reset, a wrong status, a name that does not resolve.
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
    /// When it fell, within the window.
    falls: VecDeque<u64>,
    /// Falls since it was last forgiven, for the words.
    flips: u32,
    /// Holds in a row; 0 while the node is trusted.
    holds: u32,
    held_until: u64,
    up_since: u64,
    /// Its checks called it up before, or it is taken to have served before it was checked.
    served: bool,
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
            falls: VecDeque::new(),
            flips: 0,
            holds: 0,
            held_until: 0,
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

    /// The address changed: the next check decides alone, and old flips say nothing about the new place. Health stays until then.
    pub fn start_anew(&mut self) {
        self.fresh = true;
        self.good = 0;
        self.bad = 0;
        self.forgive();
    }

    /// Takes a check's result; returns the new health if it changed. `since_answer`: milliseconds since the node last answered
    /// a client.
    pub fn observe(&mut self, now_ms: u64, outcome: Outcome, since_answer: Option<u64>) -> Option<Health> {
        let good = outcome == Outcome::Good;
        if good {
            self.good = self.good.saturating_add(1);
            self.bad = 0;
            self.served |= self.fresh || self.health == Health::Up || self.good >= u32::from(self.rise);
        } else if !self.fresh && outcome == Outcome::Silent && self.has_proof_of_life(since_answer) {
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
            Health::Down if self.good >= u32::from(self.rise) && now_ms >= self.held_until => self.turn(now_ms, Health::Up),
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

    /// What its checks alone make of it, holds left aside: they fail at a node that served, or call it up; `None` for neither.
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

    /// While good checks do not bring it up because it changed sides too often: how often, and the milliseconds left.
    pub fn held(&self, now_ms: u64) -> Option<(u32, u64)> {
        let left = self.held_until.saturating_sub(now_ms);
        (self.health == Health::Down && left > 0).then_some((self.flips, left))
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
        if self.holds > 0 && now_ms.saturating_sub(self.up_since) >= FLIP_WINDOW_MS {
            self.forgive();
        }
        while self.falls.front().is_some_and(|at| now_ms.saturating_sub(*at) > FLIP_WINDOW_MS) {
            self.falls.pop_front();
        }
        if self.holds == 0 {
            self.flips = self.falls.len() as u32;
        }
        self.flips = self.flips.saturating_add(1);
        self.falls.push_back(now_ms);
        if self.falls.len() > FLIPS_FREE + 1 {
            self.falls.pop_front();
        }
        // a long hold outlives the window, so the first hold starts a series that only staying up ends
        if self.holds > 0 || self.falls.len() > FLIPS_FREE {
            self.held_until = now_ms + (HOLD_MS << self.holds.min(HOLD_DOUBLINGS));
            self.holds = self.holds.saturating_add(1);
        }
    }

    fn forgive(&mut self) {
        self.falls.clear();
        self.flips = 0;
        self.holds = 0;
        self.held_until = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEVER: Option<u64> = None;

    /// `+` good, `-` definite, `.` silent, `~` silent while clients are answered; the other string is health after each.
    fn play(watch: &mut Watch, from_ms: u64, step_ms: u64, checks: &str) -> String {
        let mut said = String::new();
        for (n, check) in checks.chars().enumerate() {
            let (outcome, since) = match check {
                '+' => (Outcome::Good, NEVER),
                '-' => (Outcome::Definite, NEVER),
                '!' => (Outcome::Definite, Some(0)),
                '.' => (Outcome::Silent, NEVER),
                _ => (Outcome::Silent, Some(5000)),
            };
            watch.observe(from_ms + n as u64 * step_ms, outcome, since);
            said.push(match watch.health() {
                Health::Unknown => '?',
                Health::Up => 'U',
                Health::Down => 'D',
            });
        }
        said
    }

    #[test]
    fn health_follows_the_table() {
        for (start, rise, fall, checks, health) in [
            (Health::Unknown, 2, 3, "+", "U"),
            (Health::Unknown, 2, 3, "-+++", "DDUU"),
            (Health::Unknown, 2, 3, ".", "D"),
            (Health::Unknown, 2, 3, "~", "D"),
            (Health::Up, 2, 3, "--+---", "UUUUUD"),
            (Health::Up, 2, 3, "..-", "UUD"),
            (Health::Up, 2, 3, "~~~~~~~~", "UUUUUUUU"),
            (Health::Up, 2, 3, "!!!", "UUD"),
            (Health::Up, 2, 3, "-~-~-", "UUUUD"),
            (Health::Down, 2, 3, "+-++", "DDDU"),
            (Health::Down, 2, 3, "+~++", "DDDU"),
            (Health::Down, 1, 1, "+-+-", "UDUD"),
            (Health::Down, 0, 0, "+-", "UD"),
        ] {
            let mut watch = Watch::new(start, rise, fall, 2000);
            assert_eq!(play(&mut watch, 0, 2000, checks), health, "{start:?} {rise} {fall} {checks}");
        }
    }

    #[test]
    fn checks_fail_at_a_node_that_served_until_they_call_it_up() {
        for (start, served, checks, fails) in [
            (Health::Unknown, false, "---", "   "),
            (Health::Unknown, false, "-+-+++-", "    ++-"),
            (Health::Unknown, true, "--+++", "-- ++"),
            (Health::Unknown, false, "+-+++", "+-+++"),
            (Health::Up, false, "~-+---+++", "+-+--- ++"),
        ] {
            let mut watch = Watch::new(start, 2, 3, 2000);
            if served {
                watch.assume_served();
            }
            let said: String = (0..checks.len())
                .map(|n| {
                    play(&mut watch, n as u64 * 2000, 0, &checks[n..=n]);
                    watch.fails().map_or(' ', |fails| if fails { '-' } else { '+' })
                })
                .collect();
            assert_eq!(said, fails, "{start:?} {checks}");
        }
    }

    #[test]
    fn a_node_that_is_held_down_is_called_up_by_its_checks() {
        let mut watch = Watch::new(Health::Up, 2, 1, 1000);
        play(&mut watch, 0, 1000, "-++-++-++-+");
        assert_eq!((watch.health(), watch.fails()), (Health::Down, None));
        play(&mut watch, 11_000, 1000, "+");
        assert_eq!((watch.held(11_000).is_some(), watch.fails()), (true, Some(false)));
        play(&mut watch, 12_000, 1000, "-");
        assert_eq!(watch.fails(), Some(true), "and a new row begins");
    }

    #[test]
    fn an_old_answer_is_no_proof_of_life() {
        let mut watch = Watch::new(Health::Up, 2, 3, 2000);
        for n in 0..2 {
            assert_eq!(watch.observe(n * 2000, Outcome::Silent, Some(6001)), None);
        }
        assert_eq!(watch.observe(6000, Outcome::Silent, Some(6001)), Some(Health::Down));
        assert_eq!(watch.failed_checks(), 3);
    }

    #[test]
    fn a_new_address_is_decided_by_its_first_check_and_health_stays_until_then() {
        let mut watch = Watch::new(Health::Up, 2, 3, 2000);
        watch.start_anew();
        assert_eq!(watch.health(), Health::Up);
        assert_eq!(watch.observe(0, Outcome::Silent, Some(1)), Some(Health::Down));
        watch.start_anew();
        assert_eq!(watch.observe(1, Outcome::Good, NEVER), Some(Health::Up));
    }

    #[test]
    fn the_fourth_fall_in_two_minutes_holds_the_node_down() {
        let mut watch = Watch::new(Health::Up, 1, 1, 1000);
        assert_eq!(play(&mut watch, 0, 1000, "-+-+-+-+++++"), "DUDUDUDDDDDD");
        assert_eq!(watch.held(6000), Some((4, 10_000)));
        assert_eq!(watch.observe(15_999, Outcome::Good, NEVER), None);
        assert_eq!(watch.observe(16_000, Outcome::Good, NEVER), Some(Health::Up));
        assert_eq!(watch.held(16_000), None);
    }

    #[test]
    fn holds_grow_to_160_seconds_and_two_quiet_minutes_end_them() {
        let mut watch = Watch::new(Health::Up, 1, 1, 1000);
        play(&mut watch, 0, 1000, "-+-+-+");
        let mut now = 6000;
        for seconds in [10, 20, 40, 80, 160, 160] {
            assert_eq!(watch.observe(now, Outcome::Definite, NEVER), Some(Health::Down));
            assert_eq!(watch.held(now).map(|(_, left)| left), Some(seconds * 1000));
            now += seconds * 1000;
            assert_eq!(watch.observe(now, Outcome::Good, NEVER), Some(Health::Up));
            now += 1000;
        }
        now += FLIP_WINDOW_MS;
        assert_eq!(watch.observe(now, Outcome::Definite, NEVER), Some(Health::Down));
        assert_eq!(watch.held(now), None);
    }

    #[test]
    fn rare_falls_are_never_held() {
        let mut watch = Watch::new(Health::Up, 1, 1, 1000);
        for n in 0..50 {
            let now = n * 45_000;
            assert_eq!(watch.observe(now, Outcome::Definite, NEVER), Some(Health::Down));
            assert_eq!(watch.observe(now + 1, Outcome::Good, NEVER), Some(Health::Up), "{n}");
        }
    }

    proptest! {
        #[test]
        fn changes_are_earned(rise in 1u8..5, fall in 1u8..5, checks in proptest::collection::vec((0u8..3, proptest::option::of(0u64..9000), 1u64..4000), 1..300)) {
            let mut watch = Watch::new(Health::Unknown, rise, fall, 2000);
            let (mut now, mut health, mut row) = (0, Health::Unknown, 0u32);
            for (outcome, since, step) in checks {
                now += step;
                let outcome = [Outcome::Good, Outcome::Silent, Outcome::Definite][usize::from(outcome)];
                let good = outcome == Outcome::Good;
                let before = watch.health();
                let change = watch.observe(now, outcome, since);
                prop_assert_eq!(change.unwrap_or(before), watch.health());
                // a change is towards what was just seen, and not without enough of the same in a row
                row = if good { row + 1 } else { 0 };
                if let Some(new) = change {
                    prop_assert_ne!(new, health);
                    prop_assert_eq!(new == Health::Up, good);
                    prop_assert!(health != Health::Down || row >= u32::from(rise));
                    health = new;
                }
                prop_assert_ne!(watch.health(), Health::Unknown);
            }
        }

        #[test]
        fn a_mad_node_moves_sessions_seldom(checks in proptest::collection::vec(any::<bool>(), 1800)) {
            let mut watch = Watch::new(Health::Up, 1, 1, 1000);
            let falls = checks.iter().enumerate().filter(|(second, good)| {
                let outcome = if **good { Outcome::Good } else { Outcome::Definite };
                watch.observe(*second as u64 * 1000, outcome, NEVER) == Some(Health::Down)
            });
            // half an hour: three free falls, then holds of 10, 20, 40, 80 and 160 seconds
            prop_assert!(falls.count() <= 20);
        }
    }
}
