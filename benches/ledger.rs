//! What the ledger costs: a request of a known session, a new session with its logout or with somebody to
//! forget, and all of them kept in a file and read again.

use arc_swap::ArcSwap;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use homing::affinity::KeyRing;
use homing::base::clock::{self, Now};
use homing::config;
use homing::control::state::{StateDir, ledgers::LedgerKeeper};
use homing::ledger::{Ledger, SessionCounter};
use homing::table::{Table, compile};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

#[derive(Default)]
struct Counts([AtomicI64; 16]);

impl SessionCounter for Counts {
    fn change(&self, slot: u32, by: i32) {
        self.0[slot as usize % 16].fetch_add(i64::from(by), Relaxed);
    }

    fn yields(&self, _: u32, _: i32) {}
}

/// Ids that look as hashed ids do.
fn id(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31)
}

fn filled(entries: u64, limit: usize) -> (Ledger, Counts) {
    let (ledger, tally) = (Ledger::new(limit), Counts::default());
    (0..entries).for_each(|i| ledger.touch(id(i), (i % 16) as u32, 1, &tally));
    (ledger, tally)
}

fn costs(criterion: &mut Criterion) {
    for entries in [1_000u64, 1_000_000] {
        let (ledger, tally) = filled(entries, 2 * entries as usize);
        let mut next = 0;
        criterion.bench_with_input(BenchmarkId::new("touch", entries), &entries, |bencher, _| {
            bencher.iter(|| {
                // Far apart, so that the cache helps no more than it would with real clients.
                next = (next + 7_919) % entries;
                ledger.touch(black_box(id(next)), (next % 16) as u32, 2, &tally);
            });
        });
        let mut fresh = entries;
        criterion.bench_with_input(BenchmarkId::new("open-end", entries), &entries, |bencher, _| {
            bencher.iter(|| {
                fresh += 1;
                ledger.open(black_box(id(fresh)), 3, 2, &tally);
                ledger.end(id(fresh), &tally);
            });
        });
        followed(criterion, &ledger, &tally, entries);
        let (full, tally) = filled(entries, entries as usize);
        criterion.bench_with_input(BenchmarkId::new("open-full", entries), &entries, |bencher, _| {
            bencher.iter(|| {
                fresh += 1;
                full.open(black_box(id(fresh)), 3, 2, &tally);
            });
        });
    }
}

/// What changes, where one or two want to know of it.
fn followed(criterion: &mut Criterion, ledger: &Ledger, tally: &Counts, entries: u64) {
    for count in [1, 2] {
        let mut followers: Vec<_> = (0..count).map(|_| ledger.follow(1 << 18)).collect();
        let (mut fresh, mut changes) = (entries, Vec::new());
        criterion.bench_with_input(
            BenchmarkId::new(format!("open-end-followed-by-{count}"), entries),
            &entries,
            |bencher, _| {
                bencher.iter(|| {
                    fresh += 1;
                    ledger.open(black_box(id(fresh)), 3, 2, tally);
                    ledger.end(id(fresh), tally);
                    if fresh.is_multiple_of(1_000) {
                        // as the keeper does, there on a thread of its own
                        for follower in &mut followers {
                            let _ = black_box(follower.changes(&mut changes));
                        }
                        changes.clear();
                    }
                });
            },
        );
    }
}

/// A million sessions on ten nodes: to the disk, and back from it and to the disk again.
fn keeping(criterion: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("homing-bench-{}", std::process::id()));
    let dir = Arc::new(StateDir::open(&folder).expect("a folder of our own"));
    let full = Arc::new(ArcSwap::from_pointee(table()));
    let live = full.load().clusters[0].live.clone();
    (0..1_000_000).for_each(|i| {
        live.ledger.touch(id(i), (i % 10) as u32, clock::monotonic_secs(), &live.tally(Now::look()))
    });
    let mut group = criterion.benchmark_group("keeper");
    group.sample_size(10);
    group.bench_function("save-twice", |bencher| {
        bencher.iter_batched(
            || drop(std::fs::remove_file(dir.path("ledgers"))),
            |()| LedgerKeeper::start(dir.clone(), full.clone()).close(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("load-and-save-twice", |bencher| {
        let fresh = || Arc::new(ArcSwap::from_pointee(table()));
        bencher.iter_batched(
            fresh,
            |table| LedgerKeeper::start(dir.clone(), table).close(),
            BatchSize::PerIteration,
        );
    });
    drop(std::fs::remove_dir_all(folder));
}

fn table() -> Table {
    let nodes: String = (0..10).map(|n| format!("n{n} = \"http://127.0.0.1:1\"\n")).collect();
    let text = format!(
        "[listener.web]\nbind = \"127.0.0.1:0\"\n[[rule]]\ncluster = \"shop\"\n[cluster.shop]\naffinity = \"cookie\"\n[cluster.shop.nodes]\n{nodes}"
    );
    let loaded = config::parse_str(&text, Path::new("homing.toml")).expect("a conf");
    let context = compile::TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
    let table = compile::compile(Arc::new(loaded.config), &context, None).expect("a table");
    compile::adopt(&table, Now::look());
    table
}

criterion_group!(benches, costs, keeping);
criterion_main!(benches);
