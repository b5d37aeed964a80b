//! The operator's window: API, metrics and events on `server.admin`. All of it shows one snapshot (`snapshot::take`), and what is
//! to be changed goes to the control loop's desk. Runs on the control thread.

mod api;
pub mod events;
mod explain;
mod front;
pub mod guard;
mod metrics;
pub mod operate;
pub mod snapshot;
pub mod status;

pub use front::Front;

use crate::base::clock;
use crate::control::desk::Desk;
use crate::feed::beats::Counts;
use crate::net::threads::{Command, Thread};
use crate::table::{Current, Traffic};
use events::Hub;
use status::Reload;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Reloads that may wait.
const WAITING: usize = 16;
/// How often node states are looked at: they depend on counters that tell nobody when they change.
const LOOK: Duration = Duration::from_millis(200);

/// Where the control loop is asked to read the conf file again, and by whom.
pub type Reloads = mpsc::Receiver<oneshot::Sender<Reload>>;

/// What the window looks at.
pub struct Admin {
    current: Arc<Current>,
    places: Arc<Semaphore>,
    /// How many client connections there may be at one time.
    limit: usize,
    traffic: Arc<Traffic>,
    counts: Rc<Counts>,
    reloads: mpsc::Sender<oneshot::Sender<Reload>>,
    desk: Desk,
    /// The data-plane threads, which remember their latest requests.
    threads: RefCell<Vec<mpsc::UnboundedSender<Command>>>,
    /// Who follows what happens.
    pub events: Hub,
    reload: RefCell<Reload>,
    started: u64,
    stopping: Cell<bool>,
}

impl Admin {
    /// The window, and where the asks for a reload come out.
    pub fn new(
        current: Arc<Current>,
        places: Arc<Semaphore>,
        traffic: Arc<Traffic>,
        counts: Rc<Counts>,
        desk: Desk,
    ) -> (Rc<Self>, Reloads) {
        let (reloads, inbox) = mpsc::channel(WAITING);
        let limit = places.available_permits();
        let started = clock::unix_ms();
        let reload = RefCell::new(Reload::at_start(started));
        let events = Hub::default();
        let stopping = Cell::new(false);
        let threads = RefCell::default();
        (Rc::new(Self { current, places, limit, traffic, counts, reloads, desk, threads, events, reload, started, stopping }), inbox)
    }

    /// These threads may be asked for their latest requests.
    pub fn meet(&self, threads: &[Thread]) {
        *self.threads.borrow_mut() = threads.iter().map(|thread| thread.commands.clone()).collect();
    }

    /// Looks at the nodes' states for ever, so that each change is told with its time.
    pub async fn watch(self: Rc<Self>) {
        let mut clock = tokio::time::interval(LOOK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            snapshot::observe(&self);
        }
    }

    /// Remembers how a reload ended, and tells.
    pub fn reloaded(&self, reload: &Reload) {
        let mut last = self.reload.borrow_mut();
        let counted =
            Reload { applied: last.applied + u64::from(reload.ok), refused: last.refused + u64::from(!reload.ok), ..reload.clone() };
        self.events.tell("reload", &counted);
        *last = counted;
    }

    /// From here on the proxy ends.
    pub fn stopping(&self) {
        self.stopping.set(true);
        self.events.tell("stopping", &serde_json::json!({ "at": clock::rfc3339(clock::unix_ms()) }));
    }
}
