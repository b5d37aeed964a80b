//! Nodes that come to others, by every method.

use super::*;

/// Picks so many sessions that stay; how many of them each had.
fn place(placement: &Placement, state: &mut [Candidate], count: usize) -> Vec<usize> {
    let (mut rng, mut given) = (rng(), vec![0; state.len()]);
    for _ in 0..count {
        let (slot, _) = placement.pick(None, &[], &mut rng).unwrap();
        given[slot as usize] += 1;
        state[slot as usize].sessions += 1;
        placement.update(slot, &state[slot as usize]);
    }
    given
}

#[test]
fn a_node_that_is_eased_in_has_its_part_by_every_method() {
    for method in ALL {
        for busy in [0, 3, 1000] {
            let placement = new(method, &[100, 100, 100]);
            let there = Candidate { sessions: 1000, in_flight: busy, load: busy << 6, ..candidate(100) };
            // the cold one is the first of the file, and looks best or worst
            let mut state = [Candidate { ramp: WHOLE / 4, young: true, ..candidate(100) }, there, there];
            (0..).zip(&state).for_each(|(slot, node)| placement.update(slot, node));
            let part = placement.part_of(0);
            let wanted = if method == First { 0.25 } else { 1.0 / 9.0 };
            assert!((part - wanted).abs() < 0.001, "{method:?} shows {part}");
            let given = place(&placement, &mut state, 900)[0] as f64 / 900.0;
            assert!((given - part).abs() < 0.05 * part, "{method:?}, {busy}: {given} where {part} is shown");
        }
    }
}

#[test]
fn a_node_that_is_eased_in_catches_up_at_twice_its_part_and_no_faster() {
    let placement = new(LeastSessions, &[100; 5]);
    let there = Candidate { sessions: 1000, ..candidate(100) };
    let mut state = [there; 5];
    (0..4).for_each(|slot| placement.update(slot, &there));
    state[4] = Candidate { ramp: WHOLE / 10, young: true, ..candidate(100) };
    placement.update(4, &state[4]);
    place(&placement, &mut state, 100);
    (state[4].ramp, state[4].young) = (WHOLE, false);
    placement.update(4, &state[4]);
    assert!(placement.easing.applies());
    let given = place(&placement, &mut state, 1000)[4];
    assert!((380..=405).contains(&given), "{given} of 1000 among five");
    // once it has as many as the others it is one of them
    place(&placement, &mut state, 5000);
    assert!(!placement.easing.applies());
    let sessions = state.map(|node| node.sessions);
    assert!(sessions.iter().max().unwrap() - sessions.iter().min().unwrap() <= 1, "{sessions:?}");
}

#[test]
fn nodes_that_are_all_eased_in_are_chosen_all_the_same() {
    for method in ALL {
        let placement = new(method, &[100, 100]);
        let mut state = [Candidate { ramp: WHOLE / 10, ..candidate(100) }; 2];
        (0..).zip(&state).for_each(|(slot, node)| placement.update(slot, node));
        let given = place(&placement, &mut state, 1000);
        assert!(method == First || (400..=600).contains(&given[0]), "{method:?}: {given:?}");
        let alone: Vec<_> = (0..20).map(|_| placement.pick(None, &[0], &mut rng()).unwrap().0).collect();
        assert!(alone.iter().all(|slot| *slot == 1), "{method:?}");
    }
}

#[test]
fn who_only_asks_changes_nothing_of_it() {
    let placement = new(LeastSessions, &[100, 100]);
    placement.update(0, &Candidate { ramp: WHOLE / 3, ..candidate(100) });
    for turn in 0..100 {
        let foretold = (0..3).map(|_| placement.peek(None, &[], &mut rng()).unwrap().0).last();
        assert_eq!(foretold, placement.pick(None, &[], &mut rng()).map(|(slot, _)| slot), "{turn}");
    }
}
