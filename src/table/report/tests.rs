//! What a node says, and what of it stays.

use super::*;
use crate::heartbeat::Load;
use crate::heartbeat::Role;
use std::time::Duration;

fn at(second: u64) -> Now {
    Now::at(Duration::from_secs(second))
}

fn beat(load: u8) -> Heartbeat {
    Heartbeat { room: Load::new(load).map(Room::Load), ..Heartbeat::default() }
}

#[test]
fn sessions_that_come_past_us_count_and_those_placed_since_are_added() {
    let told = NodeReport::nothing();
    assert_eq!((told.sessions(5), told.load(), told.capacity()), (5, None, None));
    told.apply(&Heartbeat { sessions: Some(40), capacity: Some(50), ..beat(80) }, 5, 1000, at(0));
    assert_eq!((told.sessions(5), told.sessions(7), told.sessions(2)), (40, 42, 37));
    assert_eq!((told.load(), told.capacity()), (Some(80), Some(50)));
    told.apply(&Heartbeat { sessions: Some(1), ..Heartbeat::default() }, 5, 1000, at(0));
    assert_eq!(
        (told.sessions(5), told.sessions(0), told.load()),
        (1, 0, Some(80)),
        "what is not said again stays"
    );
}

#[test]
fn what_lasts_is_known_again_and_told_only_when_it_changes() {
    let said = Heartbeat {
        state: Some(Announced::Draining),
        capacity: Some(50),
        roles: Roles::new([Role::Batch]).ok(),
        version: Some("2".into()),
        ..beat(80)
    };
    let told = NodeReport::nothing();
    assert_eq!(
        (told.apply(&said, 0, 1, at(0)), told.apply(&said, 0, 1, at(0)), told.apply(&beat(7), 0, 1, at(0))),
        (true, false, false)
    );
    told.set_boot(7, true, at(0));
    let again = NodeReport::nothing();
    again.recall(&told.lasting(false, at(9)), at(9));
    assert_eq!(again.lasting(false, at(9)), told.lasting(false, at(9)));
    assert_eq!(
        (again.boot(), again.announced(), again.capacity(), again.load()),
        (Some(7), Announced::Draining, Some(50), None)
    );
    assert!(again.lost(at(0).secs() - 2) && !again.lost(at(0).secs() + 2));
    assert_eq!(NodeReport::nothing().lasting(false, at(0)), PersistedReport::default());
}

#[test]
fn a_restart_loses_what_was_before() {
    let told = NodeReport::nothing();
    told.set_boot(7, false, at(0));
    assert!(!told.lost(0));
    told.apply(&Heartbeat { sessions: Some(40), ..Heartbeat::default() }, 5, 1000, at(0));
    told.set_boot(8, true, at(0));
    assert_eq!((told.boot(), told.lost(0), told.sessions(5)), (Some(8), true, 5));
}

#[test]
fn who_was_seen_since_the_former_run_was_heard_may_live_in_the_new_one() {
    let told = NodeReport::nothing();
    let lost = |told: &NodeReport, second| told.lost(at(second).secs());
    told.set_boot(7, false, at(100));
    told.set_boot(7, false, at(105));
    told.set_boot(8, true, at(110));
    assert_eq!([104, 105, 107, 110].map(|second| lost(&told, second)), [true, false, false, false]);
    told.set_boot(8, false, at(115));
    told.apply(&beat(7), 0, 1000, at(118));
    told.set_boot(9, true, at(120));
    assert_eq!(
        [114, 115].map(|second| lost(&told, second)),
        [true, false],
        "a beat that names no run says nothing of it"
    );
    let again = NodeReport::nothing();
    again.recall(&told.lasting(false, at(0)), at(0));
    again.set_boot(10, true, at(5));
    assert!(again.lost(at(0).secs() - 1) && !lost(&again, 0), "before this process, or since");
}

#[test]
fn an_agents_weight_is_in_percent_or_as_it_stands() {
    let told = NodeReport::nothing();
    let relative = |percent| Some(Weight::Relative(percent));
    let absolute = |weight| Some(Weight::Absolute(weight));
    for (weight, of_50) in [
        (None, 50),
        (relative(50), 25),
        (relative(1), 0),
        (relative(25_600), 1000),
        (absolute(0), 0),
        (absolute(256), 256),
    ] {
        told.apply(&Heartbeat { room: weight.map(Room::Weight), ..Heartbeat::default() }, 0, 1000, at(0));
        assert_eq!(told.weight(50), of_50, "{weight:?}");
    }
}

#[test]
fn who_is_no_longer_spoken_for_is_as_if_it_never_was() {
    let told = NodeReport::nothing();
    let said = agent_said("down maint 50% maxconn:3 # gone");
    told.apply(&said, 5, 0, at(0));
    assert!(told.is_down() && told.max_requests() == Some(3) && told.announced() == Announced::Maintenance);
    told.forget();
    assert!(!told.is_down() && !told.notice_silence(at(9)) && !told.is_silent());
    assert_eq!(
        (told.announced(), told.weight(70), told.max_requests(), told.load()),
        (Announced::Ready, 70, None, None)
    );
    assert_eq!(told.since(at(9)), None);
}

fn agent_said(line: &str) -> Heartbeat {
    match crate::heartbeat::agent::read(format!("{line}\n").as_bytes()) {
        crate::heartbeat::agent::AgentReply::Said(beat) => *beat,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_silent_node_keeps_its_word_and_loses_its_load() {
    let told = NodeReport::nothing();
    assert!(!told.notice_silence(at(9)), "who never spoke is not silent");
    let last = Heartbeat { state: Some(Announced::Draining), ..beat(90) };
    told.apply(&last, 0, 15_000, at(10));
    assert!(!told.notice_silence(at(25)));
    assert_eq!((told.notice_silence(at(26)), told.notice_silence(at(27))), (true, false), "it is said once");
    assert_eq!((told.is_silent(), told.load(), told.announced()), (true, None, Announced::Draining));
}
