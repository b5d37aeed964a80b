//! The process's own log: one line an event, to standard error. A line that comes again and again is held back and counted, so
//! that what flaps does not bury what matters.

use crate::app;
use crate::base::clock;
use crate::base::hash::hash64;
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The same line is said so often in a while,
const OFTEN: u64 = 5;
/// which is so many milliseconds.
const WHILE: u64 = 10_000;
/// Lines that are remembered. Beyond that, lines are not held back.
const KNOWN: usize = 1024;

/// Starts it. `HOMING_LOG` changes what is logged, as in `HOMING_LOG=debug`.
pub fn start(level: &str) {
    let filter = std::env::var("HOMING_LOG").unwrap_or_else(|_| level.to_owned());
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let _ = tracing_subscriber::fmt()
        .with_writer(Sparing::default())
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(colour)
        .with_target(false)
        .try_init();
}

/// Knows what was said lately.
#[derive(Default)]
struct Sparing(Mutex<HashMap<u64, Said>>);

struct Said {
    since: u64,
    times: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq)]
enum Fate {
    Said,
    /// Said, with the word that those to come are counted only.
    Last,
    /// Said, with how many were not.
    After(u64),
    Held,
}

impl Sparing {
    fn fate(&self, line: &[u8], now: u64) -> Fate {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash64(line);
        if known.len() >= KNOWN && !known.contains_key(&hash) {
            known.retain(|_, said| now < said.since + WHILE);
            if known.len() >= KNOWN {
                return Fate::Said;
            }
        }
        let said = known.entry(hash).or_insert(Said { since: now, times: 0 });
        let held =
            if now < said.since + WHILE { 0 } else { std::mem::replace(said, Said { since: now, times: 0 }).times.saturating_sub(OFTEN) };
        said.times += 1;
        match said.times {
            _ if held > 0 => Fate::After(held),
            times if times < OFTEN => Fate::Said,
            OFTEN => Fate::Last,
            _ => Fate::Held,
        }
    }

    fn write(&self, line: &[u8], now: u64, mut out: impl Write) -> io::Result<()> {
        // the time is what differs
        let text = line.iter().position(|b| *b == b' ').map_or(line, |at| &line[at..]);
        let more = match self.fate(text, now) {
            Fate::Held => return Ok(()),
            Fate::Said => return out.write_all(line),
            Fate::Last => format!(" (again and again: counted only, for {} s)\n", WHILE / 1000),
            Fate::After(held) => format!(" (and {held} times since this was last said)\n"),
        };
        out.write_all(&[line.strip_suffix(b"\n").unwrap_or(line), more.as_bytes()].concat())
    }
}

impl<'a> MakeWriter<'a> for Sparing {
    type Writer = Line<'a>;
    fn make_writer(&'a self) -> Line<'a> {
        Line { sparing: self, always: false }
    }
    /// What the operator did is always answered: reloads, changes, start and end.
    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Line<'a> {
        Line { sparing: self, always: meta.target() == app::LOG }
    }
}

/// Writes the lines of one event.
struct Line<'a> {
    sparing: &'a Sparing,
    always: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.always {
            true => io::stderr().write_all(line)?,
            false => self.sparing.write(line, clock::monotonic_ms(), io::stderr())?,
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
        let (sparing, mut out) = (Sparing::default(), Vec::new());
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
        let counts: Vec<u64> = lines.iter().filter_map(|line| line.split_once("(and ")?.1.split(' ').next()?.parse().ok()).collect();
        assert_eq!((lines.len(), counts), (30, vec![95; 5]));
    }

    #[test]
    fn what_differs_or_is_rare_is_all_said() {
        assert_eq!(written((0..5000).map(|n| (n, format!("INFO node n{n}")))).len(), 5000);
        assert_eq!(written((0..100).map(|n| (n * 3000, "INFO reloaded".to_owned()))).len(), 100);
    }
}
