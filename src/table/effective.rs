//! The effective state of a node: what the operator wants, what checks see and what the node says, in one
//! word with its why.
//!
//! | what the operator wants | what checks see | sessions it has | new sessions |
//! |-------------------------|-----------------|-----------------|--------------|
//! | enabled                 | up              | yes             | yes, unless full |
//! | enabled                 | unknown         | wait, then yes  | wait, then as if down |
//! | enabled                 | down            | no, but see [`super::kept`] | no (all down: tried all the same) |
//! | draining                | up              | yes             | no           |
//! | draining                | down            | as above        | no           |
//! | maintenance             | any             | no              | no           |
//! | any of these            | down, passes again | no, but see [`super::kept`]; what it tells counts | no |
//! | removed, drained        | any             | no              | no           |
//! | pending                 | not checked     | no              | no           |
//!
//! A node that only tells clients where to go (role `lb` in a dedicated cluster) has no sessions and takes
//! none, whatever else it is.
//!
//! What the node says of itself can only take away: draining, stopping, syncing, and an older version than
//! another ready node's, keep its sessions and take no new ones. Its silence takes nothing away.

use super::evidence::FailureKind;
use super::node::{Health, Node};
use super::state::State;
use crate::base::clock::Now;
use crate::base::words;
use crate::config::model::AdminState;
use crate::heartbeat::Announced;
use std::sync::atomic::Ordering::Relaxed;

impl Node {
    /// The effective state. Nothing else decides it.
    pub fn state(&self, now: Now) -> State {
        match (self.spec.admin, self.live.health()) {
            (AdminState::Pending, _) => State::Pending,
            (AdminState::Removed, _) => State::Removed,
            (AdminState::Drained, _) => State::Drained,
            (AdminState::Maintenance, _) => State::Maintenance,
            (_, Health::Down) if !self.live.evidence.check_passes() => State::Down,
            _ if self.live.report.is_down() => State::Down,
            _ if self.stands_aside() => self.aside(),
            (_, Health::Unknown) => State::Unknown,
            _ if self.live.evidence.is_ejected(now) => State::Down,
            (AdminState::Draining, _) => State::Draining,
            _ if self.spec.weight == 0 || self.live.check_drains() => State::Draining,
            _ => match self.live.report.announced() {
                Announced::Maintenance => State::Maintenance,
                Announced::Draining | Announced::Stopping => State::Draining,
                // its check passes, but not often enough yet: what it tells is obeyed all the same
                _ if self.live.health() == Health::Down => State::Down,
                Announced::Syncing => State::Syncing,
                Announced::Ready if self.live.report.is_outdated() => State::Syncing,
                Announced::Ready if self.is_full() => State::Full,
                Announced::Ready => State::Ready,
            },
        }
    }

    /// Of a node without sessions: it is there, or is being taken out, which is over at once.
    fn aside(&self) -> State {
        match (self.spec.admin, self.live.report.announced()) {
            (AdminState::Draining, _) | (_, Announced::Draining | Announced::Stopping) => State::Drained,
            (_, Announced::Maintenance) => State::Maintenance,
            _ if self.live.health() == Health::Down => State::Down,
            _ => State::Aside,
        }
    }

    fn is_full(&self) -> bool {
        self.live.report.load() == Some(100) || self.firm_surplus() >= Some(0)
    }

    /// As it is shown in status, API and metrics: drained once a drain has nobody left, no open socket
    /// either, silent when a node that serves has stopped announcing itself.
    pub fn shown(&self, now: Now) -> State {
        match self.state(now) {
            State::Draining if self.live.all_sessions() == 0 && self.live.in_flight() == 0 => State::Drained,
            // who was left goes elsewhere with the next request; what is under way is still here
            State::Drained if self.live.in_flight() > 0 => State::Draining,
            State::Ready if self.live.report.is_silent() => State::Silent,
            State::Aside => State::Ready,
            state => state,
        }
    }

    /// How many are still there: sessions, and requests and sockets that are under way.
    pub fn count(&self) -> u64 {
        u64::from(self.live.all_sessions()) + u64::from(self.live.in_flight())
    }

    /// Who is still there, in words: "2 sessions, 3 sockets left".
    pub fn left(&self) -> String {
        let live = &self.live;
        let (sessions, requests, sockets) =
            (live.all_sessions(), live.requests_in_flight(), live.sockets.load(Relaxed));
        format!(
            "{} left",
            words::counts(&[
                (sessions.into(), "session"),
                (requests.into(), "request"),
                (sockets.into(), "socket")
            ])
        )
    }

    /// Whether the open sockets of its sessions are ended: they do not stay where their sessions are not
    /// served.
    pub fn sends_sockets_away(&self, now: Now) -> bool {
        matches!(self.state(now), State::Maintenance | State::Drained | State::Removed | State::Pending)
    }

    /// Why it is in that state, in words.
    pub fn why(&self, now: Now) -> String {
        let told = &self.live.report;
        match self.state(now) {
            State::Pending => "announced itself and waits to be accepted".into(),
            State::Removed => "stands alone: reached by bypass only".into(),
            State::Drained if self.stands_aside() => "taken out; it had no sessions".into(),
            State::Drained if self.live.in_flight() > 0 => {
                format!("its drain is over: who was left goes to another node with the next request; {}", self.left())
            }
            State::Drained => "its drain is over: who was left goes to another node with the next request".into(),
            State::Maintenance if self.spec.admin == AdminState::Maintenance => "the operator took it out".into(),
            State::Maintenance => "it asked to be left alone".into(),
            State::Down if self.live.health() == Health::Up && told.is_down() => "its agent calls it down".into(),
            State::Down if self.live.health() == Health::Up && self.live.evidence.proof(now) == Some(FailureKind::InVain) => {
                "clients waited in vain, and so did a check that asked for \"/\": it is left alone for a moment".into()
            }
            State::Down if self.live.health() == Health::Up => "requests failed one after another: it is left alone for a moment".into(),
            State::Draining => {
                let by = match (self.spec.admin, self.spec.weight) {
                    (AdminState::Draining, _) => "the operator drains it",
                    (_, 0) => "its weight is 0",
                    _ if self.live.check_drains() => "its check asks for it",
                    _ => "it asked to be drained",
                };
                format!("{by}: {}", self.left())
            }
            State::Syncing if told.announced() == Announced::Syncing => "it is catching up: its sessions, no new ones".into(),
            State::Syncing => {
                let version = told.version().unwrap_or_default();
                format!("version {version} is older than another ready node's: its sessions, no new ones")
            }
            State::Full => match self.capacity() {
                Some(most) if self.firm_surplus() >= Some(0) => format!("{} of {most} sessions", self.live.all_sessions()),
                _ => "it says that it has no room".into(),
            },
            State::Aside => "tells clients where to go, serves nobody itself".into(),
            State::Ready if told.is_silent() => {
                let seconds = told.since(now).unwrap_or_default() / 1000;
                format!("no heartbeat for {seconds} s: its checks decide ({})", self.live.why())
            }
            State::Down | State::Unknown | State::Ready | State::Silent => self.live.why(),
        }
    }
}
