//! A node: what the operator said of it (`spec`), what the network tells of it (`live`), and where it is
//! (`link`).

use super::claim::Claim;
use super::evidence::Evidence;
use super::fill::Fill;
use super::limit::RequestLimit;
use super::report::NodeReport;
use super::state::{State, StateChange};
use crate::base::clock::{self, Now};
use crate::base::maybe::MaybeU32;
use crate::config::address::NodeUrl;
use crate::config::model::{AdminState, Changed};
use crate::heartbeat::{Role, Roles};
use crate::upstream::link::Link;
use http::StatusCode;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What the operator said of a node. Replaced whole with each table.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSpec {
    /// Its name, unique in the cluster.
    pub name: Arc<str>,
    /// Its name as sessions carry it.
    pub route: Arc<str>,
    /// Where it is.
    pub url: NodeUrl,
    /// Share of new sessions, 0 to 1000.
    pub weight: u16,
    /// The most live sessions.
    pub max_sessions: Option<u32>,
    /// The most requests at one time.
    pub max_requests: Option<u32>,
    /// Serves new sessions only when no other node can.
    pub backup: bool,
    /// What it is for, by the conf file.
    pub roles: Roles,
    /// It serves even if it tells clients where to go.
    pub shared: bool,
    /// Where clients that are handed off reach it.
    pub public_url: Option<Arc<str>>,
    /// What the operator wants of it.
    pub admin: AdminState,
    /// What was changed at run time, by whom.
    pub set: Option<Box<Changed>>,
    /// It announced itself: its address is its own word.
    pub joined: bool,
}

/// What checks see of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Not yet checked.
    Unknown = 0,
    /// Answers.
    Up = 1,
    /// Does not answer.
    Down = 2,
}

/// Beside whom a node comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rise {
    /// It was there before anybody looked: it may have served for long.
    Found,
    /// Nobody serves that has served for longer: it takes its whole share.
    Alone,
    /// Others serve: it is eased in.
    Among,
}

/// Seconds in which a node that came to others is given at most twice its fair rate.
const YOUNG_SECS: u32 = 60;

/// What went wrong at a node, counted since its name is known.
#[derive(Debug, Default)]
pub struct Errors {
    /// Connections that could not be opened.
    pub connect: AtomicU64,
    /// Requests that were sent and had no answer: broken off, too late, not HTTP.
    pub response: AtomicU64,
    /// Answers of the class 5xx.
    pub answers: AtomicU64,
    /// Checks that failed.
    pub checks: AtomicU64,
}

/// What the network tells of a node. Lives as long as the node's name stays in the conf file, whatever else
/// changes.
#[derive(Debug)]
pub struct NodeLive {
    /// Its name: what identifies it across tables, addresses and weights.
    pub name: Arc<str>,
    /// The node's place in its cluster, for life.
    pub slot: u32,
    /// Where its places are limited, who is new comes in one at a time: so each knows whether there is a place.
    admission: Mutex<()>,
    /// Live sessions, kept by the ledger.
    pub sessions: AtomicU32,
    /// Those of them that give up their place when somebody new wants it, kept by the ledger.
    pub yielding: AtomicU32,
    /// Requests it works on now, open sockets among them, and how many those may be.
    pub limit: RequestLimit,
    /// Tunnels to it that are open: WebSockets and the like.
    pub sockets: AtomicU32,
    /// Its sessions go elsewhere, and its sockets with them.
    leaving: AtomicBool,
    left: Notify,
    /// Requests it was given.
    pub requests: AtomicU64,
    /// What went wrong.
    pub errors: Errors,
    health: AtomicU8,
    /// Its check was answered with a wish to be drained.
    check_drains: AtomicBool,
    /// `clock::monotonic_secs` of coming up while others served already; none when there is nothing to ramp.
    up_since: MaybeU32,
    /// `clock::monotonic_secs` of coming up while nobody served.
    cold_since: MaybeU32,
    /// An operator has enabled it: its checks forget how often it changed sides.
    pub(super) pardoned: AtomicBool,
    /// What traffic and checks have shown of it.
    pub evidence: Evidence,
    /// What it says of itself.
    pub report: NodeReport,
    /// How full it is.
    pub fill: Fill,
    why: Mutex<String>,
    /// Its state as it was last shown, and since when in milliseconds since 1970.
    noted: Mutex<(Option<State>, u64)>,
    /// Requests that wait for a place.
    pub waiting: AtomicU32,
}

impl NodeLive {
    /// A node nothing is known of.
    pub fn new(name: Arc<str>, slot: u32) -> Self {
        Self {
            name,
            slot,
            admission: Mutex::new(()),
            sessions: AtomicU32::new(0),
            yielding: AtomicU32::new(0),
            limit: RequestLimit::default(),
            sockets: AtomicU32::new(0),
            leaving: AtomicBool::new(false),
            left: Notify::new(),
            requests: AtomicU64::new(0),
            errors: Errors::default(),
            health: AtomicU8::new(Health::Unknown as u8),
            check_drains: AtomicBool::new(false),
            up_since: MaybeU32::none(),
            cold_since: MaybeU32::none(),
            pardoned: AtomicBool::new(false),
            evidence: Evidence::default(),
            report: NodeReport::nothing(),
            fill: Fill::unknown(),
            why: Mutex::new("not yet checked".into()),
            noted: Mutex::new((None, clock::unix_ms())),
            waiting: AtomicU32::new(0),
        }
    }

    /// Says whether its sockets are to leave. Called with each new table, and each second.
    pub fn send_sockets_away(&self, away: bool) {
        if self.leaving.swap(away, Relaxed) != away {
            self.left.notify_waiters();
        }
    }

    /// Whether its sockets are to leave.
    pub fn leaves(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    /// Waits until its sockets are to leave.
    pub async fn asked_to_leave(&self) {
        loop {
            let told = self.left.notified();
            if self.leaves() {
                return;
            }
            told.await;
        }
    }

    /// Requests it works on now, open sockets among them.
    pub fn in_flight(&self) -> u32 {
        self.limit.in_use()
    }

    /// Requests it works on now, sockets left out.
    pub fn requests_in_flight(&self) -> u32 {
        self.in_flight().saturating_sub(self.sockets.load(Relaxed))
    }

    /// What checks saw last.
    pub fn health(&self) -> Health {
        match self.health.load(Relaxed) {
            1 => Health::Up,
            2 => Health::Down,
            _ => Health::Unknown,
        }
    }

    /// Sets what checks see. Returns the former value if it changed. `rise`: what it means if it comes up.
    pub fn set_health(&self, health: Health, why: &str, rise: Rise, now: Now) -> Option<Health> {
        let before = match self.health.swap(health as u8, Relaxed) {
            1 => Health::Up,
            2 => Health::Down,
            _ => Health::Unknown,
        };
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why.to_owned();
        if before == health {
            return None;
        }
        if health == Health::Up {
            let now_if = |is: bool| is.then(|| now.secs());
            self.up_since.store(now_if(rise == Rise::Among), Relaxed);
            self.cold_since.store(now_if(rise == Rise::Alone), Relaxed);
            self.evidence.clear();
        }
        Some(before)
    }

    /// Whether its check was answered with a wish to be drained.
    pub fn check_drains(&self) -> bool {
        self.check_drains.load(Relaxed)
    }

    /// Sets what its check asks for; true if that is news.
    pub fn set_check_drains(&self, drains: bool) -> bool {
        self.check_drains.swap(drains, Relaxed) != drains
    }

    /// Why health is what it is, in words.
    pub fn why(&self) -> String {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the state that it is shown in now, and what it was before; none if it is the same.
    pub fn note(&self, now: State) -> Option<StateChange> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = noted.0;
        (before != Some(now)).then(|| {
            *noted = (Some(now), clock::unix_ms());
            StateChange { before, now }
        })
    }

    /// Since when its state is what was last noted, in milliseconds since 1970.
    pub fn since(&self) -> u64 {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// The node answered a client's request.
    pub fn answered(&self, status: StatusCode, now: Now) {
        if status.is_server_error() {
            self.errors.answers.fetch_add(1, Relaxed);
        }
        self.evidence.answered(now);
    }

    /// The share of its weight it gets while it is eased in, in 1/65536.
    pub fn ramp(&self, slow_start_secs: u32, now: Now) -> u32 {
        const WHOLE: u64 = 1 << 16;
        let Some(since) = self.up_since.load(Relaxed) else { return WHOLE as u32 };
        let age = u64::from(now.secs().saturating_sub(since));
        if age >= u64::from(slow_start_secs) {
            if age >= u64::from(YOUNG_SECS) {
                self.up_since.store(None, Relaxed);
            }
            return WHOLE as u32;
        }
        // a tenth at once, so that a trickle warms it up from the first second
        (WHOLE / 10 + WHOLE * 9 / 10 * age / u64::from(slow_start_secs)) as u32
    }

    /// Whether it came up while nobody served, less than `slow_start_secs` ago: nobody is eased in beside a
    /// node as new as itself.
    pub fn is_cold(&self, slow_start_secs: u32, now: Now) -> bool {
        self.cold_since.load(Relaxed).is_some_and(|since| now.secs().saturating_sub(since) < slow_start_secs)
    }

    /// Whether it came to others less than a minute ago.
    pub fn is_young(&self, now: Now) -> bool {
        self.up_since.load(Relaxed).is_some_and(|since| now.secs().saturating_sub(since) < YOUNG_SECS)
    }

    /// Its sessions: what it tells of them and was placed since, and never fewer than those that we saw there
    /// lately. A drain and whatever else could end a session goes by this: its word alone may be wrong.
    pub fn all_sessions(&self) -> u32 {
        self.reported_sessions().max(self.fill.lately(self.sessions.load(Relaxed)))
    }

    /// Its sessions by its own word, and what was placed since: how much room there is. Without its word,
    /// those of the ledger.
    pub fn reported_sessions(&self) -> u32 {
        self.report.sessions(self.sessions.load(Relaxed)).saturating_sub(self.fill.gone())
    }

    /// Those of its sessions that keep their place, of so many: whose client never came back gives it up when
    /// it is wanted.
    pub fn firm(&self, sessions: u32) -> u32 {
        sessions.saturating_sub(self.yielding.load(Relaxed))
    }
}

/// A node of a table.
#[derive(Debug)]
pub struct Node {
    /// What the operator said.
    pub spec: NodeSpec,
    /// What the network tells.
    pub live: Arc<NodeLive>,
    /// Where it is.
    pub link: Arc<Link>,
}

impl Node {
    /// Whether it has a role, by the conf file or by its own word.
    pub fn has_role(&self, role: Role) -> bool {
        // what it says against the file does not count
        self.spec.roles.and(self.live.report.roles()).unwrap_or(self.spec.roles).has(role)
    }

    /// It only tells clients where to go: it takes no sessions, and having none says nothing of its health.
    pub fn stands_aside(&self) -> bool {
        !self.spec.shared && self.has_role(Role::Lb)
    }

    /// Another address that it was announced at, which waits to be accepted.
    pub fn claim(&self) -> Option<Claim> {
        // the conf file may have its word on it by now, or it was accepted and has not spoken since
        self.live
            .report
            .claims
            .standing()
            .filter(|claim| self.spec.joined && claim.url != self.spec.url.to_string())
    }

    /// That its pinned sessions stay, in words.
    pub fn keeps(&self) -> String {
        match self.live.all_sessions() {
            1 => "keeps its 1 pinned session".into(),
            n => format!("keeps its {n} pinned sessions"),
        }
    }

    /// The most requests it gets at one time: the operator's limit, or its own if that is lower.
    pub fn max_requests(&self) -> Option<u32> {
        [self.spec.max_requests, self.live.report.max_requests()].into_iter().flatten().min()
    }

    /// How many sessions it has above the most that it may have; below zero while there is room, none where
    /// nothing limits it. Its own limit is held against its own word: who left without our notice is in
    /// nobody's way.
    pub fn surplus(&self) -> Option<i64> {
        self.above(|sessions| sessions)
    }

    /// The same, once all have given up their place who would.
    pub fn firm_surplus(&self) -> Option<i64> {
        self.above(|sessions| self.live.firm(sessions))
    }

    fn above(&self, count: impl Fn(u32) -> u32) -> Option<i64> {
        let above = |most: u32, has: u32| i64::from(count(has)) - i64::from(most);
        let limited = self.spec.max_sessions.map(|most| above(most, self.live.all_sessions()));
        limited.max(self.live.report.capacity().map(|most| above(most, self.live.reported_sessions())))
    }

    /// Whoever is new comes in with this in hand; none where nothing limits who comes in.
    pub fn admission(&self) -> Option<MutexGuard<'_, ()>> {
        self.capacity().map(|_| self.live.admission.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether its places are limited, and only we know who has them.
    pub fn has_scarce_places(&self) -> bool {
        self.capacity().is_some() && self.live.fill.sessions().is_none()
    }

    /// The most sessions it takes: the operator's limit, or its own if that is lower.
    pub fn capacity(&self) -> Option<u32> {
        [self.spec.max_sessions, self.live.report.capacity()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
