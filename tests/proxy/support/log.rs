//! What a child process says, line by line, kept for later and waited for.

use super::DEADLINE;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The lines of one stream so far.
#[derive(Clone, Default)]
pub struct Lines {
    shared: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Lines {
    /// Reads a stream to its end on a thread of its own.
    pub fn follow(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                writer.shared.0.lock().unwrap().push(line);
                writer.shared.1.notify_all();
            }
        });
        lines
    }

    /// How many lines there are, as a mark to look from later.
    pub fn mark(&self) -> usize {
        self.shared.0.lock().unwrap().len()
    }

    pub fn all(&self) -> Vec<String> {
        self.shared.0.lock().unwrap().clone()
    }

    /// The first line that contains this. A line is written after what it tells: it is waited for.
    pub fn says(&self, what: &str) -> String {
        self.wait(0, DEADLINE, |line| line.contains(what))
            .unwrap_or_else(|| panic!("no line has {what:?}:\n{}", self.all().join("\n")))
    }

    /// The first line from a mark on that fits; waits for it up to a deadline.
    pub fn wait(&self, from: usize, deadline: Duration, fits: impl Fn(&str) -> bool) -> Option<String> {
        let end = Instant::now() + deadline;
        let mut lines = self.shared.0.lock().unwrap();
        let mut at = from;
        loop {
            if let Some(line) = lines.iter().skip(at).find(|line| fits(line)) {
                return Some(line.clone());
            }
            at = at.max(lines.len());
            let left = end.checked_duration_since(Instant::now())?;
            lines = self.shared.1.wait_timeout(lines, left).unwrap().0;
        }
    }
}
