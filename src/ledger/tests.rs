//! The ledger against a simple model of it, and against itself from several threads.

use super::*;
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

pub const SLOTS: usize = 4;

#[derive(Default)]
pub struct Counts([AtomicI64; SLOTS], [AtomicI64; SLOTS]);

impl SessionCounter for Counts {
    fn change(&self, slot: u32, by: i32) {
        let before = self.0[slot as usize].fetch_add(i64::from(by), SeqCst);
        assert!(before + i64::from(by) >= 0, "the count of {slot} went below zero");
    }

    fn yields(&self, slot: u32, by: i32) {
        let before = self.1[slot as usize].fetch_add(i64::from(by), SeqCst);
        assert!(before + i64::from(by) >= 0, "those of {slot} that yield went below zero");
    }
}

impl Counts {
    pub fn assert_equal(&self, ledger: &Ledger) {
        let (mut counted, mut yield_too, mut placeless) = ([0; SLOTS], [0; SLOTS], 0);
        for shard in ledger.shards.all() {
            for entry in shard.read().entries.iter() {
                counted[entry.slot as usize] += i64::from(entry.counts());
                yield_too[entry.slot as usize] += i64::from(entry.yields);
                placeless += i64::from(!entry.counts());
            }
        }
        let told = |counts: &[AtomicI64; SLOTS]| std::array::from_fn(|slot| counts[slot].load(SeqCst));
        assert_eq!((told(&self.0), told(&self.1)), (counted, yield_too));
        assert_eq!(ledger.len() as i64, counted.iter().sum::<i64>() + placeless);
        assert!(ledger.len() <= ledger.limit());
    }
}

pub fn new(limit: usize) -> (Ledger, Counts) {
    (Ledger::with_seed(limit, 7), Counts::default())
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<Entry>() <= 24);
}

#[test]
fn a_session_is_confirmed_when_its_client_comes_back() {
    let (ledger, tally) = new(100);
    assert_eq!(ledger.open(1, 2, 10, &tally), 2);
    assert_eq!(
        ledger.find(1),
        Some(KnownSession { slot: 2, first: 10, last: 10, standing: Standing::Placed })
    );
    ledger.touch(1, 2, 15, &tally);
    assert_eq!(
        ledger.find(1),
        Some(KnownSession { slot: 2, first: 10, last: 15, standing: Standing::Confirmed })
    );
    assert_eq!(ledger.find(2), None);
    tally.assert_equal(&ledger);
}

#[test]
fn the_first_to_place_a_session_wins() {
    let (ledger, tally) = new(100);
    assert_eq!(ledger.open(1, 2, 10, &tally), 2);
    assert_eq!(ledger.open(1, 3, 11, &tally), 2);
    tally.assert_equal(&ledger);
}

#[test]
fn the_count_moves_with_the_session() {
    let (ledger, tally) = new(100);
    ledger.touch(1, 0, 1, &tally);
    ledger.touch(1, 1, 2, &tally);
    assert_eq!(ledger.per_slot(), HashMap::from([(1, 1)]));
    ledger.relocate(1, 3, 3, &tally);
    ledger.relocate(9, 3, 3, &tally);
    assert_eq!(ledger.per_slot(), HashMap::from([(3, 2)]));
    assert_eq!(ledger.find(1).unwrap().first, 3);
    tally.assert_equal(&ledger);
}

#[test]
fn a_new_id_at_login_is_the_same_session() {
    let (ledger, tally) = new(100);
    ledger.open(1, 2, 10, &tally);
    ledger.rename(1, 5, 20, &tally);
    assert_eq!((ledger.look(1, Entry::known), ledger.len()), (None, 1));
    assert_eq!(
        ledger.find(5),
        Some(KnownSession { slot: 2, first: 10, last: 20, standing: Standing::Placed })
    );
    // KnownSession under the new id before the change was noticed: what was seen stands.
    ledger.touch(6, 3, 21, &tally);
    ledger.rename(5, 6, 22, &tally);
    assert_eq!(
        ledger.find(6),
        Some(KnownSession { slot: 3, first: 21, last: 22, standing: Standing::Confirmed })
    );
    ledger.rename(6, 6, 23, &tally);
    ledger.rename(404, 7, 23, &tally);
    assert_eq!(ledger.len(), 1);
    tally.assert_equal(&ledger);
}

#[test]
fn a_logout_ends_a_session_once() {
    let (ledger, tally) = new(100);
    ledger.touch(1, 0, 1, &tally);
    assert!(ledger.end(1, &tally));
    assert!(!ledger.end(1, &tally));
    tally.assert_equal(&ledger);
}

#[test]
fn the_sweep_takes_the_idle_and_the_unconfirmed_sooner() {
    let (ledger, tally) = new(1000);
    for session in 0..300 {
        ledger.touch(session, 0, if session < 100 { 0 } else { 90 }, &tally);
    }
    for session in 300..400 {
        ledger.open(session, 1, 50, &tally);
    }
    assert_eq!(ledger.sweep(100, u32::MAX, u32::MAX, 0, 1, &tally), 0);
    let swept: usize = (0..7).map(|part| ledger.sweep(100, 60, 30, part, 7, &tally)).sum();
    assert_eq!((swept, ledger.len()), (200, 200));
    assert!(ledger.find(0).is_none() && ledger.find(100).is_some() && ledger.find(300).is_none());
    tally.assert_equal(&ledger);
}

#[test]
fn a_session_that_moves_begins_where_it_goes() {
    let (ledger, tally) = new(10);
    let first = |session| ledger.find(session).map(|seen| seen.first);
    ledger.touch(1, 0, 5, &tally);
    ledger.touch(1, 0, 6, &tally);
    assert_eq!(first(1), Some(5));
    ledger.relocate(1, 1, 20, &tally);
    ledger.touch(1, 1, 30, &tally);
    assert_eq!(first(1), Some(20), "what its new node lost before that is no loss of it");
    ledger.rename(1, 2, 40, &tally);
    assert_eq!(first(2), Some(20));
    ledger.touch(3, 0, 7, &tally);
    ledger.rename(3, 2, 50, &tally);
    assert_eq!(
        (first(2), ledger.find(2).map(|seen| seen.slot)),
        (Some(20), Some(1)),
        "one that was on another node says nothing of it"
    );
    tally.assert_equal(&ledger);
}

#[test]
fn a_small_ledger_forgets_exactly_the_longest_idle() {
    let (ledger, tally) = new(10);
    for session in 0..30 {
        ledger.touch(session, 0, session as u32, &tally);
    }
    assert_eq!((ledger.len(), ledger.evicted()), (10, 20));
    assert!((20..30).all(|session| ledger.find(session).is_some()));
    tally.assert_equal(&ledger);
}

#[test]
fn strangers_do_not_push_out_those_who_come_back() {
    let (ledger, tally) = new(10_000);
    for session in 0..5_000 {
        ledger.touch(session, 0, 1, &tally);
    }
    for session in 5_000..100_000 {
        ledger.open(session, 1, 500, &tally);
    }
    let kept = (0..5_000).filter(|&session| ledger.find(session).is_some()).count();
    assert_eq!((ledger.len(), kept), (10_000, 5_000));
    tally.assert_equal(&ledger);
}

#[test]
fn those_who_are_there_outlast_those_who_left() {
    let (ledger, tally) = new(10_000);
    for session in 0..10_000 {
        ledger.touch(session, 0, if session < 5_000 { 100 } else { 1 }, &tally);
    }
    for session in 10_000..12_500 {
        ledger.touch(session, 1, 100, &tally);
    }
    let kept =
        |sessions: std::ops::Range<u64>| sessions.filter(|&session| ledger.find(session).is_some()).count();
    assert_eq!((kept(0..5_000), kept(5_000..10_000), kept(10_000..12_500)), (5_000, 2_500, 2_500));
    tally.assert_equal(&ledger);
}

#[test]
fn the_one_that_goes_is_missed_least_whatever_happened_before() {
    let mut rng = SmallRng::seed_from_u64(11);
    let (ledger, tally) = new(300);
    let missed = |id: &u64| {
        ledger.look(*id, Entry::known).map(|seen| (seen.standing == Standing::Confirmed, seen.last))
    };
    let mut there: Vec<u64> = Vec::new();
    for session in 0..3_000 {
        let now = session as u32 / 4;
        let known = there.get(rng.random_range(0..there.len().max(1))).copied();
        match (rng.random_range(0..8), known) {
            (0 | 1, Some(id)) => ledger.touch(id, 0, now, &tally),
            (2, Some(id)) => _ = ledger.end(id, &tally),
            (3, Some(id)) => {
                ledger.rename(id, session + 100_000, now, &tally);
                there.push(session + 100_000);
            }
            _ => {}
        }
        there.retain(|id| ledger.look(*id, Entry::known).is_some());
        let (least, evicted) = (there.iter().filter_map(missed).min(), ledger.evicted());
        let before: Vec<_> = there.iter().map(|id| (*id, missed(id))).collect();
        ledger.open(session, 0, now, &tally);
        let gone: Vec<_> = before
            .iter()
            .filter(|(id, _)| ledger.look(*id, Entry::known).is_none())
            .map(|(_, missed)| *missed)
            .collect();
        assert_eq!(gone, if ledger.evicted() > evicted { vec![least] } else { vec![] }, "at {session}");
        there.push(session);
    }
    assert!(ledger.evicted() > 1_000);
    tally.assert_equal(&ledger);
}

#[test]
fn a_lower_limit_is_reached_by_new_sessions_and_by_the_sweep() {
    let (ledger, tally) = new(1000);
    for session in 0..1000 {
        ledger.touch(session, 0, 1, &tally);
    }
    ledger.set_limit(500);
    ledger.open(5000, 1, 2, &tally);
    assert!(ledger.len() < 1000);
    ledger.sweep(2, 3600, 3600, 0, 8, &tally);
    assert_eq!(ledger.len(), 500);
    tally.assert_equal(&ledger);
    ledger.set_limit(0);
    assert_eq!(ledger.limit(), 1);
}

#[test]
fn a_ledger_of_one_serves_many_threads() {
    let (ledger, tally) = new(1);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (ledger, tally) = (&ledger, &tally);
            scope.spawn(move || {
                (0..2000).for_each(|i| assert_eq!(ledger.open(i * 4 + thread, 0, 1, tally), 0))
            });
        }
    });
    tally.assert_equal(&ledger);
}

#[test]
fn an_old_id_leads_to_the_new_one_for_a_minute_unless_it_is_its_own_again() {
    let (ledger, tally) = new(100);
    ledger.touch(1, 2, 10, &tally);
    ledger.rename(1, 5, 20, &tally);
    ledger.rename(5, 6, 20, &tally);
    for old in [1, 5, 6] {
        assert_eq!((ledger.current(old), ledger.find(old).map(|seen| seen.slot)), (6, Some(2)));
    }
    ledger.touch(5, 3, 21, &tally);
    assert_eq!((ledger.current(5), ledger.find(5).map(|seen| seen.slot)), (5, Some(3)));
    ledger.sweep(80, u32::MAX, u32::MAX, 0, 1, &tally);
    assert_eq!(ledger.current(1), 6);
    ledger.sweep(81, u32::MAX, u32::MAX, 0, 1, &tally);
    assert_eq!((ledger.current(1), ledger.find(1)), (1, None));
    // there and back
    ledger.rename(6, 7, 90, &tally);
    ledger.rename(7, 6, 90, &tally);
    assert_eq!((ledger.current(6), ledger.current(7)), (6, 6));
    tally.assert_equal(&ledger);
}

#[test]
fn what_is_in_flight_is_neither_swept_nor_evicted_before_others() {
    let (ledger, tally) = new(10);
    // it never came back with its pin, and nothing else is as old
    ledger.open(0, 0, 1, &tally);
    for now in [20, 40, 60] {
        assert_eq!(ledger.carried(0, now), 0);
        assert_eq!(ledger.sweep(now + 15, 5, 5, 0, 1, &tally), 0);
    }
    for session in 1..10 {
        ledger.touch(session, 1, 62, &tally);
    }
    (10..200).for_each(|session| ledger.touch(session, 1, 62, &tally));
    assert!(ledger.find(0).is_some(), "others went");
    // a login gives it another id, and who carries it learns that
    ledger.rename(0, 500, 63, &tally);
    assert_eq!(ledger.carried(0, 64), 500);
    (200..400).for_each(|session| ledger.touch(session, 1, 64, &tally));
    assert!(ledger.find(500).is_some());
    // its end is the time it was last seen
    ledger.carried_to_its_end(500, 70);
    assert_eq!(ledger.find(500).map(|seen| seen.last), Some(70));
    ledger.sweep(76, 5, 5, 0, 1, &tally);
    assert!(ledger.is_empty());
    // what is over is not begun again, and whoever died is not waited for
    ledger.carried(500, 77);
    ledger.touch(1, 1, 77, &tally);
    ledger.carried(1, 78);
    assert_eq!((ledger.sweep(138, 5, 5, 0, 1, &tally), ledger.sweep(139, 5, 5, 0, 1, &tally)), (0, 1));
    tally.assert_equal(&ledger);
}

/// One operation on a few sessions, so that threads and ids meet often.
pub fn act(ledger: &Ledger, tally: &Counts, kind: u32, session: u64, slot: u32, now: u32) {
    match kind {
        0..=2 => ledger.touch(session, slot, now, tally),
        3..=5 => assert!(ledger.open(session, slot, now, tally) < SLOTS as u32),
        6 => drop(ledger.end(session, tally)),
        7 => ledger.rename(session, session / 2, now, tally),
        8 => ledger.relocate(session, slot, now, tally),
        9 => drop(ledger.sweep(now, 50, 20, slot as usize, SLOTS, tally)),
        10 => ledger.set_limit(20 + session as usize),
        12 => ledger.keep(session, slot, now, tally),
        13 => ledger.find_yielding(now, slot as usize, SLOTS, |slot| slot > 0, tally),
        14 => drop(ledger.take_place(slot, now, tally)),
        _ => drop(ledger.carried(session, now)),
    }
}

#[test]
fn threads_that_meet_leave_exact_counts() {
    for seed in 0..6 {
        let (ledger, tally) = new(60);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (ledger, tally) = (&ledger, &tally);
                scope.spawn(move || {
                    let mut rng = SmallRng::seed_from_u64(seed * 8 + thread);
                    for now in 0..4_000 {
                        let kind = match rng.random_range(0..500) {
                            n if n < 160 => 11 + n / 40,
                            _ => rng.random_range(0..10),
                        };
                        act(ledger, tally, kind, rng.random_range(0..200), rng.random_range(0..4), now);
                        assert!(ledger.len() <= 60);
                    }
                });
            }
        });
        tally.assert_equal(&ledger);
    }
}

proptest! {
    #[test]
    fn counts_are_exact_after_anything(
        acts in prop::collection::vec((0u32..15, 0u64..100, 0u32..4), 1..300),
    ) {
        let (ledger, tally) = new(40);
        for (now, &(kind, session, slot)) in acts.iter().enumerate() {
            act(&ledger, &tally, kind, session, slot, now as u32);
        }
        ledger.sweep(0, u32::MAX, u32::MAX, 0, 1, &tally);
        tally.assert_equal(&ledger);
    }

    /// With room for all, what is found is what a plain map would say.
    #[test]
    fn sessions_are_where_they_were_put(
        acts in prop::collection::vec((0u32..9, 0u64..30, 0u32..4), 1..200),
    ) {
        let (ledger, tally) = new(1000);
        let mut model = HashMap::new();
        for &(kind, session, slot) in &acts {
            act(&ledger, &tally, kind, session, slot, 1);
            match kind {
                0..=2 | 8 => drop(model.insert(session, slot)),
                3..=5 => drop(model.entry(session).or_insert(slot)),
                6 => drop(model.remove(&session)),
                _ if session > 0 => if let Some(slot) = model.remove(&session) {
                    model.entry(session / 2).or_insert(slot);
                },
                _ => {}
            }
        }
        for session in 0..30 {
            prop_assert_eq!(ledger.look(session, |entry| entry.slot), model.get(&session).copied());
        }
        tally.assert_equal(&ledger);
    }
}
