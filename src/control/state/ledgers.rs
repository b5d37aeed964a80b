//! Keeps the ledgers of all clusters in one file. Each ledger notes which of its sessions changed; a thread of its own asks it
//! many times a second what is true of those now, and appends that. So the order in which requests changed something does not
//! matter, and a kill loses what the last moment brought. Where sessions stand in the ledger alone, their first change wakes the
//! thread. Now and then everything is written anew, to a file that replaces the one before: that keeps the file in bounds, and when
//! each session was last seen with it. The disk is waited for elsewhere, so that what happens meanwhile is appended all the same.
//!
//! What is appended is left to the kernel: a kill of the process loses none of it, a power cut what was not yet on the disk.

#[cfg(test)]
mod tests;

use super::StateDir;
use super::frames::{FIRST_LINE, Frame, Record};
use super::load::{Damage, Times, is_kept, load};
use crate::base::clock;
use crate::base::tasks::kept_thread;
use crate::table::ledger::Seen;
use crate::table::{ClusterLive, Current, Table};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};
use tracing::warn;

/// The file's name in the state folder.
const FILE: &str = "ledgers";
/// How often changes are appended that wake nobody; in a test never, so that a missing call for the writer shows.
const TICK: Duration = if cfg!(test) { Duration::from_secs(3600) } else { Duration::from_millis(50) };
/// Changes within so long of an append go into one.
const TOGETHER: Duration = Duration::from_millis(2);
/// Sessions in a frame.
const FRAME: usize = 2048;
/// Sessions written at one tick to a file that is to replace the present one.
const STEP: usize = if cfg!(test) { 16 } else { 64 << 10 };
/// Everything is written anew when as much as that and this was appended.
const SLACK: u64 = 1 << 20;
/// It is also written anew when this part of the shortest `session-idle` or `max-idle` has passed: by so much a session may be
/// forgotten too soon after a kill.
const PART_OF_IDLE: u32 = 20;
/// At least and at most.
const PERIOD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// Pause before writing is tried again after it failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the end waits for a disk that does not write.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread that writes.
pub struct Keeper {
    thread: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Keeper {
    /// Gives the ledgers of the table what the file remembers, and keeps them from then on. To be called before the first
    /// request.
    pub fn start(dir: Arc<StateDir>, current: Arc<Current>) -> Self {
        let damage = load(&dir.path(FILE), &current.load());
        if !dir.is_held() {
            if let Some(Damage { why, cost }) = damage {
                dir.set_aside(FILE, why, &cost);
            }
            return Self { thread: None };
        }
        let mut writer = Writer::new(dir, current, damage);
        // at once, so that what is appended never follows what could not be read
        writer.write_all_anew();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let mut begun = false;
        let thread = thread::Builder::new().name("ledgers".into()).spawn(move || {
            kept_thread("the writer of the ledgers", || {
                // after a fault nobody knows what the file tells
                writer.lacking |= std::mem::replace(&mut begun, true);
                writer.run(&stopped);
            });
        });
        match thread {
            Ok(thread) => Self { thread: Some((stop, thread)) },
            Err(error) => {
                warn!("no thread for the ledgers: {error}; sessions will not outlive this process");
                Self { thread: None }
            }
        }
    }

    /// Writes everything a last time. A disk that does not write is waited for five seconds.
    pub fn close(&mut self) {
        let Some((stop, writer)) = self.thread.take() else { return };
        stop.store(true, Relaxed);
        writer.thread().unpark();
        let deadline = clock::instant() + PATIENCE;
        while !writer.is_finished() && clock::instant() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        if writer.is_finished() {
            drop(writer.join());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.close();
    }
}

/// The writing side.
struct Writer {
    dir: Arc<StateDir>,
    current: Arc<Current>,
    /// The thread it runs on; none while somebody waits for it.
    thread: Option<Thread>,
    /// The newest table whose clusters are known.
    revision: u64,
    /// Clusters that have a ledger worth its name.
    kept: Vec<(Arc<str>, Arc<ClusterLive>)>,
    /// Where changes are appended.
    file: Option<Output>,
    /// What is to replace it.
    next: Option<Rewrite>,
    /// The file does not tell everything: it is to be written anew.
    lacking: bool,
    /// When it is to be written anew for the times that sessions were last seen.
    due: Instant,
    period: Duration,
    /// Times before this one are in the file.
    since: u32,
    not_before: Instant,
    /// Of the file that was found: why it is to be set aside, and what that costs.
    damage: Option<Damage>,
}

/// A file, and how much was written to it.
struct Output {
    file: File,
    length: u64,
    /// Its length when it took its place.
    whole: u64,
}

/// A file that is being filled with everything.
struct Rewrite {
    out: Output,
    /// The next part: cluster and part of its ledger.
    at: (usize, usize),
    began: u32,
    /// It has everything, and is being put on the disk and in its place.
    settling: Option<JoinHandle<io::Result<()>>>,
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

impl Writer {
    fn new(dir: Arc<StateDir>, current: Arc<Current>, damage: Option<Damage>) -> Self {
        let now = clock::instant();
        Self {
            dir,
            current,
            thread: None,
            revision: 0,
            kept: Vec::new(),
            file: None,
            next: None,
            lacking: true,
            due: now,
            period: PERIOD.1,
            since: 0,
            not_before: now,
            damage,
        }
    }

    fn run(&mut self, stopped: &AtomicBool) {
        // the table is looked at again: from here on there is somebody to wake
        (self.thread, self.revision) = (Some(thread::current()), 0);
        while !stopped.load(Relaxed) {
            self.tick();
            thread::sleep(TOGETHER);
            thread::park_timeout(TICK);
        }
        self.thread = None;
        self.write_all_anew();
    }

    /// Writes everything to a new file, in one go.
    fn write_all_anew(&mut self) {
        self.abandon();
        (self.lacking, self.not_before) = (true, clock::instant());
        self.tick();
        while self.next.is_some() {
            self.tick();
        }
    }

    /// Appends what has changed, and goes on with a new file if one is due. A failure is told once, and everything written anew
    /// when that is possible again.
    fn tick(&mut self) {
        let mut changes = Vec::new();
        self.lacking |= !self.changes(&mut changes);
        // afterwards: which ledgers are kept decides which changes are noted from now on
        self.follow();
        let written = self.append(&changes).and_then(|()| self.renew());
        if written.is_err() {
            // what reached the disk may be half a frame: nothing may follow it
            self.abandon();
            (self.file, self.lacking) = (None, true);
            self.not_before = clock::instant() + PAUSE;
            let _ = fs::remove_file(self.dir.beside(FILE));
        }
        if written.is_err() || self.file.is_some() {
            self.dir.tell(FILE, &written);
        }
    }

    /// Drops the file that is being filled. One that is on its way to its place takes it first, so that it cannot take it later.
    fn abandon(&mut self) {
        let settling = self.next.take().and_then(|next| next.settling);
        settling.into_iter().for_each(|settling| drop(settling.join()));
    }

    /// Learns from a new table which ledgers are to be kept, and which of them cannot wait.
    fn follow(&mut self) {
        let table = self.current.load_full();
        if table.revision == self.revision {
            return;
        }
        self.revision = table.revision;
        let kept: Vec<_> = table.known().filter(|c| is_kept(c)).map(|c| (c.name.clone(), c.live.clone())).collect();
        self.period = period(&table);
        self.due = self.due.min(clock::instant() + self.period);
        if !kept.iter().map(|(_, live)| Arc::as_ptr(live)).eq(self.kept.iter().map(|(_, live)| Arc::as_ptr(live))) {
            self.kept.iter().for_each(|(_, live)| live.ledger.note_changes(false));
            kept.iter().for_each(|(_, live)| live.ledger.note_changes(true));
            (self.kept, self.lacking) = (kept, true);
            // one that is on its way to its place is followed by another
            self.next = self.next.take().filter(|next| next.settling.is_some());
        }
        for cluster in table.known().filter(|c| is_kept(c)) {
            cluster.live.ledger.wakes(self.thread.clone().filter(|_| cluster.affinity.stands_in_ledger()));
        }
    }

    /// What is true now of sessions that have changed. False if there were more than could be noted.
    fn changes(&self, out: &mut Vec<u8>) -> bool {
        let mut all = true;
        for (name, live) in &self.kept {
            let mut found = Vec::new();
            all &= live.ledger.changes(&mut found);
            encode(name, live, &found, out);
        }
        all
    }

    /// Appends to the file, and to the one that is to replace it.
    fn append(&mut self, changes: &[u8]) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let next = self.next.as_mut().map(|next| &mut next.out);
        self.file.iter_mut().chain(next).try_for_each(|out| out.write(changes))
    }

    /// Begins a new file if one is due; goes on with one that was begun; puts it in its place when it has everything.
    fn renew(&mut self) -> io::Result<()> {
        if self.next.is_none() {
            if !self.is_due() {
                return Ok(());
            }
            let mut out = Output { file: self.dir.create(FILE)?, length: 0, whole: 0 };
            out.write(FIRST_LINE)?;
            self.next = Some(Rewrite { out, at: (0, 0), began: clock::monotonic_secs(), settling: None });
            self.lacking = false;
        }
        let Some(next) = &mut self.next else { return Ok(()) };
        if next.settling.is_none() {
            let mut bytes = Vec::new();
            let whole = next.gather(&self.kept, &mut bytes);
            next.out.write(&bytes)?;
            if !whole {
                return Ok(());
            }
            self.settle()?;
        }
        let settling = self.next.as_ref().and_then(|next| next.settling.as_ref());
        if settling.is_some_and(|settling| !settling.is_finished()) {
            return Ok(());
        }
        let Some(Rewrite { mut out, began, settling, .. }) = self.next.take() else { return Ok(()) };
        if let Some(settling) = settling {
            settling.join().map_err(|_| io::Error::other("it broke off"))??;
        }
        out.whole = out.length;
        (self.file, self.since, self.due) = (Some(out), began, clock::instant() + self.period);
        Ok(())
    }

    /// Puts the file that has everything on the disk and in its place: on a thread of its own if nobody waits for that.
    fn settle(&mut self) -> io::Result<()> {
        let Some(next) = &mut self.next else { return Ok(()) };
        if self.thread.is_some() && self.damage.is_none() {
            let (dir, file) = (self.dir.clone(), next.out.file.try_clone()?);
            let settle = move || file.sync_data().and_then(|()| dir.install(FILE));
            next.settling = Some(thread::Builder::new().name("ledgers-disk".into()).spawn(settle)?);
            return Ok(());
        }
        next.out.file.sync_data()?;
        if let Some(Damage { why, cost }) = self.damage.take() {
            self.dir.set_aside(FILE, why, &cost);
        }
        self.dir.install(FILE)
    }

    fn is_due(&mut self) -> bool {
        let now = clock::instant();
        let Some(file) = self.file.as_ref().filter(|_| !self.lacking) else { return now >= self.not_before };
        if file.length > 2 * file.whole + SLACK {
            return true;
        }
        if now < self.due {
            return false;
        }
        self.due = now + self.period;
        self.kept.iter().any(|(_, live)| live.ledger.any_seen_since(self.since))
    }
}

impl Rewrite {
    /// The next sessions. True when there are no more.
    fn gather(&mut self, kept: &[(Arc<str>, Arc<ClusterLive>)], out: &mut Vec<u8>) -> bool {
        let mut room = STEP;
        while let Some((name, live)) = kept.get(self.at.0) {
            let mut found = Vec::new();
            while room > found.len() && live.ledger.part(self.at.1, &mut found) {
                self.at.1 += 1;
            }
            encode(name, live, &found, out);
            if found.len() >= room {
                return false;
            }
            room -= found.len();
            self.at = (self.at.0 + 1, 0);
        }
        true
    }
}

/// How often the times reach the file that sessions were last seen.
fn period(table: &Table) -> Duration {
    let idle = table.known().filter(|c| is_kept(c)).map(|c| {
        let most = c.affinity.max_idle().map_or(Duration::MAX, Duration::from_secs);
        c.conf.session_idle.get().min(most)
    });
    idle.min().map_or(PERIOD.1, |idle| (idle / PART_OF_IDLE).clamp(PERIOD.0, PERIOD.1))
}

/// Writes what was found of a cluster's sessions. The roster is looked at afterwards: a slot that was reused in between was empty
/// before, so the session that was found in it is on its new node.
fn encode(name: &str, live: &ClusterLive, found: &[(u64, Option<Seen>)], out: &mut Vec<u8>) {
    let roster = live.roster.load();
    let times = Times::now();
    for some in found.chunks(FRAME) {
        let mut nodes = Vec::new();
        let mut numbers = HashMap::new();
        let mut number = |slot: u32| {
            let name: &str = &roster.lives.get(slot as usize)?.name;
            Some(*numbers.entry(slot).or_insert_with(|| {
                nodes.push(name);
                nodes.len() as u32 - 1
            }))
        };
        let mut record = |session: u64, seen: Option<Seen>| {
            let Some((seen, node)) = seen.and_then(|seen| Some((seen, number(seen.slot)?))) else { return Record::Over(session) };
            let from = live.moved_from(session, seen.slot).and_then(&mut number);
            let (first, last) = (times.unix_of(seen.first), times.unix_of(seen.last));
            Record::Lives { session, node, first, last, confirmed: seen.confirmed, from }
        };
        let sessions = some.iter().map(|&(session, seen)| record(session, seen)).collect();
        Frame { cluster: name, nodes, sessions }.encode(out);
    }
}
