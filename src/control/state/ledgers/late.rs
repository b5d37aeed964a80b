//! What a process still learns of sessions after it gave up the state folder: the answers to the last requests
//! in flight, while another process serves already. It goes to a file of that process alone, so that two
//! never write one file; whoever has the folder takes it from there, and removes the file once nobody writes
//! it any more. The writer holds a lock on it, which ends with the process, however that ends.

use super::frames::{FIRST_LINE, Frame, FrameReader, SessionRecord};
use super::kept::KeptLedger;
use super::load::{Times, is_kept, standing};
use crate::base::clock::{self, Now};
use crate::base::owner;
use crate::control::error::Error;
use crate::control::state::StateDir;
use crate::ledger::KnownSession;
use crate::table::Table;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tracing::warn;

/// What the names of such files begin with; what only one process has follows.
const NAME: &str = "ledgers.late-";
/// Read of a file in one go.
const STEP: u64 = 1 << 20;
/// Such files that are read; each is of a process that has not ended, or was killed.
const MOST: usize = 64;

/// The side that writes.
pub struct LateWriter {
    path: PathBuf,
    file: File,
    /// Nothing was written yet.
    empty: bool,
    /// What was seen before this second is in the file that was handed over.
    since: u32,
}

impl LateWriter {
    /// Begins a file of this process.
    pub fn begin(dir: &StateDir, now: u32) -> io::Result<Self> {
        // in containers all processes have the same number
        let path = dir.path(&format!("{NAME}{}-{}", std::process::id(), clock::unix_ms()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        owner::adopt(&path, &file);
        file.try_lock()?;
        file.write_all(FIRST_LINE)?;
        Ok(Self { path, file, empty: true, since: now })
    }

    /// Appends what has changed.
    pub fn append(&mut self, kept: &mut [KeptLedger]) -> io::Result<()> {
        let mut changes = Vec::new();
        for ledger in kept {
            // what could not be noted is told at the end
            let _ = ledger.changes(&mut changes);
        }
        self.write(&changes)
    }

    /// Appends every session that was seen since the file was begun: its end is counted from then. Nobody
    /// reads a file in which nothing is.
    pub fn end(mut self, kept: &[KeptLedger]) -> io::Result<()> {
        let mut seen = Vec::new();
        kept.iter().for_each(|ledger| ledger.seen_since(self.since, &mut seen));
        let written = self.write(&seen);
        if self.empty { fs::remove_file(&self.path) } else { written }
    }

    fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        self.empty &= frames.is_empty();
        self.file.write_all(frames)
    }
}

/// The side that reads.
pub struct LateFile {
    path: PathBuf,
    file: File,
    /// Not a whole frame yet.
    unread: Vec<u8>,
    /// Its first line was read.
    begun: bool,
}

impl LateFile {
    /// Those in the folder.
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let late =
            entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(NAME)));
        let open = |path: PathBuf| {
            let file = File::open(&path).ok()?;
            Some(Self { path, file, unread: Vec::new(), begun: false })
        };
        late.take(MOST).filter_map(|entry| open(entry.path())).collect()
    }

    /// Takes what was written since. False once nobody writes any more, or what is there cannot be read: the
    /// file is removed then.
    pub fn follow(&mut self, table: &Table) -> bool {
        // asked before the last look, so that nothing comes after it
        let over = self.file.try_lock().is_ok();
        loop {
            match self.read(table) {
                Ok(true) => {}
                Ok(false) if !over => return true,
                Ok(false) => break,
                Err(why) => {
                    warn!("{}: {why}: what comes after that place in it is lost", self.path.display());
                    break;
                }
            }
        }
        let _ = fs::remove_file(&self.path);
        false
    }

    /// Reads on. False if there was nothing more.
    fn read(&mut self, table: &Table) -> Result<bool, Error> {
        let more = (&self.file).take(STEP).read_to_end(&mut self.unread).map_err(Error::Io)?;
        let mut left = &self.unread[..];
        if !self.begun {
            if left.len() < FIRST_LINE.len() {
                return Ok(more > 0);
            }
            FrameReader::new(&mut left)?;
            self.begun = true;
        }
        loop {
            let mut reader = FrameReader::within(left);
            match reader.next() {
                Ok(Some(frame)) => take(&frame, table),
                Ok(None) | Err(Error::CutShort) => break,
                Err(why) => return Err(why),
            }
            left = reader.rest();
        }
        let read = self.unread.len() - left.len();
        self.unread.drain(..read);
        Ok(more > 0)
    }
}

/// Learns what is news in a frame. That a session is over is none: the other process has not seen who came
/// here since, and what is over falls idle here, too.
fn take(frame: &Frame<'_>, table: &Table) {
    let Some(cluster) = table.known().find(|c| *c.name == *frame.cluster && is_kept(c)) else { return };
    let of = |name: &&str| cluster.nodes().find(|node| *node.spec.name == **name).map(|node| node.live.slot);
    let slots: Vec<Option<u32>> = frame.nodes.iter().map(of).collect();
    let slot = |number: u32| slots.get(number as usize).copied().flatten();
    let (times, now) = (Times::now(), Now::look());
    let idle = cluster.idle_secs();
    for record in &frame.sessions {
        let SessionRecord::Lives { session, node, first, last, confirmed, from } = *record else { continue };
        let Some(on) = slot(node) else { continue };
        let seen = KnownSession {
            slot: on,
            first: times.mono_of(first),
            last: times.mono_of(last),
            standing: standing(cluster, confirmed),
        };
        cluster.live.hear_of(session, seen, from.and_then(slot), (now, idle));
    }
}
