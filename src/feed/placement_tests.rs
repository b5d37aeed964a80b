//! How well new sessions are placed, on made-up time: nodes of 50 to 1,000 seats beat, 200 sessions a second
//! begin and live for 15 seconds, and the real board, roster, ledger and pulse decide. Whatever fails prints
//! the whole table.

use super::housekeeping::Housekeeping;
use crate::affinity::KeyRing;
use crate::base::clock::Now;
use crate::config;
use crate::control::members::Members;
use crate::heartbeat::{Heartbeat, Load, Room};
use crate::table::compile::{TableContext, adopt, compile};
use crate::table::{Cluster, Current, Health, Rise};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SEATS: [u32; 10] = [50, 50, 100, 100, 300, 300, 600, 600, 1000, 1000];
const SEEDS: u64 = 3;
/// Microseconds in a second.
const SECOND: u64 = 1_000_000;
const RATE: f64 = 200.0;
const START: Now = Now::at(Duration::from_secs(1000));

/// A course of events.
#[derive(Clone, Copy)]
struct Course {
    name: &'static str,
    balance: &'static str,
    /// Seconds between beats.
    beat: u64,
    /// Seconds that a session lives on average; none for ever.
    life: Option<f64>,
    sessions: u32,
    /// The ledger learns when a session ends.
    released: bool,
    /// n2 says that it has nobody, n8 that it has nobody and that it is full in turn.
    liars: bool,
    /// n6 is half, n4 twice as strong as it says; its load is true.
    wrong: bool,
    /// n9 comes in the middle.
    joins: bool,
}

const STEADY: Course = Course {
    name: "",
    balance: "heartbeat",
    beat: 1,
    life: Some(15.0),
    sessions: 5000,
    released: false,
    liars: false,
    wrong: false,
    joins: false,
};

/// What came of it, in percent.
struct Result {
    /// Mean distance of the fullest from the emptiest node; at the end, where nobody leaves.
    spread: f64,
    /// Sessions that were put on a full node while another had room.
    over: u32,
    peak: f64,
    /// What n9 was given in each second after it came.
    share: Vec<f64>,
    end: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Leaves { slot: usize, id: u64 },
    Beats(usize),
    Pulse,
    Measure,
    Arrives,
}

struct World {
    course: Course,
    current: Current,
    cluster: Arc<Cluster>,
    members: Members,
    pulse: Housekeeping,
    rng: SmallRng,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    strength: Vec<u32>,
    here: Vec<u32>,
    up: Vec<bool>,
    beats: Vec<u32>,
}

impl World {
    fn new(course: Course, seed: u64) -> Self {
        let mut text = format!(
            "[listener.web]\nbind = '127.0.0.1:0'\n[[rule]]\ncluster = 'c'\n[cluster.c]\nbalance = '{}'\n[cluster.c.nodes]\n",
            course.balance
        );
        for n in 1..=SEATS.len() {
            let _ = writeln!(text, "n{n} = 'http://127.0.0.1:{}'", 8000 + n);
        }
        let loaded = config::parse_str(&text, Path::new("homing.toml")).unwrap_or_else(|e| panic!("{e:?}"));
        let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
        let table = Arc::new(compile(Arc::new(loaded.config), &context, None).unwrap());
        adopt(&table, START);
        let cluster = table.clusters[0].clone();
        let mut world = Self {
            course,
            current: Current::from(table),
            cluster,
            members: Members::default(),
            pulse: Housekeeping::new(),
            rng: SmallRng::seed_from_u64(seed),
            events: BinaryHeap::new(),
            strength: SEATS.to_vec(),
            here: vec![0; SEATS.len()],
            up: vec![true; SEATS.len()],
            beats: vec![0; SEATS.len()],
        };
        if course.wrong {
            (world.strength[5], world.strength[3]) = (SEATS[5] / 2, SEATS[3] * 2);
        }
        world.up[8] = !course.joins;
        for slot in (0..SEATS.len()).filter(|slot| *slot != 8 || !course.joins) {
            world.set_up(slot, false, START);
        }
        world
    }

    fn set_up(&mut self, slot: usize, eased: bool, now: Now) {
        self.up[slot] = true;
        self.cluster.node(slot as u32).unwrap().live.set_health(
            Health::Up,
            "",
            if eased { Rise::Among } else { Rise::Found },
            now,
        );
        self.cluster.live.rescore(slot as u32, now);
    }

    fn after(&mut self, now: u64, mean: f64) -> u64 {
        let dice: f64 = self.rng.random_range(f64::EPSILON..1.0);
        now + (-dice.ln() * mean * SECOND as f64) as u64
    }

    fn beat(&mut self, slot: usize, now: Now) {
        self.beats[slot] += 1;
        let true_load = (100 * self.here[slot]).div_ceil(self.strength[slot]).min(100);
        let (load, sessions) = match slot {
            1 if self.course.liars => (0, 0),
            7 if self.course.liars => {
                (if self.beats[slot].is_multiple_of(2) { 0 } else { 100 }, self.here[slot])
            }
            _ => (true_load, self.here[slot]),
        };
        let beat = Heartbeat {
            room: Load::new(load as u8).map(Room::Load),
            sessions: Some(sessions),
            capacity: Some(SEATS[slot]),
            interval: Some(Duration::from_secs(self.course.beat)),
            ..Heartbeat::default()
        };
        let node = self.cluster.node(slot as u32).unwrap().clone();
        self.members.take(&self.cluster, &node, &beat, now);
    }

    fn part(&self, slot: usize) -> f64 {
        100.0 * f64::from(self.here[slot]) / f64::from(self.strength[slot])
    }

    fn parts(&self) -> Vec<f64> {
        (0..SEATS.len())
            .filter(|slot| self.up[*slot] && (*slot != 8 || !self.course.joins))
            .map(|slot| self.part(slot))
            .collect()
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events.push(Reverse((time, event)));
    }

    fn run(mut self) -> Result {
        let whole = (f64::from(self.course.sessions) / RATE * SECOND as f64) as u64;
        for slot in 0..SEATS.len() {
            if self.up[slot] {
                self.beat(slot, START);
            }
            let first = self.rng.random_range(0..self.course.beat * SECOND);
            self.at(first, Event::Beats(slot));
        }
        self.at(SECOND / 2, Event::Pulse);
        self.at(whole / 3, Event::Measure);
        self.at(0, Event::Arrives);
        let (mut left, mut over, mut peak, mut spreads, mut joined) =
            (self.course.sessions, 0, 0.0f64, Vec::new(), None);
        let mut given: Vec<(u32, u32)> = Vec::new();
        while left > 0 {
            let Some(Reverse((now, event))) = self.events.pop() else { break };
            let at = Now::at(Duration::from_secs(1000) + Duration::from_micros(now));
            match event {
                Event::Leaves { slot, id } => {
                    self.here[slot] -= 1;
                    if self.course.released {
                        self.cluster.live.ledger.end(id, &self.cluster.live.tally(at));
                    }
                }
                Event::Beats(slot) => {
                    if slot == 8 && !self.up[8] && now > whole / 2 {
                        self.set_up(8, true, at);
                        joined = Some(now);
                    }
                    if self.up[slot] {
                        self.beat(slot, at);
                    }
                    self.at(now + self.course.beat * SECOND, event);
                }
                Event::Pulse => {
                    self.pulse.tick(&self.current, at);
                    self.at(now + SECOND, event);
                }
                Event::Measure => {
                    let parts = self.parts();
                    let (most, least) = (
                        parts.iter().copied().fold(0.0, f64::max),
                        parts.iter().copied().fold(1e9, f64::min),
                    );
                    spreads.push(most - least);
                    peak = peak.max(most);
                    self.at(now + SECOND / 2, event);
                }
                Event::Arrives => {
                    left -= 1;
                    let slot = self.arrive(now, at, left.into());
                    let room = |slot: usize| self.up[slot] && self.here[slot] < self.strength[slot];
                    if self.here[slot] > self.strength[slot] && (0..SEATS.len()).any(room) {
                        over += 1;
                    }
                    if let Some(joined) = joined {
                        let second = ((now - joined) / SECOND) as usize;
                        given.resize(given.len().max(second + 1), (0, 0));
                        given[second].0 += 1;
                        given[second].1 += u32::from(slot == 8);
                    }
                    let next = self.after(now, 1.0 / RATE);
                    self.at(next, event);
                }
            }
        }
        let parts = self.parts();
        let last = parts.iter().copied().fold(0.0, f64::max) - parts.iter().copied().fold(1e9, f64::min);
        let mean = spreads.iter().sum::<f64>() / spreads.len() as f64;
        Result {
            spread: if self.course.life.is_none() { last } else { mean },
            over,
            peak,
            share: given
                .iter()
                .map(|(all, ours)| 100.0 * f64::from(*ours) / f64::from((*all).max(1)))
                .collect(),
            end: (0..SEATS.len()).map(|slot| self.part(slot)).collect(),
        }
    }

    fn arrive(&mut self, now: u64, at: Now, id: u64) -> usize {
        let picked = self.cluster.roster.placement.pick(None, &[], &mut self.rng);
        let (slot, _) = picked.unwrap_or_else(|| panic!("{}: nobody takes a session", self.course.name));
        let (ledger, live, second) = (&self.cluster.live.ledger, &self.cluster.live.tally(at), at.secs());
        ledger.open(id, slot, second, live);
        ledger.touch(id, slot, second, live);
        let slot = slot as usize;
        self.here[slot] += 1;
        if let Some(life) = self.course.life {
            let end = self.after(now, life);
            self.at(end, Event::Leaves { slot, id });
        }
        slot
    }
}

/// Runs each course for so many seeds; within its bound, and nobody beyond its seats while another has room.
fn holds(seeds: u64, courses: &[(Course, f64)]) {
    let (mut text, mut wrong) = (String::new(), Vec::new());
    for (course, bound) in courses {
        for seed in 0..seeds {
            let result = World::new(*course, seed).run();
            let end: Vec<String> = result.end.iter().map(|part| format!("{part:.0}")).collect();
            let line = format!(
                "{} ({}), seed {seed}: spread {:.1} of {bound}, {} put on a full node, peak {:.0}; {}",
                course.name,
                if course.released { "ends are known" } else { "ends are told by beats alone" },
                result.spread,
                result.over,
                result.peak,
                end.join(" ")
            );
            if result.spread > *bound || result.over > 0 {
                wrong.push(line.clone());
            }
            let _ = writeln!(text, "{line}");
        }
    }
    println!("{text}");
    assert!(wrong.is_empty(), "{}\nof\n{text}", wrong.join("\n"));
}

/// The bars: the mean distance between the fullest and the emptiest node, in percent of their seats.
const BARS: [(Course, f64); 8] = [
    (Course { name: "nobody leaves", life: None, sessions: 3300, ..STEADY }, 2.0),
    (Course { name: "beats of 1 s", ..STEADY }, 7.0),
    (Course { name: "beats of 5 s", beat: 5, ..STEADY }, 12.0),
    (Course { name: "beats of 10 s", beat: 10, ..STEADY }, 16.0),
    (Course { name: "two liars", liars: true, ..STEADY }, 45.0),
    (Course { name: "two liars, beats of 5 s", liars: true, beat: 5, ..STEADY }, 45.0),
    (Course { name: "wrong sizes", wrong: true, ..STEADY }, 12.0),
    (Course { name: "one joins", joins: true, ..STEADY }, 9.0),
];

#[test]
fn new_sessions_follow_the_room_on_the_nodes() {
    holds(SEEDS, &BARS);
}

#[test]
fn new_sessions_follow_the_room_where_the_ends_of_sessions_are_known() {
    holds(1, &BARS.map(|(course, bound)| (Course { released: true, ..course }, bound)));
}

#[test]
fn a_liar_is_not_filled_beyond_its_seats_by_least_sessions_either() {
    let least = Course { balance: "least-sessions", released: true, ..STEADY };
    holds(
        1,
        &[
            (Course { name: "least-sessions, honest", ..least }, 4.0),
            (Course { name: "least-sessions, two liars", liars: true, ..least }, 20.0),
            (Course { name: "least-sessions, two liars, beats of 5 s", liars: true, beat: 5, ..least }, 20.0),
        ],
    );
}

#[test]
fn a_node_that_joins_has_its_ramped_share_and_then_all_of_it_and_never_twice_that() {
    let fair = f64::from(SEATS[8]) / f64::from(SEATS.iter().sum::<u32>());
    for balance in ["heartbeat", "least-sessions"] {
        let joins = Course { name: "one joins", balance, joins: true, sessions: 16_000, ..STEADY };
        let share = World::new(Course { released: balance != "heartbeat", ..joins }, 1).run().share;
        // at 10, 30 and 60 percent of its slow-start of 30 s
        for (second, ramp) in [(3, 0.19), (9, 0.37), (18, 0.64)] {
            let (wanted, given) = (100.0 * fair * ramp / (1.0 - fair + fair * ramp), share[second]);
            assert!(
                (given - wanted).abs() <= 0.15 * wanted,
                "{balance} {second}: {wanted:.1} in {share:.1?}"
            );
        }
        let (fair, whole) = (100.0 * fair, &share[..share.len() - 1]);
        let then = share[31..36].iter().sum::<f64>() / 5.0;
        assert!(then >= 0.75 * fair && whole.iter().all(|share| *share <= 2.05 * fair), "{share:.0?}");
    }
}

#[test]
fn nodes_that_speak_apaches_dialect_have_the_shares_that_apache_gives_them() {
    for (slots, apache) in
        [([(400, 0), (50, 0)], 0.89), ([(200, 200), (50, 0)], 0.80), ([(100, 0), (100, 0)], 0.5)]
    {
        for (seed, rate) in [(0, 1), (1, 20), (2, 100)] {
            let mut world = World::new(STEADY, seed);
            for slot in 2..SEATS.len() {
                world.cluster.node(slot as u32).unwrap().live.set_health(
                    Health::Down,
                    "",
                    Rise::Found,
                    START,
                );
            }
            let (mut first, mut all) = (0u32, 0u32);
            for second in 0..2000 / rate {
                let now = Now::at(Duration::from_secs(1000 + second));
                for (slot, (ready, busy)) in slots.into_iter().enumerate() {
                    let node = world.cluster.node(slot as u32).unwrap().clone();
                    let beat = Heartbeat { room: Some(Room::Slots { ready, busy }), ..Heartbeat::default() };
                    world.members.take(&world.cluster, &node, &beat, now);
                }
                world.pulse.tick(&world.current, now);
                for _ in 0..rate {
                    all += 1;
                    first += u32::from(world.arrive(0, now, all.into()) == 0);
                }
            }
            let share = f64::from(first) / f64::from(all);
            assert!(
                (share - apache).abs() <= 0.1 * apache,
                "{slots:?}, {rate} a second: {share:.2} where Apache gives {apache}"
            );
        }
    }
}
