//! What an operator expects of each method, over many picks.

mod easing;
mod parts;

use super::*;
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use Method::{First, Hash, LeastRequests, LeastSessions, Random, Room, RoundRobin};

const ALL: [Method; 7] = [LeastSessions, LeastRequests, RoundRobin, Room, Random, Hash, First];

/// An idle normal node of this weight.
pub(super) fn candidate(weight: u32) -> Candidate {
    Candidate {
        tier: Tier::Normal,
        sessions: 0,
        in_flight: 0,
        weight: weight << 16,
        load: 0,
        capacity: None,
        full: false,
        ramp: WHOLE,
        young: false,
    }
}

fn rng() -> SmallRng {
    SmallRng::seed_from_u64(7)
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("node-{i}")).collect()
}

/// Nodes of these weights, all idle, after `previous`.
fn after(method: Method, weights: &[u32], previous: Option<&Placement>) -> Placement {
    let names = names(weights.len());
    let seats: Vec<_> = names
        .iter()
        .zip(weights)
        .enumerate()
        .map(|(i, (name, &weight))| Seat { slot: i as u32, weight, name, position: i as u32 })
        .collect();
    let placement = Placement::new(method, false, &seats, previous);
    for (slot, &weight) in weights.iter().enumerate() {
        placement.update(slot as u32, &candidate(weight));
    }
    placement
}

fn new(method: Method, weights: &[u32]) -> Placement {
    after(method, weights, None)
}

fn picks(placement: &Placement, count: usize) -> Vec<u32> {
    let mut rng = rng();
    (0..count).map(|_| placement.pick(None, &[], &mut rng).unwrap().0).collect()
}

fn counts(picked: &[u32]) -> HashMap<u32, usize> {
    let mut counts = HashMap::new();
    picked.iter().for_each(|&slot| *counts.entry(slot).or_default() += 1);
    counts
}

/// The longest run of one slot.
fn longest_run(picked: &[u32], slot: u32) -> usize {
    picked.split(|&other| other != slot).map(<[u32]>::len).max().unwrap_or(0)
}

#[test]
fn every_method_but_first_serves_by_weight() {
    let weights = [100, 50, 200, 10, 100];
    let total: u32 = weights.iter().sum();
    for method in [Method::LeastSessions, Method::LeastRequests, Method::RoundRobin, Method::Random] {
        let placement = new(method, &weights);
        let mut rng = rng();
        let mut state: Vec<_> = weights.map(candidate).into();
        const PICKS: u32 = 100_000;
        for _ in 0..PICKS {
            let (slot, _) = placement.pick(None, &[], &mut rng).unwrap();
            let one = &mut state[slot as usize];
            one.sessions += 1;
            if method == Method::LeastRequests {
                one.in_flight += 1;
            }
            placement.update(slot, one);
        }
        for (one, weight) in state.iter().zip(weights) {
            let (got, due) =
                (f64::from(one.sessions) / f64::from(PICKS), f64::from(weight) / f64::from(total));
            assert!(
                (got - due).abs() < 0.02 * due.max(0.1),
                "{method:?}: weight {weight} got {got}, not {due}"
            );
        }
    }
}

#[test]
fn round_robin_is_exact_and_smooth() {
    let picked = picks(&new(Method::RoundRobin, &[5, 1, 1]), 7_000);
    assert_eq!(counts(&picked), HashMap::from([(0, 5_000), (1, 1_000), (2, 1_000)]));
    assert!(longest_run(&picked, 0) <= 3, "{:?}", &picked[..21]);
    let equal = picks(&new(Method::RoundRobin, &[1, 1, 1]), 9);
    assert_eq!(equal, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_reload_does_not_start_the_rotation_again() {
    let old = new(Method::RoundRobin, &[1, 1, 1, 1]);
    assert_eq!(picks(&old, 6), [0, 1, 2, 3, 0, 1]);
    let new = after(Method::RoundRobin, &[1, 1, 1, 1], Some(&old));
    assert_eq!(picks(&new, 4), [2, 3, 0, 1]);
}

#[test]
fn a_node_that_comes_back_is_not_flooded() {
    let placement = new(Method::RoundRobin, &[1, 1, 1]);
    for gone in [Candidate { tier: Tier::Down, ..candidate(1) }, Candidate { full: true, ..candidate(1) }] {
        placement.update(1, &gone);
        assert!(!picks(&placement, 3_000).contains(&1));
        placement.update(1, &candidate(1));
        let picked = picks(&placement, 9);
        assert!((3..=4).contains(&counts(&picked)[&1]) && longest_run(&picked, 1) == 1, "{picked:?}");
    }
}

#[test]
fn slow_start_does_not_hold_a_node_back_for_longer() {
    let placement = new(Method::RoundRobin, &[100, 100]);
    placement.update(1, &Candidate { weight: 1, ..candidate(1) });
    picks(&placement, 1_000);
    placement.update(1, &candidate(100));
    assert!(counts(&picks(&placement, 100))[&1] >= 49);
    let random = new(Method::Random, &[100, 100]);
    random.update(1, &candidate(10));
    let share = counts(&picks(&random, 50_000))[&1] as f64 / 50_000.0;
    assert!((share - 1.0 / 11.0).abs() < 0.01, "{share}");
}

#[test]
fn sessions_are_measured_by_capacity_when_all_have_one() {
    let placement = new(Method::LeastSessions, &[100, 100]);
    let small = Candidate { sessions: 5, capacity: Some(10), ..candidate(100) };
    let large = Candidate { sessions: 20, capacity: Some(100), ..candidate(100) };
    placement.update(0, &small);
    placement.update(1, &Candidate { capacity: None, ..large });
    assert_eq!(placement.order(), [0, 1]);
    placement.update(1, &large);
    assert_eq!(placement.order(), [1, 0]);
    placement.update(0, &Candidate { capacity: None, ..small });
    assert_eq!(placement.order(), [0, 1]);
    // One that is out of play has no say in it.
    placement.update(0, &Candidate { tier: Tier::Never, capacity: None, ..small });
    placement.update(0, &Candidate { sessions: 9, ..small });
    assert_eq!(placement.order(), [1, 0]);
    placement.update(0, &Candidate { sessions: 10, ..small });
    assert_eq!(placement.order(), [1]);
}

#[test]
fn equals_take_turns() {
    for method in [Method::LeastSessions, Method::LeastRequests] {
        assert_eq!(picks(&new(method, &[1, 1, 1]), 7), [0, 1, 2, 0, 1, 2, 0]);
    }
    let busy = new(Method::LeastSessions, &[1, 1]);
    busy.update(0, &Candidate { in_flight: 1, ..candidate(1) });
    assert_eq!(picks(&busy, 3), [1, 1, 1]);
}

#[test]
fn turns_go_on_when_their_counter_is_used_up() {
    let placement = new(Method::LeastSessions, &[1, 1, 1]);
    placement.clock.store((1 << 20) - 10, SeqCst);
    let picked = picks(&placement, 3_000);
    assert!(counts(&picked).values().all(|&count| (998..=1002).contains(&count)), "{:?}", counts(&picked));
}

#[test]
fn the_first_is_the_first_of_the_file_with_room() {
    let names = names(3);
    let seat = |slot: u32, position| Seat { slot, weight: 100, name: &names[position as usize], position };
    let placement = Placement::new(Method::First, false, &[seat(5, 1), seat(0, 2), seat(3, 0)], None);
    [0, 3, 5].iter().for_each(|&slot| placement.update(slot, &candidate(100)));
    assert_eq!(placement.order(), [3, 5, 0]);
    placement.update(3, &Candidate { full: true, ..candidate(100) });
    assert_eq!(picks(&placement, 2), [5, 5]);
    // A hole is nobody, whatever is said about it.
    placement.update(1, &candidate(100));
    placement.update(99, &candidate(100));
    assert_eq!(placement.order(), [5, 0]);
}

#[test]
fn backups_and_the_dead_come_only_when_needed() {
    for method in ALL {
        let placement = new(method, &[100; 4]);
        let put = |slot, tier| placement.update(slot, &Candidate { tier, ..candidate(100) });
        put(1, Tier::Backup);
        put(2, Tier::Down);
        put(3, Tier::Never);
        let mut rng = rng();
        let mut pick = |avoid: &[u32]| {
            let picked: Vec<_> = (0..50).map(|key| placement.pick(Some(key), avoid, &mut rng)).collect();
            assert!(picked.iter().all(|one| *one == picked[0]), "{method:?}");
            picked[0]
        };
        assert_eq!(pick(&[]), Some((0, Tier::Normal)));
        assert_eq!(pick(&[0]), Some((1, Tier::Backup)));
        assert_eq!(pick(&[0, 1]), Some((2, Tier::Down)));
        assert_eq!(pick(&[2, 1, 0]), None);
        assert_eq!(placement.order(), [0]);
        put(0, Tier::Never);
        assert_eq!(placement.order(), [1]);
        put(1, Tier::Never);
        assert!(placement.order().is_empty());
    }
}

#[test]
fn few_keys_move_when_a_node_comes_or_goes() {
    const KEYS: u64 = 20_000;
    let owners = |placement: &Placement| -> Vec<u32> {
        let mut rng = rng();
        (0..KEYS).map(|key| placement.pick(Some(key), &[], &mut rng).unwrap().0).collect()
    };
    let moved = |a: &[u32], b: &[u32]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    let (ten, eleven) = (new(Method::Hash, &[100; 10]), new(Method::Hash, &[100; 11]));
    let before = owners(&ten);
    let after = owners(&eleven);
    assert!(before.iter().zip(&after).all(|(a, b)| a == b || *b == 10));
    assert!(moved(&before, &after) < KEYS as usize * 3 / 20, "{}", moved(&before, &after));
    eleven.update(10, &Candidate { tier: Tier::Down, ..candidate(100) });
    assert_eq!(before, owners(&eleven));
    assert!(counts(&before).values().all(|&count| count > 1_000), "{:?}", counts(&before));
}

#[test]
fn ten_thousand_nodes_each_have_their_share() {
    for method in [Method::LeastSessions, Method::LeastRequests, Method::RoundRobin] {
        let picked = picks(&new(method, &[100; 10_000]), 20_000);
        assert!(
            counts(&picked).len() == 10_000 && counts(&picked).values().all(|&count| count == 2),
            "{method:?}"
        );
    }
    for method in [Method::Random, Method::Hash] {
        let placement = new(method, &[100; 10_000]);
        for slot in 0..9_999 {
            placement.update(slot, &Candidate { tier: Tier::Down, ..candidate(100) });
        }
        assert!((0..5).all(|key| placement.pick(Some(key), &[], &mut rng()) == Some((9_999, Tier::Normal))));
    }
}

#[test]
fn threads_that_meet_leave_the_latest_picture() {
    for method in ALL {
        let placement = new(method, &[100; 9]);
        let in_flight: [AtomicU32; 9] = Default::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (placement, in_flight) = (&placement, &in_flight);
                scope.spawn(move || {
                    let mut rng = SmallRng::seed_from_u64(thread);
                    for key in 0..5_000 {
                        let avoid = [rng.random_range(0..9)];
                        let (slot, _) = placement.pick(Some(key), &avoid, &mut rng).unwrap();
                        assert_ne!(slot, avoid[0]);
                        let counter = &in_flight[slot as usize];
                        let read = || Candidate { in_flight: counter.load(SeqCst), ..candidate(100) };
                        counter.fetch_add(1, SeqCst);
                        placement.refresh(slot, read);
                        if rng.random() {
                            counter.fetch_sub(1, SeqCst);
                            placement.refresh(slot, read);
                        }
                    }
                });
            }
        });
        for (slot, counter) in in_flight.iter().enumerate() {
            let cell = &placement.cells[slot];
            assert_eq!(cell.read().in_flight, counter.load(SeqCst), "{method:?}");
            assert_eq!(placement.tree.get(slot as u32), placement.score(cell), "{method:?}");
        }
        assert_eq!(placement.tree.best(), placement.tree.ranking().first().copied(), "{method:?}");
    }
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let tier = prop_oneof![Just(Tier::Normal), Just(Tier::Backup), Just(Tier::Down), Just(Tier::Never)];
    (tier, 0u32..20, 0u32..20, 0u32..3, prop::option::of(0u32..20), prop::bool::weighted(0.2)).prop_map(
        |(tier, sessions, in_flight, weight, capacity, full)| {
            let young = sessions % 3 == 0;
            Candidate {
                tier,
                sessions,
                in_flight,
                weight: weight << 16,
                load: in_flight,
                capacity,
                full,
                ramp: if sessions % 4 == 1 { WHOLE / 3 } else { WHOLE },
                young,
            }
        },
    )
}

proptest! {
    #[test]
    fn nobody_is_chosen_who_must_not_be_and_somebody_whenever_possible(
        nodes in prop::collection::vec(any_candidate(), 1..12),
        avoid in prop::collection::vec(0u32..12, 0..4),
        key in prop::option::of(any::<u64>()),
    ) {
        for method in ALL {
            let placement = new(method, &vec![100; nodes.len()]);
            for (slot, node) in nodes.iter().enumerate() {
                placement.update(slot as u32, node);
            }
            let tier = |slot: usize| if avoid.contains(&(slot as u32)) { Tier::Never } else { score::effective_tier(&nodes[slot]) };
            let best = (0..nodes.len()).map(tier).min().unwrap_or(Tier::Never);
            for seed in 0..5 {
                match placement.pick(key, &avoid, &mut SmallRng::seed_from_u64(seed)) {
                    Some((slot, given)) => {
                        prop_assert_eq!(given, best);
                        prop_assert_eq!(tier(slot as usize), best);
                    }
                    None => prop_assert_eq!(best, Tier::Never),
                }
            }
        }
    }
}

#[test]
fn a_node_that_comes_or_goes_is_drawn_or_not_from_the_next_pick_on() {
    let seat = |part: u32| Candidate { load: part << 8, weight: 100 * SEAT, ..candidate(0) };
    let placement = new(Room, &[100, 100]);
    placement.update(0, &seat(20));
    placement.update(1, &Candidate { tier: Tier::Down, ..seat(80) });
    placement.redraw();
    assert_eq!(counts(&picks(&placement, 400)).get(&1), None);
    placement.update(1, &seat(80));
    let fuller = counts(&picks(&placement, 400))[&1];
    assert!((60..140).contains(&fuller), "of two draws both fall on it once in four: {fuller} of 400");
}

#[test]
fn threads_that_change_one_node_leave_no_old_picture() {
    let (placement, count) = (new(LeastRequests, &[1]), AtomicU32::new(0));
    let change = || {
        for _ in 0..3 {
            count.fetch_add(1, Relaxed);
            placement.refresh(0, || {
                let seen = Candidate { in_flight: count.load(Relaxed), ..candidate(1) };
                // others get in between what is read and what is written
                std::thread::yield_now();
                seen
            });
        }
    };
    for round in 0..300 {
        std::thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(change))));
        assert_eq!(placement.cells[0].read().in_flight, count.load(Relaxed), "round {round}");
    }
}
