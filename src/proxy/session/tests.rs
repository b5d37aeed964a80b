//! What requests of one session that overlap do to it.

use super::*;
use crate::affinity::{FoundPin, KeyRing, PinMeta, Via};
use crate::config;
use crate::table::compile::{TableContext, adopt, compile};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const NOW: Now = Now::at(Duration::from_secs(1000));
const ID: u64 = 7;

fn cluster() -> Arc<Cluster> {
    let text = "[listener.web]\nbind = '127.0.0.1:0'\n[cluster.c]\naffinity = { key = 'header:x-user' }\n[cluster.c.nodes]\n\
                n0 = 'http://127.0.0.1:1'\nn1 = 'http://127.0.0.1:2'";
    let loaded = config::parse_str(text, Path::new("homing.toml")).unwrap();
    let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
    let table = compile(Arc::new(loaded.config), &context, None).unwrap();
    adopt(&table, NOW);
    table.clusters[0].clone()
}

/// A request of the session is served by a node for this reason, and the session was on that one.
fn served(cluster: &Cluster, slot: u32, why: Why, was: Option<u32>) -> OpenSession {
    let reading =
        PinLookup { found: FoundPin::Ledger { via: Via::Key }, session: Some(ID), stamp: PinMeta::default() };
    let verdict = Verdict { node: cluster.node(slot).unwrap().clone(), why, was, honoured: why == Why::Key };
    let caller = ConnectionSession { fresh: 9, met: None, connection: 1 };
    enter(cluster, &reading, &verdict, &caller, &[], NOW)
        .unwrap_or_else(|_| panic!("{} in {slot}", why.word()))
}

fn home(cluster: &Cluster) -> Option<u32> {
    cluster.live.ledger.find(ID).map(|seen| seen.slot)
}

#[test]
fn a_request_that_fails_undoes_what_it_began_alone() {
    let alone = cluster();
    let first = served(&alone, 0, Why::New, None);
    abandon(&alone, &first, 0, NOW);
    assert_eq!(home(&alone), None);

    let moved = cluster();
    let first = served(&moved, 0, Why::New, None);
    served(&moved, 1, Why::MovedDown, Some(0));
    abandon(&moved, &first, 0, NOW);
    assert_eq!(home(&moved), Some(1), "another one went on with it elsewhere");

    let joined = cluster();
    let first = served(&joined, 0, Why::New, None);
    served(&joined, 0, Why::Key, None);
    abandon(&joined, &first, 0, NOW);
    assert_eq!(home(&joined), Some(0), "another one went on with it there");
}

#[test]
fn a_session_that_begins_anew_where_it_had_been_moved_from_is_not_led_away() {
    for (why, was) in [(Why::MovedRebooted, Some(0)), (Why::New, None)] {
        let cluster = cluster();
        served(&cluster, 0, Why::New, None);
        served(&cluster, 1, Why::MovedDown, Some(0));
        assert_eq!(cluster.live.went_to(ID, 0), Some(1));
        cluster.live.ledger.end(ID, &cluster.live.tally(NOW));
        served(&cluster, 0, why, was);
        assert_eq!((home(&cluster), cluster.live.went_to(ID, 0)), (Some(0), None), "{}", why.word());
    }
}

/// A cluster of one node for two sessions, with this affinity, and what its decisions and entries come to.
struct Small(Arc<Cluster>);

impl Small {
    fn new(affinity: &str) -> Self {
        let text = format!(
            "[listener.web]\nbind = '127.0.0.1:0'\n[cluster.c]\naffinity = {affinity}\nhealth = {{ kind = 'off' }}\n\
             [cluster.c.nodes]\nn0 = {{ url = 'http://127.0.0.1:1', max-sessions = 2 }}"
        );
        let loaded = config::parse_str(&text, Path::new("homing.toml")).unwrap();
        let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
        let table = compile(Arc::new(loaded.config), &context, None).unwrap();
        adopt(&table, NOW);
        let node = table.clusters[0].node(0).unwrap();
        node.live.set_health(crate::table::Health::Up, "", crate::table::Rise::Found, NOW);
        Self(table.clusters[0].clone())
    }

    /// Somebody new comes; none if there is no place.
    fn comes(&self, id: u64, at: u32) -> Option<OpenSession> {
        let now = Now::at(Duration::from_secs(at.into()));
        self.0.live.rescore(0, now);
        let (slot, _) = self.0.roster.placement.peek(None, &[], &mut rand::rng())?;
        let reading = PinLookup::absent(None);
        let verdict =
            Verdict { node: self.0.node(slot).unwrap().clone(), why: Why::New, was: None, honoured: false };
        let caller = ConnectionSession { fresh: id, met: None, connection: 1 };
        let session = enter(&self.0, &reading, &verdict, &caller, &[], now).ok()?;
        let outcome = PinOutcome { pinned: true, ..PinOutcome::default() };
        conclude(&self.0, &session, slot, &outcome, now);
        Some(session)
    }

    fn comes_back(&self, id: u64, at: u32) {
        let now = Now::at(Duration::from_secs(at.into()));
        self.0.live.ledger.touch(id, 0, now.secs(), &self.0.live.tally(now));
    }

    /// Everything is looked through once.
    fn pass(&self, at: u32) {
        self.0.live.sweep(Now::at(Duration::from_secs(at.into())), 3600, 0, 1);
    }

    fn counted(&self) -> u32 {
        self.0.node(0).unwrap().live.all_sessions()
    }
}

#[test]
fn who_never_came_back_gives_its_place_to_the_next_and_is_served_when_it_comes() {
    // by a pin that names its node, and by an id that the ledger alone knows
    for affinity in ["'cookie'", "{ key = 'header:x-user' }"] {
        let small = Small::new(affinity);
        assert!(small.comes(1, 1000).is_some() && small.comes(2, 1001).is_some());
        small.comes_back(1, 1002);
        small.pass(1011);
        assert!(small.comes(3, 1011).is_none(), "{affinity}: ten seconds are its own");
        small.pass(1012);
        let third = small.comes(3, 1012);
        assert!(third.is_some_and(|session| session.took_place), "{affinity}");
        assert_eq!((small.counted(), small.0.live.ledger.given_up()), (2, 1));
        // it comes back: one more than there may be, and nobody else comes in for it
        small.comes_back(2, 1020);
        assert_eq!(small.counted(), 3);
        small.pass(1030);
        assert!(small.comes(4, 1030).is_none(), "{affinity}: those who came back fill it");
        small.comes_back(3, 1031);
        small.pass(1060);
        assert!(small.comes(4, 1060).is_none() && small.counted() == 3, "{affinity}");
    }
}

#[test]
fn a_key_is_remembered_for_the_idle_time_though_it_was_shown_once() {
    for (affinity, is_known) in [("{ key = 'header:x-user' }", true), ("'cookie'", false)] {
        let small = Small::new(affinity);
        small.comes(1, 1000);
        small.pass(1000 + 61);
        assert_eq!(small.0.live.ledger.find(1).is_some(), is_known, "{affinity}");
        small.pass(1000 + 3601);
        assert_eq!(small.0.live.ledger.find(1), None, "{affinity}");
    }
}

#[test]
fn of_many_who_come_at_once_as_many_get_a_place_as_there_are() {
    for seed in 0..50 {
        let small = Small::new("'cookie'");
        small.comes(1, 1000);
        small.comes_back(1, 1001);
        small.comes(2, 1000);
        small.pass(1020);
        let came: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let small = &small;
                    scope.spawn(move || small.comes(100 + seed * 4 + thread, 1020).is_some())
                })
                .collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!((came, small.counted(), small.0.live.ledger.given_up()), (1, 2, 1), "round {seed}");
        assert!(small.0.live.ledger.find(1).is_some(), "who came back stays");
    }
}
