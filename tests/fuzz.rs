//! The fuzzers' targets on the compiler that everybody has: the committed corpus, and changes to it. The
//! first are the same on every run; the parsers of heartbeats, which anybody may send, get further ones for a
//! while: `HOMING_FUZZ_SECONDS` each, a minute in CI. A failure says the seed of its change, and
//! `HOMING_FUZZ_SEED` shows it again.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

#[path = "../fuzz/targets.rs"]
mod targets;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Changed copies of each file that are the same on every run.
const CHANGES: u64 = 150;
/// What reads heartbeats, in all dialects.
const HEARTBEATS: [&str; 4] = ["agent", "heartbeat_datagram", "heartbeat_native", "heartbeat_post"];
/// The variable with the seed of the one change to look at.
const SEED: &str = "HOMING_FUZZ_SEED";

/// Bytes that mean something to a parser.
const TELLING: &[u8] = b"\0\t\n\r \"#$%&',./01:;=?A[\\]_n{|}~\x7f\x80\xff";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn names(path: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = folder("corpus").join(target);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn every_target_has_a_fuzzer_and_a_corpus() {
    let all: BTreeSet<String> = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("fuzz_targets")), all);
    assert_eq!(names(&folder("corpus")), all);
    for name in all {
        assert!(corpus(&name).len() >= 3, "{name}");
    }
}

#[test]
fn no_target_fails() {
    let seconds = std::env::var("HOMING_FUZZ_SECONDS").map_or(2, |seconds| seconds.parse().unwrap());
    let time = |name: &str| Duration::from_secs(if HEARTBEATS.contains(&name) { seconds } else { 0 });
    // as many at one time as there are cores, so that a minute is one
    let left = Mutex::new(targets::ALL.iter());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some((name, target)) = next() {
                    exercise(name, *target, time(name));
                }
            });
        }
    });
}

fn exercise(name: &str, target: fn(&[u8]), time: Duration) {
    let corpus = corpus(name);
    let attempt = |input: &[u8], seed: Option<u64>| {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            let again = seed.map_or_else(String::new, |seed| {
                format!("; {SEED}={seed} cargo test --test fuzz shows it again")
            });
            panic!("{name} fails on b\"{}\"{again}", input.escape_ascii());
        }
    };
    let changed = |seed: u64| {
        let mut rng = SmallRng::seed_from_u64(seed);
        let file = corpus.choose(&mut rng).unwrap();
        attempt(&change(file, &corpus, &mut rng), Some(seed));
    };
    if let Ok(seed) = std::env::var(SEED) {
        return changed(seed.parse().unwrap());
    }
    corpus.iter().map(Vec::as_slice).chain([&b""[..]]).for_each(|input| attempt(input, None));
    (0..CHANGES * corpus.len() as u64).for_each(changed);
    let (begin, mut seed) = (Instant::now(), rand::random::<u64>() >> 1);
    while begin.elapsed() < time {
        (seed..seed + 256).for_each(changed);
        seed += 256;
    }
}

/// A copy of a file with a few things wrong.
fn change(file: &[u8], others: &[Vec<u8>], rng: &mut SmallRng) -> Vec<u8> {
    let mut out = file.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..=out.len());
        let end = rng.random_range(at..=out.len().min(at + 16));
        match rng.random_range(0..6) {
            0 if at < out.len() => out[at] ^= 1 << rng.random_range(0..8),
            1 => out.insert(at, *TELLING.choose(rng).unwrap()),
            2 => drop(out.drain(at..end)),
            3 => drop(out.splice(at..at, out[at..end].to_vec())),
            4 => {
                let other = others.choose(rng).unwrap();
                out.truncate(at);
                out.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
            }
            _ => out.truncate(at),
        }
    }
    out
}
