//! Whoever follows a ledger ends with what is in it, however slow, and whoever else does.

use super::*;
use crate::ledger::tests::{Counts, SLOTS, act, new};
use crate::ledger::{Ledger, Standing};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Wake;
use std::thread;

/// More than any of these tests changes.
const ENOUGH: usize = 1 << 20;

/// What a ledger says of a session, but for when it was last seen, which is told of nobody.
type Row = (u32, u32, bool);

fn row(known: KnownSession) -> Row {
    (known.slot, known.first, known.standing == Standing::Confirmed)
}

/// A copy that is kept of a ledger.
struct Copy {
    follower: Follower,
    rows: BTreeMap<u64, Row>,
    /// How often it had to look at everything.
    looks: usize,
}

impl Copy {
    fn of(ledger: &Ledger, most: usize) -> Self {
        Self { follower: ledger.follow(most), rows: BTreeMap::new(), looks: 0 }
    }

    fn ask(&mut self) {
        let mut found = Vec::new();
        if self.follower.changes(&mut found) == FollowResult::NotAll {
            self.looks += 1;
            self.rows.clear();
            (0..).take_while(|part| self.follower.part(*part, &mut found)).for_each(drop);
        }
        for (session, known) in found {
            match known {
                Some(known) => drop(self.rows.insert(session, row(known))),
                None => drop(self.rows.remove(&session)),
            }
        }
    }
}

/// All there is.
fn content(ledger: &Ledger) -> BTreeMap<u64, Row> {
    let mut found = Vec::new();
    (0..).take_while(|part| ledger.part(*part, &mut found)).for_each(drop);
    found.into_iter().filter_map(|(session, known)| Some((session, row(known?)))).collect()
}

/// Nobody is left of whom the ledger would know.
fn assert_unfollowed(ledger: &Ledger) {
    assert!(ledger.shards.all().iter().all(|shard| shard.read().notes.capacity() == 0));
}

#[test]
fn changes_are_told_once_and_only_to_who_follows() {
    let (ledger, tally) = new(1000);
    ledger.touch(1, 0, 1, &tally);
    assert_unfollowed(&ledger);
    let mut follower = ledger.follow(ENOUGH);
    let mut changes = |noted| {
        let mut found = Vec::new();
        assert_eq!(follower.changes(&mut found), noted);
        found.sort_unstable_by_key(|(id, _)| *id);
        found
            .into_iter()
            .map(|(id, known)| (id, known.map(|known| (known.slot, known.standing == Standing::Confirmed))))
            .collect::<Vec<_>>()
    };
    assert_eq!(changes(FollowResult::NotAll), [], "what was before is to be looked at");
    ledger.open(2, 0, 1, &tally);
    ledger.open(3, 0, 1, &tally);
    ledger.end(3, &tally);
    assert_eq!(changes(FollowResult::All), [(2, Some((0, false))), (3, None)]);
    ledger.touch(2, 0, 2, &tally);
    assert_eq!(changes(FollowResult::All), [(2, Some((0, true)))], "it was confirmed");
    ledger.touch(2, 0, 3, &tally);
    ledger.touch(1, 0, 3, &tally);
    assert_eq!(changes(FollowResult::All), [], "it was only seen again");
    ledger.touch(1, 1, 4, &tally);
    ledger.rename(2, 5, 4, &tally);
    assert_eq!(changes(FollowResult::All), [(1, Some((1, true))), (2, None), (5, Some((0, true)))]);
    ledger.sweep(5000, 4998, 1, 0, 1, &tally);
    ledger.end(5, &tally);
    assert_eq!(changes(FollowResult::All), [(5, None)]);
    ledger.set_limit(1);
    ledger.touch(6, 0, 5000, &tally);
    ledger.sweep(5000, 4999, 1, 0, 1, &tally);
    assert_eq!(changes(FollowResult::All), [(1, None), (6, Some((0, true)))]);
    drop(follower);
    assert_unfollowed(&ledger);
}

#[test]
fn more_than_can_be_noted_is_known_by_a_look_at_all() {
    let (ledger, tally) = new(1000);
    // one for each shard, and one that has room for all
    let (mut small, mut large) = (Copy::of(&ledger, 16), Copy::of(&ledger, ENOUGH));
    small.ask();
    large.ask();
    for session in 0..100 {
        ledger.open(session, 1, 1, &tally);
    }
    small.ask();
    large.ask();
    assert_eq!((small.looks, large.looks), (2, 1), "the first look is everybody's");
    assert_eq!((&small.rows, &large.rows), (&content(&ledger), &content(&ledger)));
    ledger.end(7, &tally);
    small.ask();
    large.ask();
    assert_eq!((small.looks, large.looks), (2, 1), "from there on it is told");
    assert_eq!((&small.rows, &large.rows), (&content(&ledger), &content(&ledger)));
}

#[test]
fn one_call_wakes_until_it_has_looked() {
    struct Calls(AtomicUsize);
    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let (ledger, tally) = new(100);
    let calls = [0, 1].map(|_| Arc::new(Calls(AtomicUsize::new(0))));
    let counts = || calls.each_ref().map(|calls| calls.0.load(SeqCst));
    let mut followers = calls.each_ref().map(|calls| {
        let mut follower = ledger.follow(ENOUGH);
        follower.wakes(Some(calls.clone().into()));
        follower
    });
    assert_eq!(counts(), [1, 1], "there is something to look at");
    ledger.open(1, 0, 1, &tally);
    assert_eq!(counts(), [1, 1]);
    assert_eq!(followers[0].changes(&mut Vec::new()), FollowResult::NotAll);
    assert_eq!(counts(), [1, 1]);
    ledger.open(2, 0, 1, &tally);
    ledger.open(3, 0, 1, &tally);
    assert_eq!(counts(), [2, 1], "the other one has not looked");
    assert_eq!(followers[0].changes(&mut Vec::new()), FollowResult::All);
    followers[0].wakes(None);
    ledger.open(4, 0, 1, &tally);
    drop(followers);
    ledger.open(5, 0, 1, &tally);
    assert_eq!(counts(), [2, 1]);
}

/// Four threads change sessions, round by round. One follower asks all the time, one once a round, one as
/// seldom and has little room; some come and go.
#[test]
fn each_follower_ends_with_what_is_there_however_slow() {
    const ROUNDS: u32 = 12;
    const ACTS: u32 = 400;
    for seed in 0..6 {
        let (ledger, tally) = new(150);
        let (mut quick, mut slow, mut small) =
            (Copy::of(&ledger, ENOUGH), Copy::of(&ledger, ENOUGH), Copy::of(&ledger, 64));
        let (round, at_work) = (Barrier::new(6), AtomicUsize::new(4));
        thread::scope(|scope| {
            for thread in 0..4 {
                let (ledger, tally, round, at_work) = (&ledger, &tally, &round, &at_work);
                scope.spawn(move || {
                    for n in 0..ROUNDS {
                        round.wait();
                        change(
                            ledger,
                            tally,
                            seed * 100 + u64::from(n * 4 + thread),
                            n * ACTS..(n + 1) * ACTS,
                        );
                    }
                    at_work.fetch_sub(1, SeqCst);
                });
            }
            scope.spawn(|| {
                while at_work.load(SeqCst) > 0 {
                    quick.ask();
                    thread::yield_now();
                }
            });
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    round.wait();
                    slow.ask();
                    small.ask();
                }
            });
            scope.spawn(|| {
                for n in 0..ROUNDS {
                    let mut passing = Copy::of(&ledger, 64 << n);
                    round.wait();
                    passing.ask();
                }
            });
        });
        let there = content(&ledger);
        for (copy, name) in [(&mut quick, "quick"), (&mut slow, "slow"), (&mut small, "small")] {
            copy.ask();
            assert!(copy.rows == there, "seed {seed}: the {name} one has {:?}, not {there:?}", copy.rows);
        }
        assert_eq!((quick.looks, slow.looks), (1, 1));
        assert!(small.looks > 2, "{}", small.looks);
        tally.assert_equal(&ledger);
        drop((quick, slow, small));
        assert_unfollowed(&ledger);
    }
}

fn change(ledger: &Ledger, tally: &Counts, seed: u64, times: std::ops::Range<u32>) {
    let mut rng = SmallRng::seed_from_u64(seed);
    for now in times {
        let kind = rng.random_range(0..10);
        act(ledger, tally, kind, rng.random_range(0..300), rng.random_range(0..SLOTS as u32), now);
    }
}
