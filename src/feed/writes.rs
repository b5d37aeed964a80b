//! Who is writing to the watched files, as the system's events tell, and when it is time to look: without
//! clock and disk. All times are in milliseconds.
//!
//! A file that is replaced is whole at once. One that is written in place is whole when its writer closes it;
//! one who never does is waited for until nothing was changed for a while.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A change is looked at when nothing more happened for so long,
const QUIET: u64 = 30;
/// or, while it does not end, after so long.
const LONGEST: u64 = 120;
/// The same where a file was written in place: scripts open it anew for each line,
const PAUSE: u64 = 100;
/// and may take their time.
const LONGEST_WRITTEN: u64 = 60_000;
/// Who has a file open is waited for so long after the last change to it.
const PATIENCE: u64 = 5_000;
/// What takes something away is believed when nothing more happened for so long: half a file looks like that,
/// too.
const SETTLED: u64 = 1_000;
/// A change that no event told of counts when it is still the same after so long: who writes it may not be
/// done.
pub const STEADY: u64 = 1_000;
/// From here on people ask why nothing happens.
pub const SLOW: u64 = 1_000;

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileEvent {
    /// It was created or changed by somebody who has it open.
    Written,
    /// Somebody who could write to it closed it.
    Closed,
    /// Another one is in its place, or none.
    Replaced,
    /// Something else, or nobody knows.
    Other,
}

/// What led to a look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileChange {
    /// An event did, and not the poll.
    pub told: bool,
    /// The first event that led to it, the last one, and the look.
    first: u64,
    last: u64,
    looked: u64,
    /// Files that were written in place.
    written: HashSet<PathBuf>,
    /// It is the second look at something that was held up.
    pub held: bool,
    /// Files that somebody has still open who wrote to them.
    pub open: Vec<PathBuf>,
}

/// What is not there of what was taken last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileGap {
    /// A file.
    Gone,
    /// What stood in one: whoever emptied it goes on.
    Emptied,
}

impl FileChange {
    /// How long it took from the first event on.
    pub fn took(&self) -> u64 {
        self.looked.saturating_sub(self.first)
    }

    /// What was read takes something away: whether that may be something half done, and how long after the
    /// last event it is to be looked at again.
    pub fn doubt(&self, gap: Option<FileGap>) -> Option<u64> {
        let quiet = match gap {
            Some(FileGap::Emptied) => PATIENCE,
            Some(FileGap::Gone) => SETTLED,
            None if !self.written.is_empty() => SETTLED,
            None => return None,
        };
        (self.looked < self.last + quiet && self.took() < LONGEST_WRITTEN).then_some(quiet)
    }
}

/// What happened since the last look.
#[derive(Debug, Default)]
pub struct WriteTracker {
    first: Option<u64>,
    last: u64,
    /// What was seen is not believed before this.
    held: Option<u64>,
    /// Something was written in place.
    in_place: bool,
    /// To these, and nothing has taken their place since.
    written: HashSet<PathBuf>,
    /// Files that are being written, and when they were last changed.
    open: HashMap<PathBuf, u64>,
    /// It was said that somebody is slow.
    said: bool,
}

impl WriteTracker {
    /// Something happened, to this file if it is known to which.
    pub fn note(&mut self, now: u64, act: FileEvent, path: Option<&Path>) {
        self.first.get_or_insert(now);
        (self.last, self.held) = (now, None);
        self.in_place |= matches!(act, FileEvent::Written | FileEvent::Closed);
        match (act, path) {
            (FileEvent::Written | FileEvent::Closed, Some(path)) => _ = self.written.insert(path.to_owned()),
            (FileEvent::Replaced, Some(path)) => self.written.retain(|written| !written.starts_with(path)),
            _ => {}
        }
        match (act, path) {
            (FileEvent::Written, Some(path)) => _ = self.open.insert(path.to_owned(), now),
            (FileEvent::Closed, Some(path)) => _ = self.open.remove(path),
            (FileEvent::Replaced, Some(path)) => self.open.retain(|open, _| !open.starts_with(path)),
            (FileEvent::Other, _) | (_, None) => {}
        }
    }

    /// When to look; none if nothing happened.
    pub fn due(&self) -> Option<u64> {
        let first = self.first?;
        let (pause, longest) = if self.in_place { (PAUSE, LONGEST_WRITTEN) } else { (QUIET, LONGEST) };
        let closed = self.open.values().map(|changed| changed + PATIENCE).max().unwrap_or(0);
        Some(match self.held {
            Some(held) => closed.max(held).min(first + LONGEST_WRITTEN),
            None => closed.max(self.last + pause).min(first + longest),
        })
    }

    /// When there is something to say about a slow writer, before the look.
    pub fn slow(&self) -> Option<u64> {
        let waits = !self.said && self.open.values().any(|changed| changed + PATIENCE > self.last + PAUSE);
        self.first.filter(|_| waits).map(|first| first + SLOW)
    }

    /// The files of slow writers, told once.
    pub fn take_slow(&mut self) -> Vec<PathBuf> {
        self.said = true;
        self.sorted()
    }

    /// A look is taken; what happens from here on leads to the next.
    pub fn look(&mut self, now: u64) -> FileChange {
        self.open.retain(|_, changed| *changed + LONGEST_WRITTEN > now);
        let (first, last) = self.first.map_or((now, now.saturating_sub(STEADY)), |first| (first, self.last));
        let (told, held) = (self.first.is_some(), self.held.is_some());
        let change = FileChange {
            told,
            first,
            last,
            looked: now,
            written: std::mem::take(&mut self.written),
            held,
            open: self.sorted(),
        };
        (self.first, self.held, self.in_place, self.said) = (None, None, false, false);
        change
    }

    /// What a look found is not taken: it is looked at again when nothing more happened for so long after its
    /// last event.
    pub fn hold(&mut self, change: &FileChange, quiet: u64) {
        self.in_place |= !change.written.is_empty();
        self.written.extend(change.written.iter().cloned());
        if self.first.replace(change.first).is_none() {
            (self.last, self.held) = (change.last, Some(change.last + quiet));
        }
    }

    fn sorted(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.open.keys().cloned().collect();
        paths.sort();
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::FileEvent::{Closed, Other, Replaced, Written};
    use super::*;

    /// What happened to the file `a` unless another is named, and when; when to look, and what is open then.
    #[test]
    fn a_look_is_due_when_the_writers_are_done() {
        for (what, acts, due, open) in [
            ("nothing", &[][..], None, 0),
            ("a rename", &[(10, Replaced, "a")], Some(40), 0),
            (
                "renames without end",
                &[(0, Replaced, "a"), (50, Replaced, "b"), (100, Replaced, "a")],
                Some(120),
                0,
            ),
            ("written and closed", &[(10, Written, "a"), (11, Closed, "a")], Some(111), 0),
            ("half of it", &[(10, Written, "a")], Some(5010), 1),
            (
                "truncated, a pause, written, closed",
                &[(0, Written, "a"), (3000, Written, "a"), (3001, Closed, "a")],
                Some(3101),
                0,
            ),
            (
                "an editor that saves twice",
                &[(0, Written, "a"), (1, Closed, "a"), (60, Written, "a"), (61, Closed, "a")],
                Some(161),
                0,
            ),
            (
                "a script that opens it for each line",
                &[(0, Written, "a"), (1, Closed, "a"), (90, Written, "a"), (91, Closed, "a")],
                Some(191),
                0,
            ),
            ("one of two", &[(0, Written, "a"), (0, Written, "b"), (500, Closed, "a")], Some(5000), 1),
            ("a file replaced under its writer", &[(0, Written, "a"), (20, Replaced, "a")], Some(120), 0),
            ("its folder, too", &[(0, Written, "d/a"), (20, Replaced, "d")], Some(120), 0),
            ("something else meanwhile", &[(0, Written, "a"), (20, Other, "a")], Some(5000), 1),
            ("opened and not written", &[(0, Closed, "a")], Some(100), 0),
            ("a change without end", &[(0, Written, "a"), (59_000, Written, "a")], Some(60_000), 1),
        ] {
            let mut writes = WriteTracker::default();
            for (at, act, path) in acts {
                writes.note(*at, *act, Some(Path::new(path)));
            }
            assert_eq!(writes.due(), due, "{what}");
            let change = writes.look(due.unwrap_or(0));
            assert_eq!((change.told, change.open.len()), (due.is_some(), open), "{what}");
            assert_eq!(writes.due(), None, "{what}: looked at");
        }
    }

    #[test]
    fn who_never_closes_holds_up_only_what_he_writes_next() {
        let mut writes = WriteTracker::default();
        writes.note(0, Written, Some(Path::new("a")));
        assert_eq!((writes.slow(), writes.due()), (Some(1000), Some(5000)));
        assert_eq!(writes.take_slow(), [Path::new("a")]);
        assert_eq!(writes.slow(), None);
        let change = writes.look(5000);
        assert_eq!((change.told, change.took(), change.open), (true, 5000, vec!["a".into()]));
        // another file is saved: nobody waits for the first
        writes.note(6000, Replaced, Some(Path::new("b")));
        assert_eq!((writes.slow(), writes.due()), (None, Some(6030)));
        assert_eq!(writes.look(6030).open, [Path::new("a")]);
        writes.note(7000, Closed, Some(Path::new("a")));
        assert_eq!(writes.due(), Some(7100));
        let change = writes.look(7100);
        assert_eq!((change.told, change.took(), change.open), (true, 100, vec![]));
        // an end that was missed is not waited for until the last day
        writes.note(8000, Written, Some(Path::new("a")));
        assert_eq!(writes.look(8000 + LONGEST_WRITTEN).open, [""; 0].map(PathBuf::from));
    }

    /// Looks at every moment that is due, at something that takes away until `whole`. When it is taken, and
    /// how long it took.
    fn plays(acts: &[(u64, FileEvent)], gap: Option<FileGap>, whole: u64) -> (u64, u64) {
        let (mut writes, mut next) = (WriteTracker::default(), acts.iter().peekable());
        loop {
            let due = writes.due().unwrap_or(u64::MAX);
            if let Some((at, act)) = next.next_if(|(at, _)| *at <= due) {
                writes.note(*at, *act, Some(Path::new("a")));
                continue;
            }
            let change = writes.look(due);
            match change.doubt(gap).filter(|_| due < whole) {
                Some(quiet) => writes.hold(&change, quiet),
                None => return (due, change.took()),
            }
        }
    }

    #[test]
    fn what_takes_away_is_taken_when_nobody_goes_on() {
        let lines: Vec<(u64, FileEvent)> =
            (0..10).flat_map(|n| [(n * 900, Written), (n * 900 + 1, Closed)]).collect();
        let endless: Vec<(u64, FileEvent)> =
            (0..200).flat_map(|n| [(n * 900, Written), (n * 900 + 1, Closed)]).collect();
        let touched = [(0, Written), (10, Closed), (500, Written), (900, Written), (901, Closed)];
        let put_back = [(0, Replaced), (500, Written), (501, Closed)];
        for (what, acts, gap, whole, taken) in [
            ("meant", &[(0, Written), (1, Closed)][..], None, u64::MAX, (1001, 1001)),
            ("it adds", &[(0, Written), (1, Closed)], None, 0, (101, 101)),
            ("renamed", &[(0, Replaced)], None, u64::MAX, (30, 30)),
            (
                "written and given its name",
                &[(0, Written), (1, Closed), (2, Replaced)],
                None,
                u64::MAX,
                (102, 102),
            ),
            ("removed", &[(0, Replaced)], Some(FileGap::Gone), u64::MAX, (1000, 1000)),
            ("removed and put back", &put_back, Some(FileGap::Gone), 501, (601, 601)),
            ("emptied", &[(0, Written), (1, Closed)], Some(FileGap::Emptied), u64::MAX, (5001, 5001)),
            ("line by line", &lines, None, 8101, (8201, 8201)),
            ("closed by another on the way", &touched, None, 901, (1001, 1001)),
            ("line by line without end", &endless, None, u64::MAX, (0, 0)),
        ] {
            let (at, took) = plays(acts, gap, whole);
            if what.ends_with("without end") {
                assert!((LONGEST_WRITTEN..LONGEST_WRITTEN + SETTLED).contains(&at), "{what}: {at}");
            } else {
                assert_eq!((at, took), taken, "{what}");
            }
        }
    }
}
