//! What the ledger costs: a request of a known session, and a new session with its logout or with somebody to forget.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use homing::table::ledger::{Ledger, Tally};
use std::hint::black_box;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

#[derive(Default)]
struct Counts([AtomicI64; 16]);

impl Tally for Counts {
    fn change(&self, slot: u32, by: i32) {
        self.0[slot as usize % 16].fetch_add(i64::from(by), Relaxed);
    }
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
        let (full, tally) = filled(entries, entries as usize);
        criterion.bench_with_input(BenchmarkId::new("open-full", entries), &entries, |bencher, _| {
            bencher.iter(|| {
                fresh += 1;
                full.open(black_box(id(fresh)), 3, 2, &tally);
            });
        });
    }
}

criterion_group!(benches, costs);
criterion_main!(benches);
