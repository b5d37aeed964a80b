//! The writer and the reader against each other: whatever was true at the last tick is known after a start.

mod late;

use super::load::load;
use super::writer::{LedgerWriter, SLACK, gathers_next, period};
use super::{FILE, LedgerKeeper, StateDir};
use crate::affinity::KeyRing;
use crate::base::clock::{self, Now};
use crate::config;
use crate::ledger::{FollowResult, KnownSession, Standing};
use crate::table::{ClusterLive, Current, Table, compile};
use arc_swap::ArcSwap;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// A table whose nodes are in this order, so that their slots are.
fn table(nodes: &[&str], more: &str, before: Option<&Table>) -> Table {
    table_by("{ learn = \"SID\" }", nodes, more, before)
}

fn table_by(affinity: &str, nodes: &[&str], more: &str, before: Option<&Table>) -> Table {
    let nodes: String = nodes.iter().map(|n| format!("{n} = \"http://127.0.0.1:1\"\n")).collect();
    let text = format!(
        "[listener.web]\nbind = \"127.0.0.1:0\"\n[[rule]]\ncluster = \"shop\"\n[cluster.shop]\naffinity = {affinity}\n{more}\n[cluster.shop.nodes]\n{nodes}"
    );
    let loaded = config::parse_str(&text, Path::new("homing.toml")).unwrap();
    let context = compile::TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
    let table =
        compile::compile(Arc::new(loaded.config), &context, before.map(|before| (before, Now::look())))
            .unwrap();
    compile::adopt(&table, Now::look());
    table
}

struct House {
    _folder: tempfile::TempDir,
    dir: Arc<StateDir>,
    current: Arc<Current>,
    writer: LedgerWriter,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = Arc::new(StateDir::open(folder.path()).unwrap());
        let current = Arc::new(ArcSwap::from_pointee(table(&NODES, "", None)));
        let mut writer = LedgerWriter::new(dir.clone(), current.clone(), None);
        writer.write_all_anew();
        assert!(writer.file.is_some());
        Self { _folder: folder, dir, current, writer }
    }

    fn live(&self) -> Arc<ClusterLive> {
        self.current.load().clusters[0].live.clone()
    }

    /// What a start would know now, by a table whose nodes are in another order.
    fn read(&self) -> Table {
        let other = table(&["n3", "n1", "n2"], "", None);
        let damage = load(&self.dir.path(FILE), &other);
        assert!(damage.is_none(), "{}", damage.unwrap().why);
        other
    }

    fn assert_known(&self) {
        let other = self.read();
        let known = contents(&other);
        assert_eq!(known, contents(&self.current.load()));
        for node in other.clusters[0].nodes() {
            let count = known.values().filter(|(name, ..)| **name == *node.spec.name).count();
            assert_eq!(node.live.sessions.load(std::sync::atomic::Ordering::SeqCst) as usize, count);
        }
    }
}

/// By session: its node, whether it is confirmed, and the node it was moved from.
fn contents(table: &Table) -> BTreeMap<u64, (String, bool, Option<String>)> {
    let live = &table.clusters[0].live;
    let name = |slot: u32| live.roster.load().lives[slot as usize].name.to_string();
    let mut found = Vec::new();
    (0..).take_while(|part| live.ledger.part(*part, &mut found)).for_each(drop);
    let of = |(id, seen): &(u64, Option<KnownSession>)| {
        let seen = seen.unwrap();
        (
            *id,
            (
                name(seen.slot),
                seen.standing == Standing::Confirmed,
                live.moved_from(*id, seen.slot).map(name),
            ),
        )
    };
    found.iter().map(of).collect()
}

fn now() -> u32 {
    clock::monotonic_secs()
}

/// One thing that happens to a session; every now and then a tick.
fn act(house: &mut House, kind: u32, session: u64, slot: u32) {
    let live = house.live();
    match kind {
        0..=2 => drop(live.ledger.open(session, slot, now(), &live.tally(Now::look()))),
        3..=5 => live.ledger.touch(session, slot, now(), &live.tally(Now::look())),
        6 => drop(live.ledger.end(session, &live.tally(Now::look()))),
        7 => live.ledger.rename(session, session + 1, now(), &live.tally(Now::look())),
        8 => {
            let was = live.ledger.find(session).map_or(0, |seen| seen.slot);
            if was != slot {
                live.remember_move(session, was, slot, now());
            }
            live.ledger.relocate(session, slot, now(), &live.tally(Now::look()));
        }
        9 => house.writer.lacking = true,
        _ => house.writer.tick(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn what_was_true_at_the_last_tick_is_known(acts in prop::collection::vec((0u32..14, 0u64..60, 0u32..3), 1..300)) {
        let mut house = House::new();
        for (kind, session, slot) in acts {
            act(&mut house, kind, session, slot);
        }
        house.writer.tick();
        house.assert_known();
        house.writer.write_all_anew();
        house.assert_known();
    }
}

#[test]
fn ages_are_kept() {
    let mut house = House::new();
    let live = house.live();
    live.ledger.open(1, 0, now() - 50, &live.tally(Now::look()));
    live.ledger.touch(2, 1, now() - 3000, &live.tally(Now::look()));
    live.ledger.touch(3, 1, now() - 4000, &live.tally(Now::look()));
    house.writer.tick();
    let other = house.read();
    let age = |id| other.clusters[0].live.ledger.find(id).map(|seen| (now() - seen.last, now() - seen.first));
    assert!(matches!(age(1), Some((50..=53, 50..=53))), "{:?}", age(1));
    assert!(matches!(age(2), Some((3000..=3003, 3000..=3003))), "{:?}", age(2));
    assert_eq!(age(3), None, "it was idle for more than an hour");
}

#[test]
fn a_later_visit_alone_is_known_after_a_while() {
    let mut house = House::new();
    let live = house.live();
    live.ledger.touch(1, 0, now() - 3000, &live.tally(Now::look()));
    house.writer.tick();
    live.ledger.touch(2, 0, now() - 3000, &live.tally(Now::look()));
    house.writer.tick();
    live.ledger.touch(1, 0, now(), &live.tally(Now::look()));
    // this one lives on a socket
    live.ledger.carried(2, now());
    house.writer.tick();
    assert!(house.writer.next.is_none(), "a visit is nothing to write at once");
    house.writer.due = Instant::now();
    house.writer.tick();
    let other = house.read();
    for session in [1, 2] {
        let seen = other.clusters[0].live.ledger.find(session).unwrap();
        assert!(now() - seen.last < 10);
    }
}

#[test]
fn when_sessions_were_last_seen_is_known_well_enough_for_what_ends_them() {
    for (affinity, more, seconds) in [
        ("{ learn = \"SID\" }", "", 180),
        ("{ learn = \"SID\" }", "session-idle = \"100s\"", 5),
        ("{ learn = \"SID\" }", "session-idle = \"4s\"", 1),
        ("{ cookie = \"H\" }", "session-idle = \"100h\"", 300),
        ("{ cookie = \"H\", max-idle = \"1m\" }", "", 3),
        ("{ cookie = \"H\", max-idle = \"6s\" }", "", 1),
        ("{ cookie = \"H\", max-idle = \"8h\" }", "session-idle = \"2m\"", 6),
    ] {
        assert_eq!(
            period(&table_by(affinity, &NODES, more, None)),
            Duration::from_secs(seconds),
            "{affinity} {more}"
        );
    }
}

#[test]
fn sessions_of_a_node_that_left_are_dropped() {
    let mut house = House::new();
    let live = house.live();
    live.ledger.touch(1, 0, now(), &live.tally(Now::look()));
    live.ledger.touch(2, 2, now(), &live.tally(Now::look()));
    house.writer.tick();
    let other = table(&["n3", "n4"], "", None);
    assert!(load(&house.dir.path(FILE), &other).is_none());
    assert_eq!(contents(&other).into_keys().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_reload_is_followed() {
    let mut house = House::new();
    let live = house.live();
    live.ledger.touch(1, 0, now(), &live.tally(Now::look()));
    // n1 stays where it is although it is named last, n4 gets the place of n2
    let second = table(&["n3", "n4", "n1"], "", Some(&house.current.load()));
    house.current.store(Arc::new(second));
    let live = house.live();
    live.ledger.touch(2, 1, now(), &live.tally(Now::look()));
    house.writer.tick();
    let other = table(&["n4", "n1"], "", None);
    assert!(load(&house.dir.path(FILE), &other).is_none());
    let nodes: Vec<String> = contents(&other).into_values().map(|(node, ..)| node).collect();
    assert_eq!(nodes, ["n1", "n4"]);
}

#[test]
fn a_cluster_that_is_new_is_begun_anew() {
    let mut house = House::new();
    let live = house.live();
    live.ledger.touch(1, 0, now(), &live.tally(Now::look()));
    house.writer.tick();
    // removed and made again: nothing of the old one's sessions is true
    let mut fresh = table(&NODES, "", None);
    fresh.revision = 7;
    house.current.store(Arc::new(fresh));
    house.writer.tick();
    while house.writer.next.is_some() {
        house.writer.tick();
    }
    assert_eq!(contents(&house.read()), BTreeMap::new());
}

/// What is only learned stands nowhere else: whoever logs in is in the file a moment later.
#[test]
fn what_is_learned_is_written_at_once() {
    let House { _folder, dir, current, writer } = House::new();
    drop(writer);
    let live = current.load().clusters[0].live.clone();
    let _keeper = LedgerKeeper::start(dir.clone(), current);
    let length = || std::fs::metadata(dir.path(FILE)).map_or(0, |file| file.len());
    for session in 0..10 {
        let (before, begun) = (length(), Instant::now());
        live.ledger.open(session, 0, now(), &live.tally(Now::look()));
        while length() == before {
            std::thread::sleep(Duration::from_micros(100));
            assert!(begun.elapsed() < Duration::from_secs(10), "nobody called the writer");
        }
    }
}

#[test]
fn whoever_else_follows_takes_nothing_from_the_file_and_is_told_everything_too() {
    let mut house = House::new();
    let live = house.live();
    let (mut other, mut told) = (live.ledger.follow(1000), Vec::new());
    for session in 0..50 {
        live.ledger.touch(session, 1, now(), &live.tally(Now::look()));
        if session % 7 == 0 {
            house.writer.tick();
            house.assert_known();
        }
        if session % 5 == 0 {
            let _ = other.changes(&mut told);
        }
    }
    house.writer.tick();
    house.assert_known();
    assert_eq!(other.changes(&mut told), FollowResult::All);
    told.sort_unstable_by_key(|(session, _)| *session);
    assert!(told.iter().map(|(session, _)| *session).eq(0..50));
}

#[test]
fn changes_are_gathered_only_while_they_keep_coming() {
    let after = |idle: &[u64]| {
        idle.iter()
            .fold(Duration::ZERO, |before, idle| gathers_next(before, Duration::from_micros(*idle)))
            .as_micros()
    };
    assert_eq!([after(&[50_000]), after(&[3_000; 9]), after(&[500; 4]), after(&[0; 9])], [0, 0, 1000, 2000]);
    assert_eq!(after(&[0, 0, 0, 2_500]), 0, "whoever comes after a pause does not wait");
}

#[test]
fn a_slow_disk_holds_up_nothing_that_is_appended() {
    let mut house = House::new();
    let live = house.live();
    live.ledger.open(1, 0, now(), &live.tally(Now::look()));
    let (done, waits) = std::sync::mpsc::channel();
    (house.writer.waker, house.writer.lacking) = (Some(Waker::noop().clone()), true);
    house.writer.tick();
    // the disk takes its time
    let settling = house
        .writer
        .next
        .as_mut()
        .and_then(|next| next.settling.take())
        .expect("another thread waits for the disk");
    let slow =
        thread::spawn(move || waits.recv().map_err(io::Error::other).and_then(|()| settling.join().unwrap()));
    house.writer.next.as_mut().unwrap().settling = Some(slow);
    for session in 2..10 {
        live.ledger.open(session, 1, now(), &live.tally(Now::look()));
        house.writer.tick();
        house.assert_known();
    }
    assert!(house.writer.next.is_some(), "it goes on");
    done.send(()).unwrap();
    while house.writer.next.is_some() {
        house.writer.tick();
        house.assert_known();
    }
    live.ledger.open(10, 2, now(), &live.tally(Now::look()));
    house.writer.tick();
    house.assert_known();
}

#[test]
fn a_full_disk_loses_nothing_once_there_is_room() {
    let mut house = House::new();
    let live = house.live();
    let in_the_way = house.dir.beside(FILE);
    std::fs::create_dir(&in_the_way).unwrap();
    house.writer.lacking = true;
    for session in 0..10 {
        live.ledger.touch(session, 0, now(), &live.tally(Now::look()));
        house.writer.tick();
        assert!(house.writer.file.is_none());
    }
    std::fs::remove_dir(&in_the_way).unwrap();
    house.writer.not_before = Instant::now();
    house.writer.tick();
    while house.writer.next.is_some() {
        house.writer.tick();
    }
    house.assert_known();
}

#[test]
fn more_changes_than_can_be_noted_are_found_by_looking_at_all() {
    let mut house = House::new();
    let live = house.live();
    for session in 0..400_000 {
        live.ledger.touch(session, 0, now(), &live.tally(Now::look()));
    }
    (1..400_000).for_each(|session| assert!(live.ledger.end(session, &live.tally(Now::look()))));
    house.writer.tick();
    while house.writer.next.is_some() {
        house.writer.tick();
    }
    house.assert_known();
}

#[test]
fn the_file_stays_in_bounds() {
    let mut house = House::new();
    let live = house.live();
    let mut longest = 0;
    for round in 0..100 {
        for session in 0..2_000 {
            live.ledger.touch(session, round % 3, now(), &live.tally(Now::look()));
        }
        house.writer.tick();
        while house.writer.next.is_some() {
            house.writer.tick();
        }
        longest = longest.max(std::fs::metadata(house.dir.path(FILE)).unwrap().len());
    }
    assert!(longest > SLACK && longest < 2 * SLACK, "{longest}");
    house.assert_known();
}
