//! The time limits of one client connection: its own, and the nearest of those of its requests.

use crate::base::clock::{self, Now, monotonic_ms};
use crate::transport::body_progress::BodyProgress;
use crate::transport::connection_progress::ConnectionProgress;
use crate::transport::shared_deadline::SharedDeadline;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// Shared by a connection, its exchanges and its clock.
#[derive(Default)]
pub struct ConnectionTimers {
    in_flight: Cell<u32>,
    /// When the last exchange ended, or the connection began.
    idle_since: Cell<u64>,
    /// When the first byte of a request's head came, while it is not there in full; 0 otherwise.
    head_since: Cell<u64>,
    /// When bytes last moved, and how the body comes in of a connection with one exchange at a time.
    pub pace: Rc<ConnectionProgress>,
    /// When the node is to have answered, of such a connection.
    pub alarm: SharedDeadline,
    /// The bodies that come in at the same time over HTTP/2.
    uploads: RefCell<Vec<Weak<BodyProgress>>>,
}

impl ConnectionTimers {
    /// Of a connection that was just opened.
    pub fn new() -> Self {
        Self { idle_since: Cell::new(monotonic_ms()), ..Self::default() }
    }

    /// A request's head has begun and is not there in full. That is HTTP/1's: between exchanges of HTTP/2
    /// there may be no more than a ping.
    pub fn begin_head(&self) {
        if self.head_since.get() == 0 {
            self.head_since.set(monotonic_ms().max(1));
        }
    }

    /// Whether a request's head has begun and is not there in full.
    pub fn is_in_head(&self) -> bool {
        self.head_since.get() != 0
    }

    /// An exchange begins.
    pub fn begin(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.head_since.set(0);
    }

    /// An exchange is through.
    pub fn end(&self, now: Now) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.idle_since.set(now.ms());
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.get() == 0
    }

    /// One of many bodies begins to come in; it has a deadline of its own while that is held.
    pub fn begin_upload(&self) -> Rc<BodyProgress> {
        let upload = Rc::default();
        let mut uploads = self.uploads.borrow_mut();
        if uploads.len() == uploads.capacity() {
            uploads.retain(|upload| upload.strong_count() > 0);
        }
        uploads.push(Rc::downgrade(&upload));
        upload
    }

    /// Those of many bodies that stall are cut, and the connection goes on.
    pub fn cut_stalled(&self, idle: Duration) {
        let now = u128::from(monotonic_ms());
        for upload in self.uploads.borrow().iter().filter_map(Weak::upgrade) {
            if upload.waits_since().is_some_and(|since| u128::from(since) + idle.as_millis() <= now) {
                upload.cut(idle);
            }
        }
    }

    /// When the connection is to be cut after it was told to end, if nothing is under way: its last request may
    /// take so long from its first byte, or from when one could come.
    pub fn last_head(&self, told: Instant, most: Duration) -> Option<Instant> {
        if !self.is_idle() || self.pace.blocked_since().is_some() {
            return None;
        }
        let by = |since: u64| {
            clock::instant()
                + most.saturating_sub(Duration::from_millis(monotonic_ms().saturating_sub(since)))
        };
        Some(match self.head_since.get() {
            0 => by(self.idle_since.get()).max(told + most),
            since => by(since),
        })
    }

    /// When the connection is to be cut, or something on it, unless something happens before.
    pub fn deadline(&self, header: Duration, idle: Duration) -> Instant {
        let (now, at) = (monotonic_ms(), clock::instant());
        let after = |since: u64, limit: Duration| {
            let left = (u128::from(since) + limit.as_millis()).saturating_sub(u128::from(now));
            at + Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX).min(86_400_000))
        };
        if !self.is_idle() {
            let blocked = self.pace.blocked_since();
            let uploads = self.uploads.borrow();
            let uploads = uploads.iter().filter_map(|upload| upload.upgrade()?.waits_since());
            let since = uploads.chain(blocked).chain(self.pace.body.waits_since()).min();
            let cut = after(since.unwrap_or(now), idle);
            return self.alarm.by().map_or(cut, |by| by.min(cut));
        }
        match self.head_since.get() {
            0 => after(self.idle_since.get(), idle),
            since => after(since, header),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::{Context, Wake, Waker};

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn each_body_has_a_deadline_of_its_own() {
        let (timers, idle) = (ConnectionTimers::new(), Duration::from_millis(30));
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        timers.begin();
        timers.begin();
        let (stalls, flows, answered) = (timers.begin_upload(), timers.begin_upload(), timers.begin_upload());
        assert!([&stalls, &flows, &answered].iter().all(|body| body.wait_to_be_told(&cx).is_ok()));
        answered.may_pause(true);
        timers.end(Now::look());
        let due = timers.deadline(idle, idle);
        while monotonic_ms() < stalls.waits_since().unwrap() + 30 {
            std::thread::sleep(Duration::from_millis(1));
        }
        flows.stop();
        assert!(flows.wait_to_be_told(&cx).is_ok());
        assert!(
            due <= Instant::now() + Duration::from_millis(1),
            "the end of another request moves no deadline"
        );
        timers.cut_stalled(idle);
        let cut = [&stalls, &flows, &answered].map(|body| body.wait_to_be_told(&cx).is_err());
        assert_eq!((cut, woken.0.load(Relaxed)), ([true, false, false], 1));
        assert!(timers.deadline(idle, idle) > Instant::now(), "the connection goes on");
        answered.may_pause(false);
        assert!(answered.waits_since() >= flows.waits_since(), "its waiting begins anew");
    }

    #[test]
    fn bodies_that_are_through_leave_nothing_behind() {
        let timers = ConnectionTimers::new();
        (0..1000).for_each(|_| drop(timers.begin_upload()));
        assert!(timers.uploads.borrow().capacity() <= 8);
    }
}
