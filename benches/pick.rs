//! What one new session costs: choosing a node and telling what became of it, by method and size of the
//! cluster.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use homing::balance::{Candidate, Method, Placement, Seat, Tier};
use rand::{SeedableRng, rngs::SmallRng};
use std::hint::black_box;

const METHODS: [(&str, Method); 7] = [
    ("least-sessions", Method::LeastSessions),
    ("least-requests", Method::LeastRequests),
    ("round-robin", Method::RoundRobin),
    ("heartbeat", Method::Room),
    ("random", Method::Random),
    ("hash", Method::Hash),
    ("first", Method::First),
];

const IDLE: Candidate = Candidate {
    tier: Tier::Normal,
    sessions: 0,
    in_flight: 0,
    weight: 100 << 16,
    load: 0,
    capacity: None,
    full: false,
    ramp: 1 << 16,
    young: false,
};

fn cluster(method: Method, size: usize) -> Placement {
    let names: Vec<_> = (0..size).map(|i| format!("node-{i}")).collect();
    let seat = |i: usize| Seat { slot: i as u32, weight: 100, name: &names[i], position: i as u32 };
    let placement = Placement::new(method, false, &(0..size).map(seat).collect::<Vec<_>>(), None);
    (0..size as u32).for_each(|slot| placement.update(slot, &IDLE));
    placement
}

fn pick_and_update(criterion: &mut Criterion) {
    for (name, method) in METHODS {
        let mut group = criterion.benchmark_group(name);
        for size in [2, 10, 100, 1_000, 10_000] {
            let placement = cluster(method, size);
            let mut state = vec![IDLE; size];
            let mut rng = SmallRng::seed_from_u64(1);
            let mut key = 0;
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| {
                    key += 1;
                    let Some((slot, _)) = placement.pick(Some(black_box(key)), &[], &mut rng) else { return };
                    let one = &mut state[slot as usize];
                    // Counters that move both ways, as they do when sessions come and go.
                    one.sessions = (one.sessions + 1) % 64;
                    one.in_flight = (one.in_flight + 1) % 8;
                    one.load = one.sessions;
                    placement.update(slot, one);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, pick_and_update);
criterion_main!(benches);
