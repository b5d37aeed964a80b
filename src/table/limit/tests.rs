use super::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::task::Wake;
use std::thread;
use std::time::{Duration, Instant};

/// Wakes a thread, and remembers that it did.
struct Alarm(thread::Thread, AtomicBool);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.1.store(true, SeqCst);
        self.0.unpark();
    }
}

/// Waits until it is in, or for so long as it has patience. False if it went away.
fn enter(limit: &RequestLimit, patience: Option<Duration>) -> bool {
    let alarm = Arc::new(Alarm(thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(alarm.clone());
    let mut enter = limit.enter();
    let end = Instant::now() + patience.unwrap_or(Duration::from_secs(60));
    while Pin::new(&mut enter).poll(&mut Context::from_waker(&waker)).is_pending() {
        // a thread may be woken by what it does not wait for any more
        while !alarm.1.load(SeqCst) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                assert!(patience.is_some(), "nobody let it in: {} are in", limit.in_use());
                return false;
            }
            thread::park_timeout(left);
        }
    }
    true
}

fn poll(enter: &mut PlaceWait<'_>) -> bool {
    Pin::new(enter).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn limited(most: u32) -> RequestLimit {
    let limit = RequestLimit::default();
    limit.set(Some(most));
    limit
}

#[test]
fn without_a_limit_nobody_waits() {
    let limit = RequestLimit::default();
    assert!((0..100_000).all(|_| limit.try_enter()));
    assert_eq!((limit.in_use(), limit.is_set(), limit.is_full()), (100_000, false, false));
    (0..100_000).for_each(|_| limit.leave());
    assert_eq!(limit.in_use(), 0);
    limit.set(Some(u32::MAX));
    assert!(limit.try_enter(), "a limit beyond all that can be counted is none");
}

#[test]
fn first_come_first_served() {
    let limit = limited(1);
    assert!(limit.try_enter());
    let mut waiting: Vec<_> = (0..5).map(|_| limit.enter()).collect();
    assert!(waiting.iter_mut().all(|enter| !poll(enter)));
    for next in 0..5 {
        limit.leave();
        assert!(!limit.try_enter(), "who comes does not come before those who wait");
        let let_in: Vec<usize> = (next..5).filter(|n| poll(&mut waiting[*n])).collect();
        assert_eq!(let_in, [next]);
    }
    limit.leave();
    assert!(limit.in_use() == 0 && limit.try_enter());
}

#[test]
fn a_turn_that_is_not_taken_is_the_next_ones() {
    let limit = limited(1);
    assert!(limit.try_enter());
    let [mut gone, mut let_in, mut last] = std::array::from_fn(|_| limit.enter());
    assert!([&mut gone, &mut let_in, &mut last].into_iter().all(|enter| !poll(enter)));
    drop(gone);
    limit.leave();
    // it is in, but has not heard of it
    drop(let_in);
    assert!(poll(&mut last));
    assert_eq!(limit.in_use(), 1);
    limit.leave();
    assert!(limit.try_enter(), "nobody is waited for any more");
    let mut only = limit.enter();
    assert!(!poll(&mut only));
    drop(only);
    limit.leave();
    assert!(limit.try_enter(), "nor is one who was the only one");
}

#[test]
fn a_lowered_limit_lets_in_nobody_before_enough_have_left() {
    let limit = limited(8);
    assert!((0..8).all(|_| limit.try_enter()));
    let mut waiting: Vec<_> = (0..10).map(|_| limit.enter()).collect();
    waiting.iter_mut().for_each(|enter| assert!(!poll(enter)));
    let mut let_in = || {
        let before = waiting.len();
        waiting.retain_mut(|enter| !poll(enter));
        before - waiting.len()
    };
    limit.set(Some(2));
    for left in (2..8).rev() {
        limit.leave();
        assert_eq!((limit.in_use(), let_in()), (left, 0));
    }
    limit.leave();
    assert_eq!((limit.in_use(), let_in()), (2, 1), "one left, one came");
    limit.set(Some(5));
    assert_eq!((limit.in_use(), let_in()), (5, 3), "at once");
    limit.set(None);
    assert_eq!((limit.in_use(), let_in()), (11, 6), "all that were left");
    limit.set(Some(1));
    assert!(limit.is_set() && limit.is_full() && !limit.try_enter());
    (0..11).for_each(|_| limit.leave());
    assert!(limit.in_use() == 0 && limit.try_enter());
}

/// Many threads come and leave, some go away while they wait, and the limit changes all the time.
#[test]
fn with_many_threads_and_a_limit_that_changes_there_are_never_more_in_than_may_be() {
    const THREADS: u32 = 8;
    const ROUNDS: u32 = 1000;
    let limit = &limited(3);
    let [inside, served] = &[const { AtomicU32::new(0) }; 2];
    let over = &AtomicBool::new(false);
    let work = |seed: u32| {
        let mut rng = SmallRng::seed_from_u64(seed.into());
        for _ in 0..ROUNDS {
            let patience = rng.random_bool(0.3).then(|| Duration::from_micros(rng.random_range(1..200)));
            if !limit.try_enter() && !enter(limit, patience) {
                continue;
            }
            inside.fetch_add(1, SeqCst);
            served.fetch_add(1, SeqCst);
            if rng.random_bool(0.2) {
                thread::yield_now();
            }
            inside.fetch_sub(1, SeqCst);
            limit.leave();
        }
    };
    let change = || {
        let mut rng = SmallRng::seed_from_u64(99);
        while !over.load(SeqCst) {
            let next = rng.random_range(1..=THREADS);
            limit.set(Some(next));
            // those who were in when it was lowered may be; nobody comes to them
            let mut most = limit.in_use().max(next);
            for _ in 0..rng.random_range(0..200) {
                let now = inside.load(SeqCst).max(limit.in_use());
                assert!(now <= most, "{now} are in, {most} may be: the limit is {next}");
                most = limit.in_use().clamp(next, most);
                thread::yield_now();
            }
        }
    };
    thread::scope(|scope| {
        let changer = scope.spawn(change);
        let workers: Vec<_> = (0..THREADS).map(|seed| scope.spawn(move || work(seed))).collect();
        let ends: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, SeqCst);
        changer.join().unwrap();
        ends.into_iter().for_each(Result::unwrap);
    });
    assert!(served.load(SeqCst) > THREADS * ROUNDS / 2, "{served:?}");
    assert_eq!(limit.in_use(), 0);
    assert!(limit.queue().waiting.is_empty() && limit.try_enter(), "nobody is left behind");
}
