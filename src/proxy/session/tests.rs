//! What requests of one session that overlap do to it.

use super::*;
use crate::affinity::{FoundPin, KeyRing, PinMeta, Via};
use crate::config;
use crate::table::compile::{TableContext, adopt, compile};
use std::path::Path;
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
