//! A process that gave the folder up, and the one that has it then.

use super::super::late::LateFile;
use super::*;

/// One that has given the folder up, and one that goes on in it.
struct Succession {
    first: House,
    second: House,
}

impl Succession {
    /// The first knows these sessions, each on its node, when it gives the folder up.
    fn with(sessions: &[(u64, u32)]) -> Self {
        let mut first = House::new();
        sessions.iter().for_each(|&(session, slot)| open(&first, session, slot));
        assert!(first.writer.hand_off());
        let folder = tempfile::tempdir().unwrap();
        let current = Arc::new(ArcSwap::from_pointee(first.read()));
        let mut writer = LedgerWriter::new(first.dir.clone(), current.clone(), None);
        writer.follow_others();
        writer.write_all_anew();
        let second = House { _folder: folder, dir: first.dir.clone(), current, writer };
        Self { first, second }
    }

    /// Both do what they do now and then.
    fn tick(&mut self) {
        self.first.writer.tick();
        self.second.writer.tick();
    }

    /// The first ends, as it should or by a kill.
    fn end_first(&mut self, killed: bool) {
        let late = self.first.writer.late.take().unwrap();
        if !killed {
            late.end(self.first.writer.kept()).unwrap();
        }
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let all = std::fs::read_dir(self.second.dir.path("")).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.to_str().unwrap().contains("late")).collect()
    }
}

fn open(house: &House, session: u64, slot: u32) {
    house.live().ledger.open(session, slot, now(), &house.live().tally(Now::look()));
}

fn known(house: &House) -> BTreeMap<u64, (String, bool, Option<String>)> {
    contents(&house.current.load())
}

#[test]
fn what_one_learns_late_the_other_knows_and_counts() {
    for killed in [false, true] {
        let mut both = Succession::with(&[(1, 0), (2, 0)]);
        assert_eq!(known(&both.second), known(&both.first));
        let live = both.first.live();
        open(&both.first, 3, 1);
        live.remember_move(1, 0, 2, now());
        live.ledger.relocate(1, 2, now(), &live.tally(Now::look()));
        both.tick();
        assert_eq!(known(&both.second), known(&both.first));
        both.second.assert_known();
        assert_eq!(both.files().len(), 1, "more may come");
        open(&both.first, 4, 1);
        both.first.writer.tick();
        both.end_first(killed);
        both.second.writer.tick();
        assert_eq!(known(&both.second), known(&both.first));
        assert_eq!(both.files().len(), 0);
    }
}

#[test]
fn what_both_know_is_as_the_later_of_them_saw_it() {
    let mut both = Succession::with(&[(1, 0), (2, 0), (3, 0)]);
    let (first, second) = (both.first.live(), both.second.live());
    let seen = |slot, last| KnownSession { slot, first: now(), last, standing: Standing::Confirmed };
    let slot = |house: &House, name: &str| {
        let roster = house.live().roster.load_full();
        roster.lives.iter().position(|live| *live.name == *name).unwrap() as u32
    };
    let [n2, n3] = ["n2", "n3"].map(|name| slot(&both.second, name));
    // seen here since
    second.ledger.put(1, seen(n3, now() + 10), &second.tally(Now::look()));
    first.ledger.put(1, seen(1, now()), &first.tally(Now::look()));
    // moved there
    first.ledger.put(2, seen(1, now()), &first.tally(Now::look()));
    // over there, and nobody knows whether here
    first.ledger.end(3, &first.tally(Now::look()));
    both.tick();
    assert_eq!([1, 2].map(|id| second.ledger.find(id).unwrap().slot), [n3, n2]);
    assert!(second.ledger.find(3).is_some());
}

#[test]
fn what_was_torn_waits_for_its_rest_and_is_forgotten_with_its_process() {
    use std::io::Write;
    let mut both = Succession::with(&[]);
    open(&both.first, 1, 0);
    both.first.writer.tick();
    let file = both.files().remove(0);
    let mut torn = std::fs::OpenOptions::new().append(true).open(file).unwrap();
    torn.write_all(&[200, 0, 0, 0, 1]).unwrap();
    both.second.writer.tick();
    assert_eq!((known(&both.second).len(), both.files().len()), (1, 1));
    both.end_first(true);
    both.second.writer.tick();
    assert_eq!((known(&both.second).len(), both.files().len()), (1, 0));
}

#[test]
fn a_file_of_something_else_is_not_read_for_ever() {
    let mut both = Succession::with(&[]);
    both.end_first(false);
    std::fs::write(both.first.dir.path("ledgers.late-1-2"), "Dear diary, today I was overwritten.").unwrap();
    let mut others = LateFile::all(&both.first.dir.path(""));
    assert!(others.len() == 1 && !others[0].follow(&both.second.current.load()));
    assert_eq!(both.files().len(), 0);
}

#[test]
fn the_end_tells_of_all_that_were_seen_since_and_leaves_nothing_where_nobody_was() {
    let mut both = Succession::with(&[(1, 0), (2, 0)]);
    let live = both.first.live();
    let seen = live.ledger.find(1).unwrap();
    live.ledger.touch(1, seen.slot, now(), &live.tally(Now::look()));
    let mut none = Succession::with(&[]);
    for both in [&mut both, &mut none] {
        both.end_first(false);
    }
    assert_eq!((both.files().len(), none.files().len()), (1, 0));
    both.second.writer.tick();
    assert!(both.second.live().ledger.find(1).unwrap().standing == Standing::Confirmed);
}

#[test]
fn a_disk_that_takes_nothing_keeps_the_folder_with_the_first() {
    let mut house = House::new();
    open(&house, 1, 0);
    let in_the_way = house.dir.beside(FILE);
    std::fs::create_dir(&in_the_way).unwrap();
    assert!(!house.writer.hand_off() && house.writer.late.is_none());
    std::fs::remove_dir(&in_the_way).unwrap();
    house.writer.write_all_anew();
    house.assert_known();
}
