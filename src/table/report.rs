//! What a node says of itself in its heartbeats. Written by the control thread alone, read by everybody.

use super::claim::Claims;
pub use super::persisted_report::PersistedReport;
use crate::base::clock::Now;
use crate::base::maybe::{MaybeU32, MaybeU64};
use crate::heartbeat::replay::{Novelty, RunHistory};
use crate::heartbeat::{Announced, Heartbeat, ReportedHealth, ReportedLimit, Roles, Room, Run, Weight};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Marks a weight that is meant as it stands, not in percent of the one in the conf file.
const ABSOLUTE: u32 = 1 << 31;

/// The live cells of what a node says.
#[derive(Debug)]
pub struct NodeReport {
    /// `clock::monotonic_ms` of the last heartbeat.
    heard: MaybeU64,
    /// The same before the process began, in seconds since 1970.
    heard_before: MaybeU64,
    patience: AtomicU32,
    silent: AtomicBool,
    announced: AtomicU8,
    down: AtomicBool,
    load: MaybeU32,
    /// Sessions it counts beside those of our ledger.
    beyond: AtomicI32,
    capacity: MaybeU32,
    weight: MaybeU32,
    max_requests: MaybeU32,
    /// Hash of its present run.
    boot: MaybeU32,
    /// `clock::monotonic_secs` of the last beat of its present run.
    ran: MaybeU32,
    /// The same of the run before, which its latest restart ended some time after that, if we saw one.
    booted: MaybeU32,
    outdated: AtomicBool,
    own_token: AtomicBool,
    roles: AtomicU8,
    version: Mutex<Option<Arc<str>>>,
    /// Where else it was announced.
    pub claims: Claims,
    /// Its runs so far. The data plane does not ask for it.
    runs: Mutex<RunHistory>,
}

impl NodeReport {
    /// It has said nothing.
    pub const fn nothing() -> Self {
        Self {
            heard: MaybeU64::none(),
            heard_before: MaybeU64::none(),
            patience: AtomicU32::new(0),
            silent: AtomicBool::new(false),
            announced: AtomicU8::new(Announced::Ready as u8),
            down: AtomicBool::new(false),
            load: MaybeU32::none(),
            beyond: AtomicI32::new(0),
            capacity: MaybeU32::none(),
            weight: MaybeU32::none(),
            max_requests: MaybeU32::none(),
            boot: MaybeU32::none(),
            ran: MaybeU32::none(),
            booted: MaybeU32::none(),
            outdated: AtomicBool::new(false),
            own_token: AtomicBool::new(false),
            roles: AtomicU8::new(0),
            version: Mutex::new(None),
            claims: Claims::none(),
            runs: Mutex::new(RunHistory::new()),
        }
    }

    /// Whether a beat of this run was heard before, or has been overtaken.
    pub fn is_replay(&self, run: Option<&Run>) -> bool {
        self.history(|history| history.is_replay(run))
    }

    /// Judges a beat by its run, and remembers it; one that is replayed leaves no trace.
    pub fn judge(&self, run: Option<&Run>) -> Novelty {
        self.history(|history| history.record(run))
    }

    fn history<T>(&self, ask: impl FnOnce(&mut RunHistory) -> T) -> T {
        ask(&mut self.runs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a heartbeat; what it does not say stays as it was. `ours` is how many of its sessions the ledger
    /// has, `patience` the milliseconds without a further one after which the node is silent. True when
    /// something has changed that lasts.
    pub fn apply(&self, beat: &Heartbeat, ours: u32, patience: u32, now: Now) -> bool {
        let mut changed = false;
        self.heard.store(Some(now.ms()), Relaxed);
        self.patience.store(patience, Relaxed);
        self.silent.store(false, Relaxed);
        if let Some(state) = beat.state {
            changed |= self.announced.swap(state as u8, Relaxed) != state as u8;
        }
        if let Some(health) = beat.health {
            self.down.store(health == ReportedHealth::Down, Relaxed);
        }
        if let Some(load) = beat.room.and_then(Room::load) {
            self.load.store(Some(load.get().into()), Relaxed);
        }
        match beat.room {
            Some(Room::Weight(Weight::Relative(percent))) => self.weight.store(Some(percent.into()), Relaxed),
            Some(Room::Weight(Weight::Absolute(weight))) => {
                self.weight.store(Some(ABSOLUTE | u32::from(weight)), Relaxed)
            }
            _ => {}
        }
        if let Some(theirs) = beat.sessions {
            let beyond = i64::from(theirs) - i64::from(ours);
            self.beyond.store(beyond.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32, Relaxed);
        }
        if let Some(capacity) = beat.capacity {
            changed |= self.capacity.replace(Some(capacity).filter(|most| *most > 0), Relaxed);
        }
        match beat.max_requests {
            Some(ReportedLimit::AtMost(most)) => self.max_requests.store(Some(most.get()), Relaxed),
            Some(ReportedLimit::None) => self.max_requests.store(None, Relaxed),
            None => {}
        }
        if let Some(roles) = beat.roles {
            changed |= self.roles.swap(roles.bits(), Relaxed) != roles.bits();
        }
        if beat.version.is_some() && self.version().as_deref() != beat.version.as_deref() {
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) =
                beat.version.as_deref().map(Into::into);
            changed = true;
        }
        changed
    }

    /// What is to be known of it after a restart of ours. `waits`: its silence may be the end of it.
    pub fn lasting(&self, waits: bool, now: Now) -> PersistedReport {
        let booted = self.booted.load(Relaxed);
        let heard = self.silence(now).map(|ms| now.unix_secs().saturating_sub(ms / 1000));
        PersistedReport {
            heard: heard.filter(|_| waits),
            runs: self.history(|history| history.clone()),
            boot: self.boot(),
            booted: booted
                .map(|booted| now.unix_secs().saturating_sub(now.secs().saturating_sub(booted).into())),
            state: Some(self.announced()).filter(|state| *state != Announced::Ready),
            capacity: self.capacity(),
            roles: self.roles().iter().collect(),
            version: self.version().as_deref().map(str::to_owned),
            own_token: self.has_own_token(),
            claim: self.claims.standing(),
        }
    }

    /// Takes up what was known before a restart of ours.
    pub fn recall(&self, known: &PersistedReport, now: Now) {
        let PersistedReport { runs, boot, booted, state, capacity, roles, version, own_token, claim, heard } =
            known;
        self.heard_before.store(*heard, Relaxed);
        self.own_token.store(*own_token, Relaxed);
        if let Some(claim) = claim {
            self.claims.record(claim.clone());
        }
        self.history(|history| history.clone_from(runs));
        self.boot.store(*boot, Relaxed);
        let since = |at: &u64| u32::try_from(now.unix_secs().saturating_sub(*at)).unwrap_or(u32::MAX);
        let booted = booted.as_ref().map(|at| now.secs().saturating_sub(since(at)));
        self.booted.store(booted, Relaxed);
        self.announced.store(state.unwrap_or(Announced::Ready) as u8, Relaxed);
        self.capacity.store(*capacity, Relaxed);
        self.roles.store(Roles::new(roles.iter().copied()).unwrap_or_default().bits(), Relaxed);
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = version.as_deref().map(Into::into);
    }

    /// It speaks with a token of its own. True when that is new.
    pub fn shows_own_token(&self) -> bool {
        !self.own_token.swap(true, Relaxed)
    }

    /// It has spoken with a token of its own: no other speaks for it.
    pub fn has_own_token(&self) -> bool {
        self.own_token.load(Relaxed)
    }

    /// Nobody speaks for it any more: what was said no longer holds.
    pub fn forget(&self) {
        self.heard.store(None, Relaxed);
        self.silent.store(false, Relaxed);
        self.announced.store(Announced::Ready as u8, Relaxed);
        self.down.store(false, Relaxed);
        self.load.store(None, Relaxed);
        self.beyond.store(0, Relaxed);
        for said in [&self.capacity, &self.weight, &self.max_requests] {
            said.store(None, Relaxed);
        }
    }

    /// Whoever spoke by its name is no longer known.
    pub fn reset(&self) {
        self.forget();
        self.history(|history| *history = RunHistory::new());
        for said in [&self.boot, &self.ran, &self.booted] {
            said.store(None, Relaxed);
        }
        self.heard_before.store(None, Relaxed);
        self.patience.store(0, Relaxed);
        self.outdated.store(false, Relaxed);
        self.own_token.store(false, Relaxed);
        self.roles.store(0, Relaxed);
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.claims.forget();
    }

    /// Takes note of the run the node is in, by its hash, and whether it is a new one. That began at some
    /// time since the one before was last heard of: who was seen in between may live in it.
    pub fn set_boot(&self, boot: u32, rebooted: bool, now: Now) {
        self.boot.store(Some(boot), Relaxed);
        let ran = self.ran.swap(Some(now.secs()), Relaxed);
        if rebooted {
            // not heard since this process began: then at some time since that
            self.booted.store(Some(ran.unwrap_or(Now::BEGINNING.secs())), Relaxed);
            self.beyond.store(0, Relaxed);
        }
    }

    /// Forgets a load that is too old. Returns true when the node has just fallen silent.
    pub fn notice_silence(&self, now: Now) -> bool {
        let Some(since) = self.since(now) else { return false };
        if since <= u64::from(self.patience.load(Relaxed)) || self.silent.swap(true, Relaxed) {
            return false;
        }
        self.load.store(None, Relaxed);
        self.beyond.store(0, Relaxed);
        true
    }

    /// Milliseconds since the last heartbeat, if there ever was one.
    pub fn since(&self, now: Now) -> Option<u64> {
        let at = self.heard.load(Relaxed)?;
        Some(now.ms().saturating_sub(at))
    }

    /// When it was last heard, on the clock of this process; none if it was not yet.
    pub fn heard_at(&self) -> Option<u64> {
        self.heard.load(Relaxed)
    }

    /// Milliseconds since its last word, also one from before this process; none if none is known.
    pub fn silence(&self, now: Now) -> Option<u64> {
        let before =
            || Some(now.unix_ms().saturating_sub(self.heard_before.load(Relaxed)?.saturating_mul(1000)));
        self.since(now).or_else(before)
    }

    /// It used to announce itself and does not any more.
    pub fn is_silent(&self) -> bool {
        self.silent.load(Relaxed)
    }

    /// What it wants done with it. What a silent node said last still holds: it is still draining, say.
    pub fn announced(&self) -> Announced {
        let stored = self.announced.load(Relaxed);
        Announced::ALL.into_iter().find(|state| *state as u8 == stored).unwrap_or(Announced::Ready)
    }

    /// Its agent calls it down.
    pub fn is_down(&self) -> bool {
        self.down.load(Relaxed)
    }

    /// The weight it wants, where the conf file says this one.
    pub fn weight(&self, configured: u16) -> u32 {
        match self.weight.load(Relaxed) {
            None => configured.into(),
            Some(weight) if weight & ABSOLUTE != 0 => (weight & !ABSOLUTE).min(1000),
            Some(percent) => (u32::from(configured) * percent / 100).min(1000),
        }
    }

    /// The most requests it takes at one time.
    pub fn max_requests(&self) -> Option<u32> {
        self.max_requests.load(Relaxed)
    }

    /// Its load, 0 to 100.
    pub fn load(&self) -> Option<u8> {
        self.load.load(Relaxed).map(|load| load as u8)
    }

    /// All its sessions, when the ledger has so many: those it told of and those placed since.
    pub fn sessions(&self, ours: u32) -> u32 {
        ours.saturating_add_signed(self.beyond.load(Relaxed))
    }

    /// The most sessions it says it takes.
    pub fn capacity(&self) -> Option<u32> {
        self.capacity.load(Relaxed)
    }

    /// Hash of its present run, if it ever told.
    pub fn boot(&self) -> Option<u32> {
        self.boot.load(Relaxed)
    }

    /// A session that was last seen there at `last` (`clock::monotonic_secs`) was lost with its latest
    /// restart, for certain.
    pub fn lost(&self, last: u32) -> bool {
        self.booted.load(Relaxed).is_some_and(|booted| last < booted)
    }

    /// What it is there for, by its own word.
    pub fn roles(&self) -> Roles {
        Roles::of_bits(self.roles.load(Relaxed))
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
mod tests;
