//! Whether a beat is news: a beat that was heard before must change nothing, and a node that was restarted
//! has lost its sessions.

use crate::base::hash::hash64;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A node's present run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Any text that changes when the node is restarted.
    pub boot: String,
    /// Counts the beats of this run, for a node that wants to be safe from replays.
    pub sequence: Option<u64>,
}

/// What a beat is, against those heard before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// The next one.
    Fresh,
    /// The first of a new run: the sessions of the old one are gone.
    Rebooted,
    /// An old one again, or one that was overtaken.
    Replayed,
}

/// The most former runs remembered.
const FORMER: usize = 8;

/// What was heard of one node's runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunHistory {
    last: Option<Run>,
    /// Hashes of the boots before, newest last.
    former: VecDeque<u64>,
}

impl RunHistory {
    /// Nothing was heard.
    pub const fn new() -> Self {
        Self { last: None, former: VecDeque::new() }
    }

    /// Whether nothing was heard.
    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// The run heard last.
    pub fn last(&self) -> Option<&Run> {
        self.last.as_ref()
    }

    /// Whether a beat was heard before, or has been overtaken.
    pub fn is_replay(&self, run: Option<&Run>) -> bool {
        run.is_some_and(|run| self.judge(run) == Novelty::Replayed)
    }

    /// Judges a beat and remembers it; one that is replayed leaves no trace. Without a sequence nothing tells
    /// a replay from news, so all is taken for news.
    pub fn record(&mut self, run: Option<&Run>) -> Novelty {
        let Some(new) = run else { return Novelty::Fresh };
        let novelty = self.judge(new);
        match &mut self.last {
            _ if novelty == Novelty::Replayed => {}
            Some(last) if last.boot == new.boot => last.sequence = new.sequence,
            last => {
                if let Some(last) = last.replace(new.clone()) {
                    if self.former.len() >= FORMER {
                        self.former.pop_front();
                    }
                    self.former.push_back(hash64(last.boot.as_bytes()));
                }
            }
        }
        novelty
    }

    fn judge(&self, new: &Run) -> Novelty {
        match &self.last {
            None => Novelty::Fresh,
            Some(last) if last.boot == new.boot => match (last.sequence, new.sequence) {
                (Some(last), Some(new)) if new <= last => Novelty::Replayed,
                _ => Novelty::Fresh,
            },
            // Of two processes under one name the later wins, rather than both by turns.
            Some(_) if new.sequence.is_some() && self.former.contains(&hash64(new.boot.as_bytes())) => {
                Novelty::Replayed
            }
            Some(_) => Novelty::Rebooted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Novelty::{Fresh, Rebooted, Replayed};

    fn run(boot: &str, sequence: impl Into<Option<u64>>) -> Run {
        Run { boot: boot.into(), sequence: sequence.into() }
    }

    #[test]
    fn beats_are_heard_once() {
        let mut history = RunHistory::default();
        for (at, (new, expected)) in [
            (None, Fresh),
            (Some(run("a", 5)), Fresh),
            (Some(run("a", 6)), Fresh),
            (Some(run("a", 6)), Replayed),
            (Some(run("a", 4)), Replayed),
            (None, Fresh),
            (Some(run("a", 9)), Fresh),
            (Some(run("b", 1)), Rebooted),
            (Some(run("a", 10)), Replayed),
            (Some(run("b", 1)), Replayed),
            (Some(run("b", 2)), Fresh),
            (Some(run("c", None)), Rebooted),
            (Some(run("c", None)), Fresh),
            (Some(run("b", 3)), Replayed),
            // Whoever does not count may call a new run what an old one was called.
            (Some(run("a", None)), Rebooted),
            (Some(run("a", 1)), Fresh),
            (Some(run("a", 1)), Replayed),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(history.record(new.as_ref()), expected, "step {at}: {new:?}");
        }
    }

    #[test]
    fn a_replay_leaves_no_trace() {
        let mut history = RunHistory::default();
        history.record(Some(&run("a", 5)));
        let before = history.clone();
        history.record(Some(&run("a", 5)));
        assert_eq!(history, before);
        assert_eq!(history.last(), Some(&run("a", 5)));
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut history = RunHistory::default();
        for boot in 0..100 {
            history.record(Some(&run(&boot.to_string(), 1)));
        }
        assert_eq!(history.former.len(), FORMER);
        assert_eq!(history.record(Some(&run("98", 2))), Replayed);
        assert_eq!(history.record(Some(&run("1", 2))), Rebooted);
    }
}
