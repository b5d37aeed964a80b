//! The process's own log: one line an event, to standard error. A line that comes again and again is held
//! back and counted, so that what flaps does not bury what matters. A thread of its own writes: a reader that
//! is slow or gone, or a full disk, costs lines and nothing else.

use crate::app;
use crate::base::background::Background;
use crate::base::clock;
use crate::base::hash::hash64;
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The same line is said so often in a while,
const OFTEN: u64 = 5;
/// which is so many milliseconds.
const WHILE: u64 = 10_000;
/// Lines that are remembered. Beyond that, lines are not held back.
const KNOWN: usize = 1024;
/// Lines on their way to the writer.
const QUEUE: usize = 4096;
/// How long the end waits for a reader that does not read.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts it, until what is given back is dropped. `HOMING_LOG` changes what is logged, as in
/// `HOMING_LOG=debug`.
pub fn start(level: &str) -> Option<Log> {
    let filter = std::env::var("HOMING_LOG").unwrap_or_else(|_| level.to_owned());
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (queue, lines) = sync_channel(QUEUE);
    let shared = Arc::<OutState>::default();
    let (out, ending) = (Out { queue: queue.clone(), shared: shared.clone() }, shared.clone());
    let thread = Background::start("log", move || write_all(&lines, &shared, io::stderr())).ok()?;
    let _ = tracing_subscriber::fmt()
        .with_writer(LinesWriter { sparing: RepeatFilter::default(), out })
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(colour)
        .with_target(false)
        .log_internal_errors(false)
        .try_init();
    Some(Log { queue, shared: ending, thread: Some(thread) })
}

/// The log while it is written.
pub struct Log {
    queue: SyncSender<Vec<u8>>,
    shared: Arc<OutState>,
    thread: Option<Background>,
}

impl Drop for Log {
    /// Waits until all of it is written, or nobody reads it.
    fn drop(&mut self) {
        self.shared.closing.store(true, Relaxed);
        // nothing, so that the thread looks; where there is no room for it, it is awake and looks anyway
        let _ = self.queue.try_send(Vec::new());
        if let Some(thread) = self.thread.take() {
            thread.ends_within(PATIENCE);
        }
    }
}

/// Writes what comes, to the end; says of lines that were lost once some can be written again.
fn write_all(lines: &Receiver<Vec<u8>>, shared: &OutState, mut out: impl Write) {
    let lost = &shared.lost;
    let next = || if shared.closing.load(Relaxed) { lines.try_recv().ok() } else { lines.recv().ok() };
    while let Some(line) = next() {
        if line.is_empty() {
            continue;
        }
        let before = lost.swap(0, Relaxed);
        let told = match before {
            0 => Ok(()),
            _ => writeln!(
                out,
                "{before} lines of this log were lost: they could not be written, or not fast enough"
            ),
        };
        if told.is_err() {
            lost.fetch_add(before, Relaxed);
        }
        if told.and_then(|()| out.write_all(&line)).is_err() {
            lost.fetch_add(1, Relaxed);
        }
    }
}

/// Where lines go.
struct Out {
    queue: SyncSender<Vec<u8>>,
    shared: Arc<OutState>,
}

/// What is known of lines on both sides.
#[derive(Default)]
struct OutState {
    lost: AtomicU64,
    /// No more than what is on its way is to be written.
    closing: AtomicBool,
}

impl Write for &Out {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(line.to_vec()).is_err() {
            self.shared.lost.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct LinesWriter {
    sparing: RepeatFilter,
    out: Out,
}

/// Knows what was said lately.
#[derive(Default)]
struct RepeatFilter(Mutex<HashMap<u64, SaidLine>>);

struct SaidLine {
    since: u64,
    times: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq)]
enum LineOutcome {
    Said,
    /// Said, with the word that those to come are counted only.
    Last,
    /// Said, with how many were not.
    After(u64),
    Held,
}

impl RepeatFilter {
    fn fate(&self, line: &[u8], now: u64) -> LineOutcome {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash64(line);
        if known.len() >= KNOWN && !known.contains_key(&hash) {
            known.retain(|_, said| now < said.since + WHILE);
            if known.len() >= KNOWN {
                return LineOutcome::Said;
            }
        }
        let said = known.entry(hash).or_insert(SaidLine { since: now, times: 0 });
        let held = if now < said.since + WHILE {
            0
        } else {
            std::mem::replace(said, SaidLine { since: now, times: 0 }).times.saturating_sub(OFTEN)
        };
        said.times += 1;
        match said.times {
            _ if held > 0 => LineOutcome::After(held),
            times if times < OFTEN => LineOutcome::Said,
            OFTEN => LineOutcome::Last,
            _ => LineOutcome::Held,
        }
    }

    fn write(&self, line: &[u8], now: u64, mut out: impl Write) -> io::Result<()> {
        // the time is what differs
        let text = line.iter().position(|b| *b == b' ').map_or(line, |at| &line[at..]);
        let more = match self.fate(text, now) {
            LineOutcome::Held => return Ok(()),
            LineOutcome::Said => return out.write_all(line),
            LineOutcome::Last => format!(" (again and again: counted only, for {} s)\n", WHILE / 1000),
            LineOutcome::After(held) => format!(" (and {held} times since this was last said)\n"),
        };
        out.write_all(&[line.strip_suffix(b"\n").unwrap_or(line), more.as_bytes()].concat())
    }
}

impl<'a> MakeWriter<'a> for LinesWriter {
    type Writer = Line<'a>;
    fn make_writer(&'a self) -> Line<'a> {
        Line { to: self, always: false }
    }
    /// What the operator did is always answered: reloads, changes, start and end.
    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Line<'a> {
        Line { to: self, always: meta.target().starts_with(app::LOG) }
    }
}

/// Writes the lines of one event.
struct Line<'a> {
    to: &'a LinesWriter,
    always: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.always {
            true => (&self.to.out).write_all(line)?,
            false => self.to.sparing.write(line, clock::monotonic_ms(), &self.to.out)?,
        }
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of lines at these milliseconds.
    fn written(lines: impl IntoIterator<Item = (u64, String)>) -> Vec<String> {
        let (sparing, mut out) = (RepeatFilter::default(), Vec::new());
        for (at, line) in lines {
            sparing.write(format!("{at} {line}\n").as_bytes(), at, &mut out).unwrap();
        }
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn ten_thousand_equal_failures_are_few_lines_with_a_count() {
        // five a millisecond, then one later
        let failures = (0..10_000).map(|n| (n / 5, "WARN no connection".to_owned()));
        let lines = written(failures.chain([(20_000, "WARN no connection".to_owned())]));
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert_eq!(lines[0], "0 WARN no connection");
        assert_eq!(lines[4], "0 WARN no connection (again and again: counted only, for 10 s)");
        assert_eq!(lines[5], "20000 WARN no connection (and 9995 times since this was last said)");
    }

    #[test]
    fn what_goes_on_is_said_again_with_its_count() {
        // ten a second for a minute
        let lines = written((0..600).map(|n| (n * 100, "WARN down".to_owned())));
        let counts: Vec<u64> = lines
            .iter()
            .filter_map(|line| line.split_once("(and ")?.1.split(' ').next()?.parse().ok())
            .collect();
        assert_eq!((lines.len(), counts), (30, vec![95; 5]));
    }

    #[test]
    fn a_log_that_cannot_be_written_loses_lines_and_says_so_later() {
        /// Takes nothing the first times.
        struct Full(u32, Vec<u8>);
        impl Write for &mut Full {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                self.0 = self.0.saturating_sub(1);
                if self.0 > 0 { Err(io::ErrorKind::StorageFull.into()) } else { self.1.write(line) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (queue, lines) = sync_channel(3);
        let out = Out { queue, shared: Arc::default() };
        for n in 0..5 {
            (&out).write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        let (shared, mut disk) = (out.shared.clone(), Full(3, Vec::new()));
        drop(out);
        write_all(&lines, &shared, &mut disk);
        assert_eq!(
            String::from_utf8(disk.1).unwrap(),
            "4 lines of this log were lost: they could not be written, or not fast enough\n2\n"
        );
    }

    #[test]
    fn what_differs_or_is_rare_is_all_said() {
        assert_eq!(written((0..5000).map(|n| (n, format!("INFO node n{n}")))).len(), 5000);
        assert_eq!(written((0..100).map(|n| (n * 3000, "INFO reloaded".to_owned()))).len(), 100);
    }
}
