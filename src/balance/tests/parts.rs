//! Which part of the new sessions each node is known to have, whoever looks or chooses meanwhile.

use super::*;
use crate::balance::score;

/// What the news of a node make of its part, with one beside it that weighs 100 and has a capacity of 1.
fn part_by_news(placement: &Placement) -> f64 {
    let known = placement.cells[0].read();
    assert_eq!(score::effective_tier(&known), Tier::Normal);
    let (own, other) = (placement.size(&known), placement.size(&placement.cells[1].read()));
    own as f64 / (own + other) as f64
}

#[test]
fn a_pick_changes_nobodys_part() {
    for method in ALL {
        let placement = new(method, &[100, 100]);
        let before = [0, 1].map(|slot| placement.parts.of(&placement.cells[slot].part));
        // as one who tells the news leaves it for a moment: his part comes with them, from him
        placement.cells[0].write(&candidate(300));
        placement.cells[1].write(&candidate(300));
        picks(&placement, 4);
        let after = [0, 1].map(|slot| placement.parts.of(&placement.cells[slot].part));
        assert_eq!(before, after, "{method:?}");
    }
}

#[test]
fn threads_that_choose_and_tell_leave_the_latest_part() {
    let beside = Candidate { capacity: Some(1), ..candidate(100) };
    for method in [LeastSessions, RoundRobin] {
        let placement = new(method, &[100, 100]);
        placement.update(1, &beside);
        let told = AtomicU32::new(0);
        let read = || {
            let latest = told.load(SeqCst);
            // now and then without a capacity, which changes the sizes of all
            Candidate {
                capacity: (!latest.is_multiple_of(3)).then_some(latest % 7 + 1),
                ..candidate(latest % 5 + 1)
            }
        };
        for round in 0..200 {
            std::thread::scope(|scope| {
                for thread in 0..3 {
                    let (placement, told, read) = (&placement, &told, &read);
                    scope.spawn(move || {
                        for _ in 0..20 {
                            told.fetch_add(1, SeqCst);
                            placement.refresh(0, read);
                            placement.pick(None, &[], &mut SmallRng::seed_from_u64(thread)).unwrap();
                        }
                    });
                }
            });
            let got = placement.parts.of(&placement.cells[0].part);
            assert_eq!(got, part_by_news(&placement), "{method:?}, round {round}");
        }
    }
}
