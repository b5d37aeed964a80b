//! The fuzzers' targets on the compiler that everybody has: the committed corpus, and changes to it that are the same on every run.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

#[path = "../fuzz/targets.rs"]
mod targets;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Changed copies of each file.
const CHANGES: usize = 150;

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
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
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
    std::thread::scope(|scope| {
        for (name, target) in targets::ALL {
            scope.spawn(move || exercise(name, target));
        }
    });
}

fn exercise(name: &str, target: fn(&[u8])) {
    let corpus = corpus(name);
    let mut rng = SmallRng::seed_from_u64(1);
    let changed: Vec<Vec<u8>> = corpus.iter().flat_map(|file| vec![file; CHANGES]).map(|file| change(file, &corpus, &mut rng)).collect();
    for input in corpus.iter().chain(&changed).map(Vec::as_slice).chain([&b""[..]]) {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            panic!("{name} fails on b\"{}\"", input.escape_ascii());
        }
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
