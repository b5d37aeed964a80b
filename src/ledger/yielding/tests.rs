//! Who is asked for a place, and what becomes of it.

use super::*;
use crate::ledger::KnownSession;
use crate::ledger::tests::new;
use crate::ledger::yield_queue::FEW;

fn find(ledger: &Ledger, now: u32, tally: &impl SessionCounter) {
    ledger.find_yielding(now, 0, 1, |slot| slot < 2, tally);
}

#[test]
fn the_oldest_whose_client_never_came_back_gives_up_its_place() {
    let (ledger, tally) = new(100);
    for (session, at) in [(1, 3), (2, 1), (3, 2), (4, 9)] {
        ledger.open(session, 0, at, &tally);
    }
    ledger.open(9, 2, 1, &tally);
    ledger.touch(3, 0, 4, &tally);
    find(&ledger, 11, &tally);
    assert!(!ledger.take_place(0, 11, &tally), "nobody within ten seconds of its first answer");
    find(&ledger, 14, &tally);
    let mut gone = Vec::new();
    while ledger.take_place(0, 14, &tally) {
        gone.extend([1, 2, 3, 4].into_iter().find(|id| ledger.find(*id).is_none() && !gone.contains(id)));
    }
    assert_eq!((gone, ledger.given_up()), (vec![2, 1], 2), "3 came back, 4 is too young");
    assert!(!ledger.take_place(2, 14, &tally), "where places are not scarce nobody is asked");
    tally.assert_equal(&ledger);
}

#[test]
fn who_is_in_use_or_came_back_meanwhile_keeps_its_place() {
    let (ledger, tally) = new(100);
    ledger.open(1, 0, 1, &tally);
    ledger.open(2, 0, 1, &tally);
    find(&ledger, 20, &tally);
    ledger.carried(1, 21);
    ledger.touch(2, 0, 21, &tally);
    assert!(!ledger.take_place(0, 21, &tally));
    find(&ledger, 40, &tally);
    assert!(!ledger.take_place(0, 40, &tally), "its first answer is still under way");
    ledger.carried_to_its_end(1, 41);
    find(&ledger, 52, &tally);
    assert!(ledger.take_place(0, 52, &tally) && ledger.find(1).is_none());
    tally.assert_equal(&ledger);
}

#[test]
fn what_the_ledger_alone_knows_stays_known_and_counts_again_when_it_comes_back() {
    let (ledger, tally) = new(100);
    ledger.keep(1, 0, 1, &tally);
    find(&ledger, 20, &tally);
    assert!(ledger.take_place(0, 20, &tally));
    let known = |session| ledger.find(session).map(|seen| (seen.slot, seen.standing));
    assert_eq!((known(1), ledger.per_slot().get(&0)), (Some((0, Standing::Placeless)), None));
    find(&ledger, 40, &tally);
    assert!(!ledger.take_place(0, 40, &tally), "it has no other place to give");
    assert_eq!(ledger.sweep(61, 60, 30, 0, 1, &tally), 0);
    ledger.touch(1, 0, 61, &tally);
    assert_eq!((known(1), ledger.per_slot().get(&0)), (Some((0, Standing::Confirmed)), Some(&1)));
    // one that falls idle without a place is not counted off once more
    ledger.keep(2, 1, 1, &tally);
    find(&ledger, 20, &tally);
    assert!(ledger.take_place(1, 20, &tally));
    ledger.sweep(62, 60, 30, 0, 1, &tally);
    assert_eq!((known(2), ledger.len()), (None, 1));
    tally.assert_equal(&ledger);
}

#[test]
fn one_that_comes_without_a_place_is_not_counted() {
    let (ledger, tally) = new(100);
    let known = |slot| KnownSession { slot, first: 1, last: 2, standing: Standing::Placeless };
    ledger.put(1, known(0), &tally);
    tally.assert_equal(&ledger);
    ledger.put(1, known(1), &tally);
    tally.assert_equal(&ledger);
    ledger.touch(1, 1, 3, &tally);
    tally.assert_equal(&ledger);
    ledger.end(1, &tally);
    tally.assert_equal(&ledger);
}

#[test]
fn one_that_has_a_place_keeps_it_whatever_is_heard_of_another() {
    let (ledger, tally) = new(100);
    ledger.open(1, 0, 1, &tally);
    ledger.keep(2, 0, 1, &tally);
    ledger.touch(3, 0, 1, &tally);
    for session in [1, 2, 3] {
        let heard = KnownSession { slot: 1, first: 1, last: 2, standing: Standing::Placeless };
        ledger.put(session, heard, &tally);
        tally.assert_equal(&ledger);
    }
    assert_eq!(ledger.per_slot().get(&1), Some(&3));
    let standing = |session| ledger.find(session).map(|seen| seen.standing);
    assert_eq!([1, 2, 3].map(standing), [Standing::Kept, Standing::Kept, Standing::Confirmed].map(Some));
}

#[test]
fn rows_that_do_not_hold_any_more_are_forgotten() {
    let (ledger, tally) = new(100_000);
    for round in 0..20 {
        let now = round * 20;
        (0..1000).for_each(|n| _ = ledger.open(u64::from(round) * 1000 + n, 0, now, &tally));
        find(&ledger, now + 11, &tally);
        (0..1000).for_each(|n| ledger.touch(u64::from(round) * 1000 + n, 0, now + 12, &tally));
        let rows = ledger.yielding.rows(0);
        assert!(rows <= FEW + 2 * 1000, "{rows} rows, and nobody yields");
    }
    tally.assert_equal(&ledger);
}
