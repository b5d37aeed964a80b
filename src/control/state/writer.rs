//! Documents are written by a thread of their own, so that nobody who decides waits for the disk. Of a
//! document only the newest that waits is written: whoever asked for an older one has what he asked for then,
//! and more. One that could not be written is tried again, unless a newer one has come.

use super::{StateDir, Stored};
use crate::base::background::Background;
use crate::base::tasks::kept_thread;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tracing::warn;

/// Pause before writing is tried again after it failed.
const PAUSE: Duration = if cfg!(test) { Duration::from_millis(10) } else { Duration::from_secs(1) };
/// How long the end waits for a disk that does not write.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hands documents to the thread that writes.
pub struct StateWriter {
    dir: Arc<StateDir>,
    queue: Arc<StateQueue>,
    thread: Cell<Option<Background>>,
}

/// Known once what was handed in, or something newer, is on the disk, or could not be put there.
#[derive(Debug, Clone)]
pub struct Saved(watch::Receiver<Option<NotSaved>>);

/// Why a restart now would undo what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSaved {
    /// The disk has not taken it within this time, and may still.
    Late(Duration),
    /// The disk does not take it; it is tried again each second.
    Refused(Arc<str>),
    /// The folder could not be used when the process began.
    NoFolder,
}

impl fmt::Display for NotSaved {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("it is in force and not saved: ")?;
        match self {
            Self::Late(time) => {
                write!(out, "the disk of state-dir has not taken it within {} s", time.as_secs())?
            }
            Self::Refused(why) => write!(out, "state-dir cannot be written ({why})")?,
            Self::NoFolder => out.write_str("state-dir cannot be used, as the log said at the start")?,
        }
        out.write_str("; a restart now would undo it")
    }
}

/// Where documents wait, the one that has waited longest in front.
#[derive(Default)]
struct StateQueue {
    waiting: Mutex<QueuedWrites>,
    news: Condvar,
}

#[derive(Default)]
struct QueuedWrites {
    documents: VecDeque<Queued>,
    closed: bool,
}

/// Writes a document.
type WriteDocument = Box<dyn Fn(&StateDir) -> io::Result<()> + Send>;

/// A document to be written.
struct Queued {
    name: &'static str,
    write: WriteDocument,
    /// Told once it was tried, and gone then.
    tried: Option<watch::Sender<Option<NotSaved>>>,
}

impl StateWriter {
    /// Starts the thread.
    pub fn start(dir: Arc<StateDir>) -> std::io::Result<Self> {
        let queue = Arc::<StateQueue>::default();
        let (theirs, writes_to) = (queue.clone(), dir.clone());
        let thread = Background::start("state", move || {
            kept_thread("the writer of the state", || theirs.write_all(&writes_to))
        })?;
        Ok(Self { dir, queue, thread: Cell::new(Some(thread)) })
    }

    /// The folder that is written to.
    pub fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// Has a document saved in place of the one before. A failure is told in the log.
    pub fn write<T: Stored + Send + Sync + 'static>(&self, name: &'static str, value: Arc<T>) -> Saved {
        if !self.dir.is_held() {
            return Saved(watch::channel(Some(NotSaved::NoFolder)).1);
        }
        let write = Box::new(move |dir: &StateDir| dir.write(name, &*value));
        let mut waiting = self.queue.lock();
        let saved = match waiting.documents.iter_mut().find(|known| known.name == name) {
            Some(known) => {
                known.write = write;
                known.tried.get_or_insert_with(|| watch::channel(None).0).subscribe()
            }
            None => {
                let (tried, saved) = watch::channel(None);
                waiting.documents.push_back(Queued { name, write, tried: Some(tried) });
                saved
            }
        };
        self.queue.news.notify_one();
        Saved(saved)
    }

    /// Writes what waits, and nothing after that. A disk that does not write is waited for five seconds; false
    /// if it is at that still.
    pub fn close(&self) -> bool {
        self.queue.lock().closed = true;
        self.queue.news.notify_one();
        let ended = self.thread.take().is_none_or(|thread| thread.ends_within(PATIENCE));
        if !ended {
            warn!(
                "the disk of {} does not write: what was changed last may be lost",
                self.dir.path("").display()
            );
        }
        ended
    }
}

impl Saved {
    /// Of what changes nothing that is written down.
    pub fn nothing() -> Self {
        Self(watch::channel(None).1)
    }

    /// Waits for it no longer than this; why a restart would undo it, if it would.
    pub async fn within(&mut self, patience: Duration) -> Option<NotSaved> {
        tokio::time::timeout(patience, self.wait()).await.unwrap_or(Some(NotSaved::Late(patience)))
    }

    /// Waits for it; why it is not saved, if it is not. Cheap to give up.
    pub async fn wait(&mut self) -> Option<NotSaved> {
        while self.0.changed().await.is_ok() {}
        self.0.borrow().clone()
    }
}

impl StateQueue {
    fn lock(&self) -> MutexGuard<'_, QueuedWrites> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes, until it is closed.
    fn write_all(&self, dir: &StateDir) {
        let mut failed = false;
        while let Some(mut document) = self.next(failed) {
            let written = (document.write)(dir);
            failed = written.is_err();
            if let (Some(tried), Err(error)) = (document.tried.take(), written) {
                tried.send_replace(Some(NotSaved::Refused(error.to_string().into())));
            }
            if failed {
                self.put_back(document);
            }
        }
    }

    /// The document that has waited longest. After a failure nothing is tried for a moment; at the end, once
    /// more.
    fn next(&self, failed: bool) -> Option<Queued> {
        let mut waiting = self.lock();
        if failed && !waiting.closed {
            let open = |waiting: &mut QueuedWrites| !waiting.closed;
            waiting =
                self.news.wait_timeout_while(waiting, PAUSE, open).unwrap_or_else(PoisonError::into_inner).0;
        }
        loop {
            match waiting.documents.pop_front() {
                Some(document) => return Some(document),
                None if waiting.closed => return None,
                None => waiting = self.news.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// It is tried again, unless a newer one waits or this was the last time.
    fn put_back(&self, document: Queued) {
        let mut waiting = self.lock();
        if !waiting.closed && !waiting.documents.iter().any(|newer| newer.name == document.name) {
            waiting.documents.push_back(document);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Notes, folder, notes, open};
    use super::*;
    use std::fs::{self, File};
    use std::process::Command;

    /// A disk that does not write this document until the pipe in its way is read: then it has failed once,
    /// and writes again.
    fn block(dir: &StateDir, name: &str) {
        let made = Command::new("mkfifo").arg(dir.path(&format!("{name}.json.new"))).status();
        assert!(made.unwrap().success());
    }

    fn unblock(dir: &StateDir, name: &str) {
        std::io::copy(&mut File::open(dir.path(&format!("{name}.json.new"))).unwrap(), &mut std::io::sink())
            .unwrap();
    }

    /// Until the thread has taken what was handed in.
    fn is_taken(writer: &StateWriter) {
        while !writer.queue.lock().documents.is_empty() {
            std::thread::yield_now();
        }
    }

    fn is_open(saved: &Saved) -> bool {
        saved.0.has_changed().is_ok()
    }

    fn read(dir: &StateDir, name: &str) -> Notes {
        dir.read(name, "they start empty")
    }

    #[tokio::test]
    async fn a_slow_disk_keeps_nobody_waiting_who_does_not_ask_and_the_newest_is_written() {
        let folder = folder();
        let writer = StateWriter::start(Arc::new(open(&folder))).unwrap();
        block(writer.dir(), "notes");
        let mut all = vec![writer.write("notes", Arc::new(notes(1)))];
        is_taken(&writer);
        all.extend((2..5).map(|n| writer.write("notes", Arc::new(notes(n)))));
        let mut other = writer.write("other", Arc::new(notes(9)));
        assert!(all.iter().chain([&other]).all(is_open), "nothing is on the disk");
        assert_eq!(writer.queue.lock().documents.len(), 2, "of each the newest alone waits");
        unblock(writer.dir(), "notes");
        for saved in &mut all {
            saved.wait().await;
        }
        assert_eq!(read(writer.dir(), "notes"), notes(4));
        other.wait().await;
        assert_eq!(read(writer.dir(), "other"), notes(9));
        assert!(!all.iter().chain([&other]).any(is_open));
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_written_when_it_can_be() {
        let folder = folder();
        let writer = StateWriter::start(Arc::new(open(&folder))).unwrap();
        let way = writer.dir().path("notes.json.new");
        fs::create_dir(&way).unwrap();
        let told = writer.write("notes", Arc::new(notes(3))).wait().await;
        assert!(matches!(told, Some(NotSaved::Refused(_))), "{told:?}");
        assert_eq!(writer.dir().unsaved(), ["notes.json"]);
        assert_eq!(
            read(writer.dir(), "notes"),
            Notes::new(),
            "whoever asked is not kept by a disk that fails"
        );
        fs::remove_dir(&way).unwrap();
        while read(writer.dir(), "notes") != notes(3) || !writer.dir().unsaved().is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        assert_eq!(writer.write("notes", Arc::new(notes(4))).wait().await, None);
    }

    #[tokio::test]
    async fn the_end_writes_what_waits_and_does_not_wait_for_ever() {
        let folder = folder();
        let writer = StateWriter::start(Arc::new(open(&folder))).unwrap();
        fs::create_dir(writer.dir().path("broken.json.new")).unwrap();
        for n in 1..20 {
            writer.write("broken", Arc::new(notes(n)));
            writer.write("notes", Arc::new(notes(n)));
        }
        writer.close();
        assert_eq!(read(writer.dir(), "notes"), notes(19));
    }

    #[tokio::test]
    async fn a_folder_that_is_not_ours_is_not_waited_for() {
        let folder = folder();
        let path = folder.path().join("file");
        fs::write(&path, "in the way").unwrap();
        let writer = StateWriter::start(Arc::new(StateDir::open(&path.join("state")).unwrap())).unwrap();
        let told = writer.write("notes", Arc::new(notes(1))).wait().await;
        assert_eq!((told, writer.dir().unsaved().len()), (Some(NotSaved::NoFolder), 1));
        writer.close();
    }
}
