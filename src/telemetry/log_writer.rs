//! Carries access-log lines from the workers to one thread that writes them. A slow reader costs lines, never
//! requests.

use super::destination::LogDestination;
use super::log_fields::LogEntry;
use super::log_format::Format;
use crate::base::background::Background;
use crate::base::clock;
use crate::base::tasks::kept_thread;
use crate::config::model::AccessLog;
use arc_swap::ArcSwap;
use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A worker's lines are handed over when there are so many bytes of them.
const FULL: usize = 32 << 10;
/// Buffers on their way at one time; with `FULL` this bounds the memory.
const BUFFERS: usize = 64;
/// How long the end waits for a reader that does not read.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lost lines are told of so often.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Lines of one worker on their way.
struct Lines {
    text: Vec<u8>,
    count: u64,
}

#[derive(Debug, Default)]
struct WriterSignals {
    reopen: AtomicBool,
    closing: AtomicBool,
    losses: Arc<LogLosses>,
}

/// Lines that were lost since the start of the process, however often the log went elsewhere since.
#[derive(Debug, Default)]
struct LogLosses {
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Where the access log goes now.
pub type CurrentLog = ArcSwap<LogWriter>;

/// The access log, shared by all workers.
#[derive(Debug)]
pub struct LogWriter {
    format: Format,
    sender: Option<SyncSender<Lines>>,
    signals: Arc<WriterSignals>,
    thread: Mutex<Option<Background>>,
}

impl LogWriter {
    /// Opens the log and starts its thread; with `to = "off"` there is neither. A relative file is in
    /// `folder`.
    pub fn start(conf: &AccessLog, folder: &Path) -> io::Result<Arc<Self>> {
        Self::open(conf, folder, Arc::default())
    }

    /// The log that is to take the place of this one, which ends once nobody holds it any more.
    pub fn successor(&self, conf: &AccessLog, folder: &Path) -> io::Result<Arc<Self>> {
        Self::open(conf, folder, self.signals.losses.clone())
    }

    fn open(conf: &AccessLog, folder: &Path, losses: Arc<LogLosses>) -> io::Result<Arc<Self>> {
        let format = conf.format.into();
        match LogDestination::open(&conf.to, folder)? {
            Some(destination) => Self::with(format, destination, losses),
            None => {
                let signals = Arc::new(WriterSignals { losses, ..WriterSignals::default() });
                Ok(Arc::new(Self { format, sender: None, signals, thread: Mutex::new(None) }))
            }
        }
    }

    fn with(format: Format, destination: LogDestination, losses: Arc<LogLosses>) -> io::Result<Arc<Self>> {
        let (sender, receiver) = sync_channel(BUFFERS);
        let signals = Arc::new(WriterSignals { losses, ..WriterSignals::default() });
        let shared = Arc::clone(&signals);
        let thread = Background::start("access-log", move || {
            let mut destination = destination;
            kept_thread("the access log", || run(&mut destination, &receiver, &shared));
        })?;
        Ok(Arc::new(Self { format, sender: Some(sender), signals, thread: Mutex::new(Some(thread)) }))
    }

    /// False when there is no access log: a caller may then spare itself the record.
    pub fn on(&self) -> bool {
        self.sender.is_some()
    }

    /// Whether its lines tell how many connections there are.
    fn tells_connections(&self) -> bool {
        self.on() && self.format.tells_connections()
    }

    /// Lines lost because they could not be handed over in time.
    pub fn dropped(&self) -> u64 {
        self.signals.losses.dropped.load(Relaxed)
    }

    /// Lines lost because they could not be written.
    pub fn failed(&self) -> u64 {
        self.signals.losses.failed.load(Relaxed)
    }

    /// Opens the file anew, after it was moved away.
    pub fn reopen(&self) {
        self.signals.reopen.store(true, Relaxed);
        self.wake();
    }

    /// Writes what is on its way and ends the thread. Workers flush first. A reader that does not read is
    /// waited for five seconds.
    pub fn close(&self) {
        self.signals.closing.store(true, Relaxed);
        self.wake();
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // lines that nobody has read by then are lost with the process
        thread.ends_within(PATIENCE);
    }

    /// Sends nothing, so that the thread looks at its signals. If there is no room it is awake and will look
    /// anyway.
    fn wake(&self) {
        if let Some(sender) = &self.sender {
            drop(sender.try_send(Lines { text: Vec::new(), count: 0 }));
        }
    }

    fn send(&self, lines: Lines) {
        let count = lines.count;
        if self.sender.as_ref().is_some_and(|sender| sender.try_send(lines).is_err()) {
            self.signals.losses.dropped.fetch_add(count, Relaxed);
        }
    }
}

/// One worker's lines. Dropping it hands over what is left.
#[derive(Debug)]
pub struct LogBuffer {
    current: Arc<CurrentLog>,
    log: RefCell<Arc<LogWriter>>,
    on: Cell<bool>,
    text: RefCell<Vec<u8>>,
    count: Cell<u64>,
    tells_connections: Cell<bool>,
}

impl LogBuffer {
    /// An empty one.
    pub fn new(current: Arc<CurrentLog>) -> Self {
        let log = current.load_full();
        let (on, tells_connections) = (Cell::new(log.on()), Cell::new(log.tells_connections()));
        let (log, text, count) = (RefCell::new(log), RefCell::default(), Cell::new(0));
        Self { current, log, on, text, count, tells_connections }
    }

    /// Goes on in the newest log. The one before has what came until now.
    pub fn follow(&self) {
        let newest = self.current.load_full();
        if !Arc::ptr_eq(&newest, &self.log.borrow()) {
            self.flush();
            self.on.set(newest.on());
            self.tells_connections.set(newest.tells_connections());
            self.log.replace(newest);
        }
    }

    /// False when there is no access log.
    pub fn on(&self) -> bool {
        self.on.get()
    }

    /// Whether lines tell how many connections there are.
    pub fn tells_connections(&self) -> bool {
        self.tells_connections.get()
    }

    /// Adds a line. Never waits.
    pub fn push(&self, entry: &LogEntry<'_>) {
        if !self.on() {
            return;
        }
        let full = {
            let mut text = self.text.borrow_mut();
            self.log.borrow().format.write(entry, &mut text);
            text.len() > FULL
        };
        self.count.set(self.count.get() + 1);
        if full {
            self.flush();
        }
    }

    /// Hands over what there is. Never waits.
    pub fn flush(&self) {
        let count = self.count.replace(0);
        if count > 0 {
            let text = self.text.take();
            self.log.borrow().send(Lines { text, count });
        }
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Writes lines until there are no more.
fn run(destination: &mut LogDestination, receiver: &Receiver<Lines>, signals: &WriterSignals) {
    let mut told = LossesTold::new(&signals.losses);
    loop {
        let closing = signals.closing.load(Relaxed);
        let next = if closing { receiver.try_recv().ok() } else { receiver.recv().ok() };
        if signals.reopen.swap(false, Relaxed) {
            destination.reopen();
        }
        let Some(lines) = next else { break };
        if let Err(error) = destination.write(&lines.text) {
            signals.losses.failed.fetch_add(lines.count, Relaxed);
            told.report(signals, Some(&error));
        } else {
            told.report(signals, None);
        }
    }
    told.at = None;
    told.report(signals, None);
}

/// What was already said of lost lines.
struct LossesTold {
    at: Option<Instant>,
    dropped: u64,
    failed: u64,
}

impl LossesTold {
    /// Of those until now others have told.
    fn new(losses: &LogLosses) -> Self {
        Self { at: None, dropped: losses.dropped.load(Relaxed), failed: losses.failed.load(Relaxed) }
    }

    fn report(&mut self, signals: &WriterSignals, error: Option<&io::Error>) {
        let (dropped, failed) = (signals.losses.dropped.load(Relaxed), signals.losses.failed.load(Relaxed));
        let news = (dropped, failed) != (self.dropped, self.failed);
        if !news || self.at.is_some_and(|at| clock::since(at) < REPORT_EVERY) {
            return;
        }
        let (late, bad) = (dropped - self.dropped, failed - self.failed);
        let error = error.map_or_else(String::new, |error| format!(" ({error})"));
        tracing::warn!(
            "access-log lines were lost: {late} that its reader was too slow for, {bad} that could not be written{error}"
        );
        *self = Self { at: Some(clock::instant()), dropped, failed };
    }
}

#[cfg(test)]
mod tests {
    use super::super::log_fields::SOME_CONNECTION;
    use super::super::record::RequestRecord;
    use super::*;
    use crate::base::clock::Now;
    use crate::config::model::LogFormat;
    use crate::wire::request_id::RequestId;
    use std::fs::File;
    use std::os::fd::OwnedFd;

    /// Adds a line.
    fn push(buffer: &LogBuffer) {
        let record = RequestRecord::begin(RequestId::Own(1), ([127, 0, 0, 1], 1).into(), 0, Now::look());
        buffer.push(&LogEntry {
            record: &record,
            connection: &SOME_CONNECTION,
            id: "1",
            session: None,
            trace: None,
            duration_ms: 1.0,
        });
    }

    fn to(pipe: io::PipeWriter) -> Arc<LogWriter> {
        let file = File::from(OwnedFd::from(pipe));
        let destination = LogDestination::File { file, path: "a pipe".into() };
        LogWriter::with(LogFormat::Json.into(), destination, Arc::default()).unwrap()
    }

    fn lines_of(log: &Arc<LogWriter>) -> LogBuffer {
        LogBuffer::new(Arc::new(CurrentLog::new(log.clone())))
    }

    #[test]
    fn another_log_has_what_comes_after_it_and_all_losses_are_counted() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let conf = |format, to: &str| AccessLog { format, to: to.into() };
        let first = LogWriter::start(&conf(LogFormat::Json, "a.log"), folder.path()).unwrap();
        let current = Arc::new(CurrentLog::new(first.clone()));
        let buffer = LogBuffer::new(current.clone());
        push(&buffer);
        first.signals.losses.failed.fetch_add(3, Relaxed);
        for (format, to) in [(LogFormat::Json, "off"), (LogFormat::Httplog, "b.log")] {
            let next = current.load().successor(&conf(format, to), folder.path()).unwrap();
            current.store(next);
            buffer.follow();
            push(&buffer);
        }
        assert!(buffer.tells_connections() && buffer.on());
        drop(buffer);
        current.load().close();
        first.close();
        let file = |name: &str| folder.path().join(name);
        let lines = |name: &str| std::fs::read_to_string(file(name)).unwrap().lines().count();
        assert_eq!((lines("a.log"), lines("b.log"), current.load().failed()), (1, 1, 3));
        assert_eq!(file("a.log").metadata().unwrap().permissions().mode() & 0o137, 0, "not for everybody");
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_only() {
        let (_unread, pipe) = io::pipe().unwrap();
        let log = to(pipe);
        let buffer = lines_of(&log);
        for _ in 0..20_000 {
            push(&buffer);
        }
        assert!(log.dropped() > 1000, "{}", log.dropped());
    }

    #[test]
    fn a_file_is_written_reopened_and_closed() {
        let folder = tempfile::tempdir().unwrap();
        let conf = AccessLog { format: LogFormat::Combined, to: "a.log".into() };
        let log = LogWriter::start(&conf, folder.path()).unwrap();
        let buffer = lines_of(&log);
        let lines = |name: &str| {
            std::fs::read_to_string(folder.path().join(name)).unwrap_or_default().lines().count()
        };
        push(&buffer);
        buffer.flush();
        while lines("a.log") == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::fs::rename(folder.path().join("a.log"), folder.path().join("b.log")).unwrap();
        log.reopen();
        while !folder.path().join("a.log").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        for _ in 0..1000 {
            push(&buffer);
        }
        buffer.flush();
        log.close();
        assert_eq!((lines("a.log"), lines("b.log"), log.dropped(), log.failed()), (1000, 1, 0, 0));
        push(&buffer);
        drop(buffer);
        assert_eq!(log.dropped(), 1);
    }

    #[test]
    fn off_is_off_and_failures_count() {
        let off = LogWriter::start(&AccessLog { format: LogFormat::Json, to: "off".into() }, Path::new("/"))
            .unwrap();
        assert!(!off.on());
        push(&lines_of(&off));
        off.close();
        let (reader, pipe) = io::pipe().unwrap();
        drop(reader);
        let log = to(pipe);
        push(&lines_of(&log));
        log.close();
        assert_eq!(log.failed(), 1);
    }
}
