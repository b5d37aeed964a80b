//! The operator's window: page, API, metrics and events on `server.admin`. All of it shows one snapshot
//! (`snapshot::take`), and what is to be changed goes to the registry. Runs on the control thread.

mod api;
mod api_path;
mod bulk;
mod change;
pub mod events;
mod explain;
mod form;
mod found;
mod front;
pub mod guard;
mod history;
mod metrics;
mod open;
mod openapi;
pub mod operate;
mod page;
pub mod quantile;
mod refusals;
mod rules;
mod sessions;
mod shown;
pub mod snapshot;
pub mod status;
mod watch;

pub use front::{Front, FrontPlan};

use crate::base::clock;
use crate::control::audit::{AuditEntry, AuditTrail};
use crate::control::handle::RegistryHandle;
use crate::control::state::StateDir;
use crate::feed::heartbeat_sink::Counts;
use crate::listen::ConnectionPlaces;
use crate::listen::tls::CertStore;
use crate::proxy::worker::WorkerConfig;
use crate::table::{Current, Traffic};
use crate::telemetry::log_writer::CurrentLog;
use crate::telemetry::recent::RecentDecisions;
use crate::telemetry::traces::Traces;
use crate::telemetry::visitors::AskWho;
use events::EventHub;
use history::MetricHistory;
use refusals::AdminRefusals;
use shown::SnapshotCache;
use status::Reload;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Reloads that are remembered.
const RELOADS: usize = 20;
/// Asks each worker for its latest requests.
pub type Recall = Box<dyn Fn() -> Vec<oneshot::Receiver<RecentDecisions>>>;

/// What the window looks at.
pub struct Admin {
    current: Arc<Current>,
    places: Arc<ConnectionPlaces>,
    traffic: Arc<Traffic>,
    log: Arc<CurrentLog>,
    /// What outlives the process, and whether it can.
    state: Arc<StateDir>,
    /// What became of spans, where requests are traced.
    traces: Option<Arc<Traces>>,
    counts: Rc<Counts>,
    /// Where changes are asked for.
    registry: RegistryHandle,
    /// Asks the workers which requests they remember.
    recall: Recall,
    /// Asks them whom they have seen.
    ask_who: AskWho,
    /// Who follows what happens.
    pub events: EventHub,
    /// Who changed what.
    audit: AuditTrail,
    /// Who was not let in.
    refused: AdminRefusals,
    /// The latest reloads, the newest first.
    reloads: RefCell<VecDeque<Reload>>,
    /// When a conf was last applied, in seconds since 1970.
    applied_at: Cell<u64>,
    certificates: RefCell<Vec<(String, Arc<CertStore>)>>,
    history: RefCell<MetricHistory>,
    /// Snapshots so far, and the latest of them.
    snapshots: Cell<u64>,
    shown: SnapshotCache,
    started: u64,
    stopping: Cell<bool>,
}

impl Admin {
    /// The window; what is to be changed is asked of the registry.
    pub fn new(
        workers: &WorkerConfig,
        (recall, ask_who): (Recall, AskWho),
        counts: Rc<Counts>,
        registry: RegistryHandle,
        (audit, state): (AuditTrail, Arc<StateDir>),
    ) -> Rc<Self> {
        let WorkerConfig { current, log, places, traffic, traces } = workers.clone();
        let admin = Self {
            current,
            places,
            traffic,
            log,
            traces,
            state,
            counts,
            registry,
            recall,
            ask_who,
            events: EventHub::default(),
            audit,
            refused: AdminRefusals::default(),
            reloads: RefCell::default(),
            applied_at: Cell::new(clock::unix_secs()),
            certificates: RefCell::default(),
            history: RefCell::default(),
            snapshots: Cell::new(0),
            shown: SnapshotCache::default(),
            started: clock::unix_ms(),
            stopping: Cell::new(false),
        };
        Rc::new(admin)
    }

    /// Shows these certificates from here on.
    pub fn shows(&self, certificates: Vec<(String, Arc<CertStore>)>) {
        self.certificates.replace(certificates);
    }

    /// Remembers how a reload ended, and tells.
    pub fn reloaded(&self, reload: &Reload) {
        if reload.ok {
            self.applied_at.set(clock::unix_secs());
        }
        let mut reloads = self.reloads.borrow_mut();
        let (applied, refused) = reloads.front().map_or((0, 0), |last| (last.applied, last.refused));
        let counted = Reload {
            applied: applied + u64::from(reload.ok),
            refused: refused + u64::from(!reload.ok),
            ..reload.clone()
        };
        self.events.send("reload", &counted);
        reloads.truncate(RELOADS - 1);
        reloads.push_front(counted);
    }

    /// Notes a change, and tells.
    pub fn changed(&self, entry: AuditEntry) {
        self.events.send("change", &entry);
        self.audit.note(entry);
    }

    /// From here on the proxy ends.
    pub fn stopping(&self) {
        self.stopping.set(true);
        self.events.send("stopping", &serde_json::json!({ "at": clock::rfc3339(clock::unix_ms()) }));
    }
}
