//! What the requests of one data-plane thread share: the table, the idle connections, what is written down.
//! Nothing here is locked.

use super::flights::Flights;
use crate::listen::ConnectionPlaces;
use crate::table::{Current, Table, Traffic};
use crate::telemetry::Telemetry;
use crate::telemetry::log_writer::CurrentLog;
use crate::telemetry::traces::Traces;
use crate::upstream::pool::Pool;
use crate::wire::request_id::RequestId;
use arc_swap::Cache;
use bytes::BytesMut;
use http::HeaderValue;
use rand::{RngCore, SeedableRng, rngs::SmallRng};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// Bytes of the piece of memory that ids are written into, one after the other.
const IDS: usize = 4096;

/// A table as one thread holds it: behind a count that no other core touches.
#[allow(
    clippy::redundant_allocation,
    reason = "the inner count is shared by all cores, the outer one is not"
)]
pub type HeldTable = Rc<Arc<Table>>;

/// What all workers have in common.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Where the newest table is.
    pub current: Arc<Current>,
    /// The access log.
    pub log: Arc<CurrentLog>,
    /// Where spans go, where requests are traced.
    pub traces: Option<Arc<Traces>>,
    /// One for each client connection that all workers together may have.
    pub places: Arc<ConnectionPlaces>,
    /// Counts what belongs to no cluster.
    pub traffic: Arc<Traffic>,
}

/// One data-plane thread.
pub struct Worker {
    newest: RefCell<Cache<Arc<Current>, Arc<Table>>>,
    /// The newest table again.
    held: RefCell<HeldTable>,
    /// Idle connections to nodes.
    pub pool: Rc<Pool>,
    /// What is written down of its requests.
    pub telemetry: Telemetry,
    /// Sessions with something in flight here.
    pub flights: Flights,
    /// For draws and ids; not for secrets.
    pub rng: RefCell<SmallRng>,
    /// True once connections are to end.
    pub draining: tokio::sync::watch::Sender<bool>,
    /// Client connections and tunnels now open.
    open: Cell<usize>,
    /// The first of them opened, or the last closed.
    turned: Notify,
    /// What uploads over HTTP/2 may have under way beyond the smallest windows.
    pub uploads: Rc<Cell<u64>>,
    id_prefix: u32,
    next_id: Cell<u32>,
    ids: RefCell<BytesMut>,
}

impl Worker {
    /// A thread's share.
    pub fn new(current: Arc<Current>, telemetry: Telemetry) -> Rc<Self> {
        let table = current.load_full();
        let mut rng = SmallRng::from_os_rng();
        Rc::new(Self {
            newest: RefCell::new(Cache::new(current)),
            held: RefCell::new(Rc::new(table)),
            pool: Rc::default(),
            telemetry,
            flights: Flights::default(),
            id_prefix: rng.next_u32(),
            rng: RefCell::new(rng),
            draining: tokio::sync::watch::Sender::new(false),
            open: Cell::new(0),
            turned: Notify::new(),
            uploads: Rc::default(),
            next_id: Cell::new(0),
            ids: RefCell::new(BytesMut::with_capacity(IDS)),
        })
    }

    /// The newest table.
    pub fn table(&self) -> HeldTable {
        let mut newest = self.newest.borrow_mut();
        let table = newest.load();
        let mut held = self.held.borrow_mut();
        if !Arc::ptr_eq(table, &held) {
            *held = Rc::new(table.clone());
        }
        held.clone()
    }

    /// A request id: unique among all threads and restarts for all practical purposes.
    pub fn request_id(&self) -> RequestId {
        let next = self.next_id.get().wrapping_add(1);
        self.next_id.set(next);
        RequestId::Own(u64::from(self.id_prefix) << 32 | u64::from(next))
    }

    /// An id as a header's value. Those of many requests stand in one piece of memory.
    pub fn as_header(&self, id: &RequestId) -> HeaderValue {
        let mut ids = self.ids.borrow_mut();
        ids.extend_from_slice(id.text(&mut [0; 16]).as_bytes());
        HeaderValue::from_maybe_shared(ids.split().freeze()).unwrap_or(HeaderValue::from_static("-"))
    }

    /// Counts something open until the guard is dropped.
    pub fn hold_open(self: &Rc<Self>) -> OpenConnection {
        let before = self.open.replace(self.open.get() + 1);
        if before == 0 {
            self.turned.notify_waiters();
        }
        OpenConnection(self.clone())
    }

    /// Waits until no client's connection and no tunnel is open.
    pub async fn nothing_is_open(&self) {
        while self.open.get() > 0 {
            self.turned.notified().await;
        }
    }

    /// Waits until one is, or a connection to a node.
    pub async fn something_is_open(&self) {
        while self.open.get() == 0 && self.pool.is_empty() {
            tokio::select! {
                () = self.turned.notified() => {}
                () = self.pool.is_filled() => {}
            }
        }
    }
}

/// A connection or tunnel that is open.
pub struct OpenConnection(Rc<Worker>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let left = self.0.open.get() - 1;
        self.0.open.set(left);
        if left == 0 {
            self.0.turned.notify_waiters();
        }
    }
}
