//! What a node says of itself in its heartbeats. Written by the control thread alone, read by everybody.

use crate::base::clock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// What a node says it is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Phase {
    /// Everything.
    #[default]
    Ready = 0,
    /// It is catching up with the others: its sessions, no new ones.
    Syncing = 1,
    /// It wants to go: its sessions, no new ones.
    Draining = 2,
    /// It is going now: its sessions, as long as it answers.
    Stopping = 3,
}

/// What a node is for, beside serving sessions. One cannot be both a balancer and a batch server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// None.
    pub const NONE: Self = Self(0);
    /// It tells clients which nodes there are, and serves nobody itself (unless the cluster is shared).
    pub const LB: Self = Self(1);
    /// It runs batch jobs.
    pub const BATCH: Self = Self(2);

    /// Whether all of these are among them.
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
    /// With these, too.
    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
    /// As in the conf file, with commas.
    pub fn words(self) -> &'static str {
        match self.0 {
            1 => "lb",
            2 => "batch",
            3 => "lb, batch",
            _ => "",
        }
    }
}

/// What one heartbeat changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saying {
    /// What it is ready for.
    pub phase: Phase,
    /// 0 to 100, where 100 is no room.
    pub load: Option<u8>,
    /// Sessions it counts itself, those of clients that come past us included.
    pub sessions: Option<u32>,
    /// The most sessions it takes.
    pub capacity: Option<u32>,
    /// Hash of what it calls its present run; 0 if it does not say.
    pub boot: u32,
    /// What it serves.
    pub version: Option<Arc<str>>,
    /// What it is for.
    pub roles: Roles,
    /// Milliseconds without a heartbeat after which it is silent.
    pub patience: u32,
}

const NO_LOAD: u8 = u8::MAX;
const NO_CAPACITY: u32 = u32::MAX;
/// Room taken for a node that does not tell its load, where others do.
pub const MIDDLE_ROOM: u32 = 50;

/// The live cells of what a node says.
#[derive(Debug)]
pub struct Told {
    /// `clock::monotonic_ms` of the last heartbeat, plus one; 0 for none.
    heard: AtomicU64,
    patience: AtomicU32,
    silent: AtomicBool,
    phase: AtomicU8,
    load: AtomicU8,
    /// Sessions it counts beside those of our ledger.
    beyond: AtomicI32,
    capacity: AtomicU32,
    boot: AtomicU32,
    /// `clock::monotonic_secs` of its latest restart; 0 for none that we saw.
    booted: AtomicU32,
    outdated: AtomicBool,
    roles: AtomicU8,
    version: Mutex<Option<Arc<str>>>,
}

impl Told {
    /// It has said nothing.
    pub const fn nothing() -> Self {
        Self {
            heard: AtomicU64::new(0),
            patience: AtomicU32::new(0),
            silent: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Ready as u8),
            load: AtomicU8::new(NO_LOAD),
            beyond: AtomicI32::new(0),
            capacity: AtomicU32::new(NO_CAPACITY),
            boot: AtomicU32::new(0),
            booted: AtomicU32::new(0),
            outdated: AtomicBool::new(false),
            roles: AtomicU8::new(0),
            version: Mutex::new(None),
        }
    }

    /// Takes a heartbeat; `ours` is how many of its sessions the ledger has. Returns true when the node has restarted since
    /// the one before.
    pub fn hear(&self, saying: &Saying, ours: u32) -> bool {
        self.heard.store(clock::monotonic_ms() + 1, Relaxed);
        self.patience.store(saying.patience, Relaxed);
        self.silent.store(false, Relaxed);
        self.phase.store(saying.phase as u8, Relaxed);
        self.load.store(saying.load.map_or(NO_LOAD, |load| load.min(100)), Relaxed);
        let beyond = saying.sessions.map_or(0, |theirs| i64::from(theirs) - i64::from(ours));
        self.beyond.store(beyond.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32, Relaxed);
        self.capacity.store(saying.capacity.map_or(NO_CAPACITY, |capacity| capacity.min(NO_CAPACITY - 1)), Relaxed);
        if self.version().as_deref() != saying.version.as_deref() {
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) = saying.version.clone();
        }
        self.roles.store(saying.roles.0, Relaxed);
        let before = self.boot.load(Relaxed);
        if saying.boot != 0 {
            self.boot.store(saying.boot, Relaxed);
        }
        let rebooted = before != 0 && saying.boot != 0 && before != saying.boot;
        if rebooted {
            self.booted.store(clock::monotonic_secs(), Relaxed);
        }
        rebooted
    }

    /// Forgets a load that is too old. Returns true when the node has just fallen silent.
    pub fn notice_silence(&self) -> bool {
        let Some(since) = self.since() else { return false };
        if since <= u64::from(self.patience.load(Relaxed)) || self.silent.swap(true, Relaxed) {
            return false;
        }
        self.load.store(NO_LOAD, Relaxed);
        self.beyond.store(0, Relaxed);
        true
    }

    /// Milliseconds since the last heartbeat, if there ever was one.
    pub fn since(&self) -> Option<u64> {
        let at = self.heard.load(Relaxed).checked_sub(1)?;
        Some(clock::monotonic_ms().saturating_sub(at))
    }

    /// It used to announce itself and does not any more.
    pub fn is_silent(&self) -> bool {
        self.silent.load(Relaxed)
    }

    /// What it is ready for. What a silent node said last still holds: it is still draining, say.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            1 => Phase::Syncing,
            2 => Phase::Draining,
            3 => Phase::Stopping,
            _ => Phase::Ready,
        }
    }

    /// Its load, 0 to 100.
    pub fn load(&self) -> Option<u8> {
        Some(self.load.load(Relaxed)).filter(|load| *load != NO_LOAD)
    }

    /// Room in percent; `MIDDLE_ROOM` if it does not tell.
    pub fn room(&self) -> u32 {
        self.load().map_or(MIDDLE_ROOM, |load| 100 - u32::from(load))
    }

    /// All its sessions, when the ledger has so many: those it told of and those placed since.
    pub fn sessions(&self, ours: u32) -> u32 {
        ours.saturating_add_signed(self.beyond.load(Relaxed))
    }

    /// The most sessions it says it takes.
    pub fn capacity(&self) -> Option<u32> {
        Some(self.capacity.load(Relaxed)).filter(|capacity| *capacity != NO_CAPACITY)
    }

    /// Hash of its present run; 0 if it never told.
    pub fn boot(&self) -> u32 {
        self.boot.load(Relaxed)
    }

    /// What was begun at `first` (`clock::monotonic_secs`) was before its latest restart.
    pub fn forgot(&self, first: u32) -> bool {
        first < self.booted.load(Relaxed)
    }

    /// What it is for.
    pub fn roles(&self) -> Roles {
        Roles(self.roles.load(Relaxed))
    }

    /// What it serves.
    pub fn version(&self) -> Option<Arc<str>> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It serves an older version than a node that is ready.
    pub fn is_outdated(&self) -> bool {
        self.outdated.load(Relaxed)
    }

    /// Says whether it does. Returns what was said before.
    pub fn set_outdated(&self, outdated: bool) -> bool {
        self.outdated.swap(outdated, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_come_past_us_count_and_those_placed_since_are_added() {
        let told = Told::nothing();
        assert_eq!((told.sessions(5), told.room(), told.capacity()), (5, MIDDLE_ROOM, None));
        told.hear(&Saying { sessions: Some(40), capacity: Some(50), load: Some(80), ..Saying::default() }, 5);
        assert_eq!((told.sessions(5), told.sessions(7), told.sessions(2)), (40, 42, 37));
        assert_eq!((told.room(), told.capacity()), (20, Some(50)));
        told.hear(&Saying { sessions: Some(1), ..Saying::default() }, 5);
        assert_eq!((told.sessions(5), told.sessions(0)), (1, 0));
    }

    #[test]
    fn a_restart_is_another_boot_and_not_the_first() {
        let told = Told::nothing();
        let boots = [0, 7, 0, 7, 8, 8].map(|boot| told.hear(&Saying { boot, ..Saying::default() }, 0));
        assert_eq!(boots, [false, false, false, false, true, false]);
        assert_eq!(told.boot(), 8);
    }

    #[test]
    fn a_silent_node_keeps_its_phase_and_loses_its_load() {
        let told = Told::nothing();
        assert!(!told.notice_silence(), "who never spoke is not silent");
        told.hear(&Saying { load: Some(90), phase: Phase::Draining, patience: u32::MAX, ..Saying::default() }, 0);
        assert!(!told.notice_silence());
        told.hear(&Saying { load: Some(90), phase: Phase::Draining, patience: 0, ..Saying::default() }, 0);
        while told.since() == Some(0) {
            std::hint::spin_loop();
        }
        assert_eq!((told.notice_silence(), told.notice_silence()), (true, false), "it is said once");
        assert_eq!((told.is_silent(), told.load(), told.phase()), (true, None, Phase::Draining));
    }
}
