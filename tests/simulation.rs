//! A small world on made-up time: nodes that flap, hang, drain, beat, restart and are full, clients with
//! pins, reloads and operators. Table, registry, decision, ledger, balance and evidence are the real ones;
//! there are no sockets and no waiting. Each seed is a world of its own, the same in each run, and in each
//! the promises hold (`simulation/promises.rs`). Whether they would tell of a fault is tried out with those
//! of `simulation/faults.toml`.
//!
//! `HOMING_SEED=n` runs one seed and tells what happens in it; `HOMING_SEEDS=n` runs so many.
#![allow(clippy::unwrap_used)]

#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/conf.rs"]
mod conf;
#[path = "simulation/endings.rs"]
mod endings;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/machine.rs"]
mod machine;
#[path = "simulation/operator.rs"]
mod operator;
#[path = "simulation/promises.rs"]
mod promises;
#[path = "simulation/sum.rs"]
mod sum;
#[path = "simulation/traffic.rs"]
mod traffic;
#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{available_parallelism, scope};
use std::time::Instant;
use sum::Sum;
use world::{Held, World};

/// Worlds of a normal run.
const SEEDS: u64 = 10_000;
/// Worlds in which a promise is broken, until the others need not be looked at.
const MOST: u64 = 50;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// With the timers that a request for a slot asks for; none of them ends.
fn with_timers<T>(work: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _timers = runtime.enter();
    work()
}

/// Something in a world that may panic: then a promise is broken too.
fn held(work: impl FnOnce() -> Held) -> Held {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("it panics".into()))
}

/// Lives through so many worlds, on all cores. What happened, and what is broken, by seed.
fn live(seeds: u64, most: u64) -> (Sum, BTreeMap<u64, String>) {
    let (next, found) = (AtomicU64::new(0), Mutex::new((Sum::default(), BTreeMap::new())));
    let work = || {
        let mut sum = Sum::default();
        while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < seeds) {
            if let Err(why) = held(|| World::new(seed, false).run(&mut sum)) {
                let broken = &mut found.lock().unwrap().1;
                broken.insert(seed, why);
                if broken.len() as u64 >= most {
                    next.store(seeds, Relaxed);
                }
            }
        }
        found.lock().unwrap().0.add(&sum);
    };
    scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            scope.spawn(move || with_timers(work));
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn the_promises_hold_in_every_world() {
    if let Some(seed) = number("HOMING_SEED") {
        let (broken, trace) = with_timers(|| World::traced(seed));
        println!("{trace}");
        assert_eq!(broken, None, "seed {seed}");
        return;
    }
    let (seeds, began) = (number("HOMING_SEEDS").unwrap_or(SEEDS), Instant::now());
    let (sum, broken) = live(seeds, number("HOMING_MOST").unwrap_or(MOST));
    if let Some(seed) = broken.keys().next() {
        let (_, trace) = with_timers(|| World::traced(*seed));
        let lines: Vec<&str> = trace.lines().collect();
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        let all: String = broken.iter().map(|(seed, why)| format!("seed {seed}: {why}\n")).collect();
        panic!("{last}\n{all}HOMING_SEED={seed} tells all of the first");
    }
    println!("{seeds} worlds in {:.1?}: {sum:?}", began.elapsed());
    sum.is_rich(seeds);
}
