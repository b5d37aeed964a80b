use super::*;
use proptest::prelude::*;

const NEVER: Option<u64> = None;

/// `+` good, `-` definite, `.` silent, `~` silent while clients are answered; the other string is health
/// after each.
fn play(watch: &mut Watch, from_ms: u64, step_ms: u64, checks: &str) -> String {
    let mut said = String::new();
    for (n, check) in checks.chars().enumerate() {
        let (outcome, since) = match check {
            '+' => (CheckOutcome::Good, NEVER),
            '-' => (CheckOutcome::Definite, NEVER),
            '!' => (CheckOutcome::Definite, Some(0)),
            '.' => (CheckOutcome::Silent, NEVER),
            _ => (CheckOutcome::Silent, Some(5000)),
        };
        watch.observe(from_ms + n as u64 * step_ms, outcome, since);
        said.push(match watch.health() {
            Health::Unknown => '?',
            Health::Up => 'U',
            Health::Down => 'D',
        });
    }
    said
}

/// One that fell each other second, and is up at the sixth.
fn fallen_three_times() -> Watch {
    let mut watch = Watch::new(Health::Up, 1, 1, 1000);
    assert_eq!(play(&mut watch, 0, 1000, "-+-+-+"), "DUDUDU");
    watch
}

#[test]
fn health_follows_the_table() {
    for (start, rise, fall, checks, health) in [
        (Health::Unknown, 2, 3, "+", "U"),
        (Health::Unknown, 2, 3, "-+++", "DDUU"),
        (Health::Unknown, 2, 3, ".", "D"),
        (Health::Unknown, 2, 3, "~", "D"),
        (Health::Up, 2, 3, "--+---", "UUUUUD"),
        (Health::Up, 2, 3, "..-", "UUD"),
        (Health::Up, 2, 3, "~~~~~~~~", "UUUUUUUU"),
        (Health::Up, 2, 3, "!!!", "UUD"),
        (Health::Up, 2, 3, "-~-~-", "UUUUD"),
        (Health::Down, 2, 3, "+-++", "DDDU"),
        (Health::Down, 2, 3, "+~++", "DDDU"),
        (Health::Down, 1, 1, "+-+-", "UDUD"),
        (Health::Down, 0, 0, "+-", "UD"),
    ] {
        let mut watch = Watch::new(start, rise, fall, 2000);
        assert_eq!(play(&mut watch, 0, 2000, checks), health, "{start:?} {rise} {fall} {checks}");
    }
}

#[test]
fn checks_fail_at_a_node_that_served_until_they_call_it_up() {
    for (start, served, checks, fails) in [
        (Health::Unknown, false, "---", "   "),
        (Health::Unknown, false, "-+-+++-", "    ++-"),
        (Health::Unknown, true, "--+++", "-- ++"),
        (Health::Unknown, false, "+-+++", "+-+++"),
        (Health::Up, false, "~-+---+++", "+-+--- ++"),
    ] {
        let mut watch = Watch::new(start, 2, 3, 2000);
        if served {
            watch.assume_served();
        }
        let said: String = (0..checks.len())
            .map(|n| {
                play(&mut watch, n as u64 * 2000, 0, &checks[n..=n]);
                watch.fails().map_or(' ', |fails| if fails { '-' } else { '+' })
            })
            .collect();
        assert_eq!(said, fails, "{start:?} {checks}");
    }
}

#[test]
fn a_node_that_is_held_down_is_called_up_by_its_checks() {
    let mut watch = Watch::new(Health::Up, 2, 1, 1000);
    play(&mut watch, 0, 1000, "-++-++-++-+");
    assert_eq!((watch.health(), watch.fails()), (Health::Down, None));
    play(&mut watch, 11_000, 1000, "+");
    assert_eq!((watch.held(11_000).is_some(), watch.fails()), (true, Some(false)));
    play(&mut watch, 12_000, 1000, "-");
    assert_eq!(watch.fails(), Some(true), "and a new row begins");
}

#[test]
fn an_old_answer_is_no_proof_of_life() {
    let mut watch = Watch::new(Health::Up, 2, 3, 2000);
    for n in 0..2 {
        assert_eq!(watch.observe(n * 2000, CheckOutcome::Silent, Some(6001)), None);
    }
    assert_eq!(watch.observe(6000, CheckOutcome::Silent, Some(6001)), Some(Health::Down));
    assert_eq!(watch.failed_checks(), 3);
}

#[test]
fn a_new_address_is_decided_by_its_first_check_and_health_stays_until_then() {
    let mut watch = Watch::new(Health::Up, 2, 3, 2000);
    watch.start_anew();
    assert_eq!(watch.health(), Health::Up);
    assert_eq!(watch.observe(0, CheckOutcome::Silent, Some(1)), Some(Health::Down));
    watch.start_anew();
    assert_eq!(watch.observe(1, CheckOutcome::Good, NEVER), Some(Health::Up));
}

#[test]
fn the_fourth_fall_in_two_minutes_holds_the_node_down() {
    let mut watch = fallen_three_times();
    assert_eq!(play(&mut watch, 6000, 1000, "-+++++"), "DDDDDD");
    assert_eq!(watch.held(6000), Some((4, 10_000)));
    assert_eq!(watch.observe(15_999, CheckOutcome::Good, NEVER), None);
    assert_eq!(watch.observe(16_000, CheckOutcome::Good, NEVER), Some(Health::Up));
    assert_eq!(watch.held(16_000), None);
}

#[test]
fn holds_grow_to_160_seconds_and_two_quiet_minutes_end_them() {
    let mut watch = fallen_three_times();
    let mut now = 6000;
    for seconds in [10, 20, 40, 80, 160, 160] {
        assert_eq!(watch.observe(now, CheckOutcome::Definite, NEVER), Some(Health::Down));
        assert_eq!(watch.held(now).map(|(_, left)| left), Some(seconds * 1000));
        now += seconds * 1000;
        assert_eq!(watch.observe(now, CheckOutcome::Good, NEVER), Some(Health::Up));
        now += 1000;
    }
    now += FLIP_WINDOW_MS;
    assert_eq!(watch.observe(now, CheckOutcome::Definite, NEVER), Some(Health::Down));
    assert_eq!(watch.held(now), None);
}

#[test]
fn a_fall_that_is_excused_is_no_flip_and_a_hold_that_is_lifted_is_over() {
    let mut watch = Watch::new(Health::Up, 1, 1, 1000);
    for n in 0..10 {
        assert_eq!(play(&mut watch, n * 2000, 1000, "-"), "D");
        watch.excuse_fall();
        assert_eq!(play(&mut watch, n * 2000 + 1000, 1000, "+"), "U", "{n}");
        watch.excuse_fall();
    }
    assert_eq!(play(&mut watch, 20_000, 1000, "-+-+-+-+"), "DUDUDUDD");
    assert_eq!(watch.held(27_000), Some((4, 9000)), "those of its own count");
    watch.lift_hold();
    assert_eq!((watch.held(27_000), play(&mut watch, 28_000, 1000, "+")), (None, "U".into()));
}

#[test]
fn rare_falls_are_never_held() {
    let mut watch = Watch::new(Health::Up, 1, 1, 1000);
    for n in 0..50 {
        let now = n * 45_000;
        assert_eq!(watch.observe(now, CheckOutcome::Definite, NEVER), Some(Health::Down));
        assert_eq!(watch.observe(now + 1, CheckOutcome::Good, NEVER), Some(Health::Up), "{n}");
    }
}

proptest! {
    #[test]
    fn changes_are_earned(rise in 1u8..5, fall in 1u8..5, checks in proptest::collection::vec((0u8..3, proptest::option::of(0u64..9000), 1u64..4000), 1..300)) {
        let mut watch = Watch::new(Health::Unknown, rise, fall, 2000);
        let (mut now, mut health, mut row) = (0, Health::Unknown, 0u32);
        for (outcome, since, step) in checks {
            now += step;
            let outcome = [CheckOutcome::Good, CheckOutcome::Silent, CheckOutcome::Definite][usize::from(outcome)];
            let good = outcome == CheckOutcome::Good;
            let before = watch.health();
            let change = watch.observe(now, outcome, since);
            prop_assert_eq!(change.unwrap_or(before), watch.health());
            // a change is towards what was just seen, and not without enough of the same in a row
            row = if good { row + 1 } else { 0 };
            if let Some(new) = change {
                prop_assert_ne!(new, health);
                prop_assert_eq!(new == Health::Up, good);
                prop_assert!(health != Health::Down || row >= u32::from(rise));
                health = new;
            }
            prop_assert_ne!(watch.health(), Health::Unknown);
        }
    }

    #[test]
    fn a_mad_node_moves_sessions_seldom(checks in proptest::collection::vec(any::<bool>(), 1800)) {
        let mut watch = Watch::new(Health::Up, 1, 1, 1000);
        let falls = checks.iter().enumerate().filter(|(second, good)| {
            let outcome = if **good { CheckOutcome::Good } else { CheckOutcome::Definite };
            watch.observe(*second as u64 * 1000, outcome, NEVER) == Some(Health::Down)
        });
        // half an hour: three free falls, then holds of 10, 20, 40, 80 and 160 seconds
        prop_assert!(falls.count() <= 20);
    }
}
