//! A node as it is, whatever the proxy thinks of it: a process that runs, hangs or is gone, and the sessions
//! in its memory.

use homing::heartbeat::{Announced, Heartbeat, Load, Room, Run};
use std::collections::HashSet;
use std::time::Duration;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// It answers.
    Runs,
    /// Connections open, and nothing comes.
    Hangs,
    /// Nobody listens.
    Gone,
}

/// A node as it is.
pub struct Machine {
    pub name: String,
    pub process: Process,
    /// The sessions that it has in memory.
    pub sessions: HashSet<u64>,
    /// Counts its runs.
    pub run: u32,
    /// Counts the beats of this run.
    sequence: u64,
    /// Seconds between its beats; none for one that does not beat.
    pub beats: Option<u64>,
    /// It beats, and does not for now.
    pub mute: bool,
    /// It tells how many sessions it has, and how many it can hold.
    pub capacity: Option<u32>,
    pub says: Announced,
    /// What it said in the beat that was taken last.
    pub heard_says: Announced,
    /// Since when nobody listens.
    pub gone_since: u64,
    /// The second since which nothing was wrong with it.
    pub calm_since: u64,
    /// When the beat of its present run was first taken.
    pub run_known: Option<u64>,
    /// When a beat of the run before was last taken.
    pub former_heard: Option<u64>,
    /// When a beat of this run was last taken.
    pub heard: Option<u64>,
    /// When it was first seen up without a break; none while it is not.
    pub up_since: Option<u64>,
    /// Requests of it that hold a slot.
    pub in_flight: u32,
    /// Beats that were taken, for somebody to send again.
    pub old: Vec<Heartbeat>,
}

impl Machine {
    pub fn new(name: &str, now: u64, beats: Option<u64>, capacity: Option<u32>) -> Self {
        Self {
            name: name.to_owned(),
            process: Process::Runs,
            sessions: HashSet::new(),
            run: 1,
            sequence: 0,
            beats,
            mute: false,
            capacity,
            says: Announced::Ready,
            heard_says: Announced::Ready,
            gone_since: 0,
            calm_since: now,
            run_known: None,
            former_heard: None,
            heard: None,
            up_since: None,
            in_flight: 0,
            old: Vec::new(),
        }
    }

    /// Another process in its place: who was there is forgotten.
    pub fn restart(&mut self) {
        self.process = Process::Runs;
        self.sessions.clear();
        (self.run, self.sequence, self.run_known) = (self.run + 1, 0, None);
        // of several runs that nobody heard of the proxy knows nothing
        self.former_heard = self.heard.take().or(self.former_heard);
        self.says = Announced::Ready;
    }

    /// The proxy knows nothing of what it said.
    pub fn is_forgotten(&mut self) {
        (self.run_known, self.heard_says) = (None, Announced::Ready);
        (self.former_heard, self.heard) = (None, None);
        self.old.clear();
    }

    /// What it says of itself now.
    pub fn beat(&mut self) -> Heartbeat {
        self.sequence += 1;
        let (interval, has) = (self.beats.map(Duration::from_secs), self.sessions.len() as u32);
        let load = self.capacity.and_then(|most| Load::new((has * 100 / most).min(99) as u8));
        Heartbeat {
            room: load.map(Room::Load),
            sessions: self.capacity.map(|_| has),
            capacity: self.capacity,
            state: Some(self.says),
            run: Some(Run { boot: format!("{}-{}", self.name, self.run), sequence: Some(self.sequence) }),
            interval,
            ..Heartbeat::default()
        }
    }
}
