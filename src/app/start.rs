//! The start: what the conf leaves no choice about is made, and then the conf is put in force as by a reload
//! from nothing.

use super::access_logs::AccessLogs;
use super::component::{Components, PrepareError};
use super::data_plane::DataPlane;
use super::lasting::{Ledgers, Reports};
use super::plain::{Closing, EachTable, Saving};
use super::reload::in_a_line;
use super::sessions::ENDED;
use super::signals::Signals;
use super::start_error::StartError;
use super::{App, OVERLAY};
use crate::admin::{Admin, Front};
use crate::base::clock::Now;
use crate::base::tasks::kept;
use crate::base::{cores, open_files};
use crate::config::model::{AccessLog, Server, Workers};
use crate::config::{Loaded, Sizing};
use crate::control::audit::AuditTrail;
use crate::control::state::StateDir;
use crate::control::state::writer::StateWriter;
use crate::control::{Registry, handle, keys};
use crate::feed::{
    Agents, Announce, Checks, FileWatcher, HeartbeatSink, Housekeeping, ModHeartbeat, Resolver, announce,
};
use crate::listen::ConnectionPlaces;
use crate::net::threads::Threads;
use crate::proxy::worker::WorkerConfig;
use crate::table::{Current, Table};
use crate::telemetry::log_writer::{CurrentLog, LogWriter};
use crate::telemetry::traces::Traces;
use sd_notify::NotifyState;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a process that has the state folder is waited for: one that was told to end gives it up within a
/// second, unless the disk is slow.
const TURN: Duration = Duration::from_secs(5);
/// What a change of the state folder's overlay costs when it cannot be read.
const COST: &str =
    "drains, limits and acceptances are forgotten; nodes that joined come with their next heartbeat";

impl App {
    /// Starts with the conf that was read, which is watched already.
    pub(super) fn start(path: &Path, mut loaded: Loaded, files: FileWatcher) -> Result<Self, StartError> {
        // before anything is announced, so that no signal finds its default action
        let signals = Signals::install().map_err(StartError::Signals)?;
        for warning in &loaded.warnings {
            tracing::warn!("{}", in_a_line(&[warning.to_string()]));
        }
        let may_open = open_files::raise();
        Sizing::fit(&mut loaded.config, &loaded.given, cores::count(), may_open);
        if let Some(shortage) = Sizing::of(&loaded.config, cores::count()).shortage(may_open) {
            tracing::warn!("{shortage}");
        }
        let server = loaded.config.server.clone();
        let dir = Arc::new(StateDir::open_within(&loaded.folder.join(&server.state_dir), TURN)?);
        let ring = Arc::new(keys::load_or_make(&dir)?);
        announce::read_common_tokens(&loaded.config, &mut loaded.files);
        let registry = Registry::new(ring, dir.read(OVERLAY, COST));
        let prepared = registry.prepare(loaded.config, loaded.files, Now::look())?;
        for line in &prepared.lapsed {
            tracing::warn!("{line}");
        }
        let shared = shared(&server, &loaded.folder, registry.current())?;
        let threads = Threads::start(worker_count(&server), &shared).map_err(StartError::Thread)?;
        let state = Rc::new(StateWriter::start(dir.clone()).map_err(StartError::Thread)?);
        let (handle, commands) = handle::channel();
        let beats = HeartbeatSink::new(registry.current().clone(), handle.clone());
        let admin = Admin::new(
            &shared,
            (threads.recall(), threads.who()),
            beats.counts.clone(),
            handle,
            (AuditTrail::recall(state.clone()), dir.clone()),
        );
        watch(registry.current(), &admin, &beats, &state);
        let mut app = Self {
            path: path.to_owned(),
            given: loaded.given,
            ends: threads.ends(),
            components: components(
                &shared,
                threads,
                (&state, dir),
                &beats,
                &admin,
                (&server.access_log, &loaded.folder),
            ),
            registry,
            files,
            signals,
            commands,
            admin,
            beats,
            ended: state.dir().path(&format!("{ENDED}.json")).exists(),
            state,
            log: shared.log,
        };
        // before the first client comes: whoever sees an old certificate may change it at once
        app.files.set(&loaded.watched);
        for line in app.put_in_force(prepared)? {
            tracing::info!("{line}");
        }
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        Ok(app)
    }
}

/// What all data-plane threads have in common.
fn shared(server: &Server, folder: &Path, current: &Arc<Current>) -> Result<WorkerConfig, StartError> {
    Ok(WorkerConfig {
        current: current.clone(),
        log: LogWriter::start(&server.access_log, folder)
            .map(|log| Arc::new(CurrentLog::new(log)))
            .map_err(|why| PrepareError::AccessLog { to: server.access_log.to.clone(), why })?,
        traces: Traces::start(server.traces.as_ref())?,
        places: Arc::new(ConnectionPlaces::new(server.max_connections)),
        traffic: Arc::default(),
    })
}

/// All components, in the order in which they follow the table; they end in the reverse.
fn components(
    shared: &WorkerConfig,
    threads: Threads,
    (state, dir): (&Rc<StateWriter>, Arc<StateDir>),
    beats: &Rc<HeartbeatSink>,
    admin: &Rc<Admin>,
    (access_log, folder): (&AccessLog, &Path),
) -> Components {
    let (traces, documents) = (shared.traces.clone(), state.clone());
    let (mut names, mut checks, mut agents) = (Resolver::new(), Checks::new(), Agents::new(beats.clone()));
    Components::default()
        .with(Closing(async move || {
            if let Some(traces) = &traces {
                traces.close().await;
            }
        }))
        .with(AccessLogs::new(shared.log.clone(), access_log, folder))
        .with(Saving(move || documents.close()))
        .with(Reports::new(beats.clone(), state.clone()))
        .with(Ledgers::new(dir, shared.current.clone()))
        .with(EachTable(move |table: &Table| names.reconcile(table)))
        .with(EachTable(move |table: &Table| checks.reconcile(table)))
        .with(EachTable(move |table: &Table| agents.reconcile(table)))
        .with(DataPlane::new(threads, shared.places.clone(), folder))
        .with(Front::new(admin.clone(), folder))
        .with(ModHeartbeat::new(beats.clone(), folder))
        .with(Announce::new(beats.clone(), folder))
}

/// Begins what looks again and again, whatever the table.
fn watch(current: &Arc<Current>, admin: &Rc<Admin>, beats: &Rc<HeartbeatSink>, state: &Rc<StateWriter>) {
    let (of, shown, curves, heard, kept_in) =
        (current.clone(), admin.clone(), admin.clone(), beats.clone(), state.clone());
    tokio::task::spawn_local(kept("housekeeping", move || Housekeeping::new().run(of.clone())));
    tokio::task::spawn_local(kept("the watch over what is shown", move || shown.clone().watch()));
    tokio::task::spawn_local(kept("the curves", move || curves.clone().remember()));
    tokio::task::spawn_local(kept("the watch over heartbeats", move || heard.clone().watch(kept_in.clone())));
}

fn worker_count(server: &Server) -> usize {
    match server.workers {
        Workers::Count(n) => usize::from(n.max(1)),
        Workers::Word(_) => cores::count(),
    }
}
