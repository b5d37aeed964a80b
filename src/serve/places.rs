//! The connections of an address: bounded, and whoever owes a request keeps nobody out. When all places are
//! taken, the one that has owed longest is let go for the next that comes; some are never worked in, so that
//! there is always one like it.

use super::write_timeout::WriteLimit;
use crate::base::clock;
use crate::transport::watched::StreamWatch;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The longest that a head may take, a TLS handshake before it included.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that a connection may be without a request once it had one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub struct PlaceLimits {
    /// Connections at one time.
    pub connections: usize,
    /// Those of them that are not for requests in work.
    pub spare: usize,
}

/// All of an address.
pub struct ControlPlaces {
    limits: PlaceLimits,
    open: Cell<usize>,
    /// Requests that are whole, and not answered yet.
    working: Cell<usize>,
    next: Cell<u64>,
    /// Who owes a request, the longest in front, and how he is let go.
    owing: RefCell<BTreeMap<u64, AbortHandle>>,
    news: Notify,
}

/// One connection's.
pub struct ControlPlace {
    of: Rc<ControlPlaces>,
    task: RefCell<Option<AbortHandle>>,
    /// Its number among those that owe a request, while it does.
    owes: Cell<Option<u64>>,
    /// When it has owed for too long.
    until: Cell<Option<Instant>>,
    /// It has had an answer, and nothing of the next request has come.
    idle: Cell<bool>,
}

impl ControlPlaces {
    /// None is taken.
    pub fn new(limits: PlaceLimits) -> Rc<Self> {
        Rc::new(Self {
            limits,
            open: Cell::new(0),
            working: Cell::new(0),
            next: Cell::new(0),
            owing: RefCell::default(),
            news: Notify::new(),
        })
    }

    /// A place for one more. Only where nobody owes a request it waits.
    pub async fn enter(self: &Rc<Self>) -> Rc<ControlPlace> {
        let mut room = pin!(self.news.notified());
        while self.open.get() >= self.limits.connections && !self.let_one_go() {
            room.as_mut().await;
            room.set(self.news.notified());
        }
        self.open.set(self.open.get() + 1);
        let place = ControlPlace {
            of: self.clone(),
            task: RefCell::default(),
            owes: Cell::new(None),
            until: Cell::new(Some(clock::timer_instant() + HEAD_TIMEOUT)),
            idle: Cell::new(false),
        };
        Rc::new(place)
    }

    fn let_one_go(&self) -> bool {
        let longest = self.owing.borrow_mut().pop_first();
        longest.is_some_and(|(_, task)| {
            task.abort();
            true
        })
    }
}

impl ControlPlace {
    /// This task serves the connection; it owes its first request.
    pub fn is_served_by(&self, task: AbortHandle) {
        self.task.replace(Some(task));
        self.owe();
    }

    fn owe(&self) {
        if let (None, Some(task)) = (self.owes.get(), &*self.task.borrow()) {
            let number = self.of.next.get();
            self.of.next.set(number + 1);
            self.of.owing.borrow_mut().insert(number, task.clone());
            self.owes.set(Some(number));
        }
    }

    /// Whether one more request may be worked at, beside those that are always answered.
    pub fn may_work(&self) -> bool {
        let PlaceLimits { connections, spare } = self.of.limits;
        self.of.working.get() + spare < connections
    }

    /// The head of a request is there; its body has a limit of its own.
    pub fn has_head(&self) {
        self.until.set(None);
        self.idle.set(false);
    }

    /// All of it is.
    pub fn has_request(&self) {
        if let Some(number) = self.owes.take() {
            self.of.owing.borrow_mut().remove(&number);
            self.of.working.set(self.of.working.get() + 1);
        }
    }

    /// It is answered.
    fn has_answer(&self) {
        if self.owes.get().is_none() {
            self.of.working.set(self.of.working.get().saturating_sub(1));
            self.owe();
            self.of.news.notify_one();
        }
        self.until.set(Some(clock::timer_instant() + IDLE_TIMEOUT));
        self.idle.set(true);
    }

    fn has_bytes(&self) {
        if self.idle.replace(false) {
            self.until.set(Some(clock::timer_instant() + HEAD_TIMEOUT));
        }
    }

    /// Serves the connection for no longer than it owes a request within its time; whether it ended by itself.
    pub async fn within_time(&self, serving: impl Future<Output = ()>) -> bool {
        let (mut serving, mut end) = (pin!(serving), pin!(tokio::time::sleep(HEAD_TIMEOUT)));
        std::future::poll_fn(|cx| {
            // what it does now may change until when it may
            if serving.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            let Some(until) = self.until.get() else { return Poll::Pending };
            if until != end.deadline() {
                end.as_mut().reset(until);
            }
            end.as_mut().poll(cx).map(|()| false)
        })
        .await
    }
}

impl Drop for ControlPlace {
    fn drop(&mut self) {
        // what was in work has ended before: its answer is gone
        if let Some(number) = self.owes.take() {
            self.of.owing.borrow_mut().remove(&number);
        }
        self.of.open.set(self.of.open.get() - 1);
        self.of.news.notify_one();
    }
}

/// An answer that is being sent; its connection owes the next request once it is gone.
pub struct Answering(pub Rc<ControlPlace>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.has_answer();
    }
}

/// What is seen of a connection's bytes.
pub struct PlaceWatch {
    place: Rc<ControlPlace>,
    limit: WriteLimit,
}

impl PlaceWatch {
    /// Of this place; so long the other side may take nothing.
    pub fn new(place: Rc<ControlPlace>, limit: WriteLimit) -> Self {
        Self { place, limit }
    }
}

impl StreamWatch for PlaceWatch {
    fn read(&mut self) {
        self.place.has_bytes();
    }

    fn write(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.limit.write(cx, written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    const LIMITS: PlaceLimits = PlaceLimits { connections: 3, spare: 1 };

    /// A connection that does nothing, until it is let go.
    async fn come(places: &Rc<ControlPlaces>) -> (Rc<ControlPlace>, tokio::task::JoinHandle<()>) {
        let place = places.enter().await;
        let held = place.clone();
        let task = tokio::task::spawn_local(async move {
            pending::<()>().await;
            drop(held);
        });
        place.is_served_by(task.abort_handle());
        (place, task)
    }

    fn at_once(future: impl Future) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        pin!(future).poll(&mut cx).is_ready()
    }

    #[tokio::test]
    async fn who_owes_a_request_longest_goes_and_who_is_answered_stays() {
        let tasks = tokio::task::LocalSet::new();
        tasks
            .run_until(async {
                let places = ControlPlaces::new(LIMITS);
                let (first, second, third) = (come(&places).await, come(&places).await, come(&places).await);
                first.0.has_head();
                first.0.has_request();
                let fourth = come(&places).await;
                assert!(second.1.await.unwrap_err().is_cancelled(), "it owed longest, for the first asked");
                drop(Answering(first.0.clone()));
                drop(second.0);
                let fifth = come(&places).await;
                assert!(third.1.await.unwrap_err().is_cancelled(), "the first is answered since then");
                drop(third.0);
                for (place, _) in [&first, &fourth, &fifth] {
                    place.has_request();
                }
                assert!(!at_once(places.enter()), "nobody owes anything");
                drop(Answering(fourth.0.clone()));
                assert!(at_once(places.enter()));
            })
            .await;
    }

    #[tokio::test]
    async fn requests_in_work_leave_a_place_for_the_next() {
        let tasks = tokio::task::LocalSet::new();
        tasks
            .run_until(async {
                let places = ControlPlaces::new(LIMITS);
                let (first, second) = (come(&places).await, come(&places).await);
                first.0.has_request();
                assert!(second.0.may_work());
                second.0.has_request();
                assert!(!second.0.may_work());
                drop(Answering(first.0.clone()));
                assert!(second.0.may_work());
            })
            .await;
    }

    #[tokio::test]
    async fn a_request_is_owed_for_so_long_and_dripping_does_not_help() {
        let tasks = tokio::task::LocalSet::new();
        tasks
            .run_until(async {
                let (place, _task) = come(&ControlPlaces::new(LIMITS)).await;
                let first = place.until.get();
                place.has_bytes();
                assert_eq!(place.until.get(), first, "a byte is no request");
                place.has_head();
                place.has_request();
                assert_eq!(place.until.get(), None, "now we owe");
                drop(Answering(place.clone()));
                let idle = place.until.get().unwrap();
                assert!(idle > clock::timer_instant() + HEAD_TIMEOUT);
                place.has_bytes();
                let begun = place.until.get().unwrap();
                assert!(begun < idle, "the next one has begun");
                place.has_bytes();
                assert_eq!(place.until.get(), Some(begun));
                let passes = async {
                    tokio::task::yield_now().await;
                    place.until.set(Some(clock::timer_instant()));
                    pending::<()>().await;
                };
                assert!(!place.within_time(passes).await);
                assert!(place.within_time(async {}).await);
            })
            .await;
    }
}
