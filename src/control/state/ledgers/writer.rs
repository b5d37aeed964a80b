//! The side that writes: appends what changed, and begins a new file where one is due.

use super::StateDir;
use super::kept::KeptLedger;
use super::late::{LateFile, LateWriter};
use super::load::{Damage, is_kept};
use super::rewrite::{AppendFile, LedgerRewrite};
use crate::base::clock;
use crate::ledger::FollowResult;
use crate::table::{Current, Table};
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tracing::warn;

/// The file's name in the state folder.
pub const FILE: &str = "ledgers";
/// How often changes are appended that wake nobody; in a test never, so that a missing call for the writer
/// shows.
const TICK: Duration = if cfg!(test) { Duration::from_secs(3600) } else { Duration::from_millis(50) };
/// While changes keep coming, those of so long go into one append: at first and at last. One that comes after
/// a pause is appended at once, so that a kill takes as little as can be.
const TOGETHER: (Duration, Duration) = (Duration::from_micros(125), Duration::from_millis(2));
/// Everything is written anew when as much as that and this was appended.
pub const SLACK: u64 = 1 << 20;
/// It is also written anew when this part of the shortest `session-idle` or `max-idle` has passed: by so much
/// a session may be forgotten too soon after a kill.
const PART_OF_IDLE: u32 = 20;
/// At least and at most.
const PERIOD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// How often it is looked at what others still write.
const OTHERS: Duration = Duration::from_millis(2);
/// Pause before writing is tried again after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What the thread is told.
pub enum LedgerOrder {
    /// Write everything, and nothing to this file after that. The answer: whether it is written.
    HandOff(Sender<bool>),
    /// Write everything a last time, and end.
    End,
}

/// The writing side.
pub struct LedgerWriter {
    dir: Arc<StateDir>,
    current: Arc<Current>,
    /// Calls the thread it runs on; none while somebody waits for it.
    pub waker: Option<Waker>,
    /// The newest table whose clusters are known.
    revision: u64,
    /// Ledgers worth their name.
    kept: Vec<KeptLedger>,
    /// Where changes are appended.
    pub file: Option<AppendFile>,
    /// What is to replace it.
    pub next: Option<LedgerRewrite>,
    /// The file does not tell everything: it is to be written anew.
    pub lacking: bool,
    /// When it is to be written anew for the times that sessions were last seen.
    pub due: Instant,
    period: Duration,
    /// Times before this one are in the file.
    since: u32,
    pub not_before: Instant,
    /// Where what changes goes since the file was handed over.
    pub late: Option<LateWriter>,
    /// What processes that were told to end still learn.
    others: Vec<LateFile>,
    /// Of the file that was found: why it is to be set aside, and what that costs.
    damage: Option<Damage>,
}

impl LedgerWriter {
    /// Has written nothing yet.
    pub fn new(dir: Arc<StateDir>, current: Arc<Current>, damage: Option<Damage>) -> Self {
        let others = LateFile::all(&dir.path(""));
        let now = clock::instant();
        Self {
            dir,
            current,
            waker: None,
            revision: 0,
            kept: Vec::new(),
            file: None,
            next: None,
            lacking: true,
            due: now,
            period: PERIOD.1,
            since: 0,
            not_before: now,
            late: None,
            others,
            damage,
        }
    }

    /// The ledgers that are kept.
    #[cfg(test)]
    pub fn kept(&self) -> &[KeptLedger] {
        &self.kept
    }

    /// Writes until it is told to end.
    pub fn run(&mut self, orders: &Receiver<LedgerOrder>) {
        // the table is looked at again: from here on there is somebody to wake
        (self.waker, self.revision) = (Some(Arc::new(ThreadWaker(thread::current())).into()), 0);
        let mut gathers = Duration::ZERO;
        loop {
            match orders.try_recv() {
                Ok(LedgerOrder::HandOff(told)) => drop(told.send(self.hand_off())),
                Ok(LedgerOrder::End) | Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {}
            }
            self.tick();
            thread::sleep(gathers);
            let idle_since = clock::instant();
            thread::park_timeout(if self.others.is_empty() { TICK } else { OTHERS });
            gathers = gathers_next(gathers, clock::since(idle_since));
        }
        self.waker = None;
        match self.late.take().map(|late| late.end(&self.kept)) {
            None => self.write_all_anew(),
            Some(Ok(())) => {}
            Some(Err(error)) => warn!("what was seen of sessions last is not saved: {error}"),
        }
    }

    /// Writes everything, and from then on what changes to a file of this process alone. False if that does
    /// not work: all goes on as before.
    pub fn hand_off(&mut self) -> bool {
        let waker = self.waker.take();
        let now = clock::monotonic_secs();
        self.write_all_anew();
        self.waker = waker;
        if self.file.is_none() || self.lacking {
            return false;
        }
        match LateWriter::begin(&self.dir, now) {
            Ok(late) => self.late = Some(late),
            Err(error) => warn!("the state folder is not given up before the end: {error}"),
        }
        self.late.is_some()
    }

    /// Learns what others still write that were told to end.
    pub fn follow_others(&mut self) {
        let table = self.current.load();
        self.others.retain_mut(|other| other.follow(&table));
    }

    /// Writes everything to a new file, in one go.
    pub fn write_all_anew(&mut self) {
        self.abandon();
        (self.lacking, self.not_before) = (true, clock::instant());
        self.tick();
        while self.next.is_some() {
            self.tick();
        }
    }

    /// Appends what has changed, and goes on with a new file if one is due. A failure is told once, and
    /// everything written anew when that is possible again.
    pub fn tick(&mut self) {
        self.follow_table();
        if !self.others.is_empty() {
            self.follow_others();
        }
        if let Some(late) = &mut self.late {
            // the end says all of it again, and whether it could
            let _ = late.append(&mut self.kept);
            return;
        }
        let mut changes = Vec::new();
        for kept in &mut self.kept {
            self.lacking |= kept.changes(&mut changes) == FollowResult::NotAll;
        }
        let written = self.append(&changes).and_then(|()| self.renew());
        if written.is_err() {
            // what reached the disk may be half a frame: nothing may follow it
            self.abandon();
            (self.file, self.lacking) = (None, true);
            self.not_before = clock::instant() + PAUSE;
            let _ = fs::remove_file(self.dir.beside(FILE));
        }
        if written.is_err() || self.file.is_some() {
            self.dir.note_outcome(FILE, &written);
        }
    }

    /// Drops the file that is being filled. One that is on its way to its place takes it first, so that it
    /// cannot take it later.
    fn abandon(&mut self) {
        let settling = self.next.take().and_then(|next| next.settling);
        settling.into_iter().for_each(|settling| drop(settling.join()));
    }

    /// Learns from a new table which ledgers are to be kept, and which of them cannot wait.
    fn follow_table(&mut self) {
        let table = self.current.load_full();
        if table.revision == self.revision {
            return;
        }
        self.revision = table.revision;
        self.period = period(&table);
        self.due = self.due.min(clock::instant() + self.period);
        let clusters: Vec<_> = table.known().filter(|c| is_kept(c)).collect();
        let before = self.kept.len();
        self.kept.retain(|kept| clusters.iter().any(|cluster| kept.is_of(&cluster.live)));
        let staying = self.kept.len();
        for cluster in clusters {
            let known = self.kept.iter().position(|kept| kept.is_of(&cluster.live));
            let at = known.unwrap_or(self.kept.len());
            if known.is_none() {
                self.kept.push(KeptLedger::new(cluster.live.clone()));
            }
            self.kept[at].wakes(self.waker.clone().filter(|_| cluster.affinity.stands_in_ledger()));
        }
        if before > staying || self.kept.len() > staying {
            self.lacking = true;
            // one that is on its way to its place is followed by another
            self.next = self.next.take().filter(|next| next.settling.is_some());
        }
    }

    /// Appends to the file, and to the one that is to replace it.
    fn append(&mut self, changes: &[u8]) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let next = self.next.as_mut().map(|next| &mut next.out);
        self.file.iter_mut().chain(next).try_for_each(|out| out.write(changes))
    }

    /// Begins a new file if one is due; goes on with one that was begun; puts it in its place when it has
    /// everything.
    fn renew(&mut self) -> io::Result<()> {
        if self.next.is_none() {
            if !self.is_due() {
                return Ok(());
            }
            self.next = Some(LedgerRewrite::begin(self.dir.create(FILE)?, clock::monotonic_secs())?);
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
            self.install()?;
        }
        let settling = self.next.as_ref().and_then(|next| next.settling.as_ref());
        if settling.is_some_and(|settling| !settling.is_finished()) {
            return Ok(());
        }
        let Some(LedgerRewrite { mut out, began, settling, .. }) = self.next.take() else { return Ok(()) };
        if let Some(settling) = settling {
            settling.join().map_err(|_| io::Error::other("it broke off"))??;
        }
        out.whole = out.length;
        (self.file, self.since, self.due) = (Some(out), began, clock::instant() + self.period);
        Ok(())
    }

    /// Puts the file that has everything on the disk and in its place: on a thread of its own if nobody waits
    /// for that.
    fn install(&mut self) -> io::Result<()> {
        let Some(next) = &mut self.next else { return Ok(()) };
        if self.waker.is_some() && self.damage.is_none() {
            let (dir, file) = (self.dir.clone(), next.out.file.try_clone()?);
            let install = move || file.sync_data().and_then(|()| dir.install(FILE));
            next.settling = Some(thread::Builder::new().name("ledgers-disk".into()).spawn(install)?);
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
        self.kept.iter().any(|kept| kept.any_seen_since(self.since))
    }
}

/// How long changes are gathered after the next append: it was so long before, and then nothing came for that
/// long.
pub fn gathers_next(before: Duration, idle: Duration) -> Duration {
    if idle > TOGETHER.1 { Duration::ZERO } else { (before * 2).clamp(TOGETHER.0, TOGETHER.1) }
}

/// How often the times reach the file that sessions were last seen.
pub fn period(table: &Table) -> Duration {
    let idle = table.known().filter(|c| is_kept(c)).map(|c| {
        let most = c.affinity.max_idle().map_or(Duration::MAX, Duration::from_secs);
        c.conf.session_idle.get().min(most)
    });
    idle.min().map_or(PERIOD.1, |idle| (idle / PART_OF_IDLE).clamp(PERIOD.0, PERIOD.1))
}

/// Ends the sleep of a thread.
struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
