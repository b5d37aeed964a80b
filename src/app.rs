//! Wires everything: conf, registry, threads, sockets, feeds, signals, and the end.

mod reload;

use crate::admin::{Admin, Front, Reloads};
use crate::base::clock::{self, Now};
use crate::base::open_files;
use crate::base::tasks::{self, kept};
use crate::config::given::Given;
use crate::config::model::Workers;
use crate::config::{self, Loaded, Needs};
use crate::control::desk::{self, Done, Order, Orders};
use crate::control::drain::Then;
use crate::control::edit::{Action, Edit, Refused};
use crate::control::state::writer::StateWriter;
use crate::control::state::{StateDir, ledgers};
use crate::control::{Registry, keys};
use crate::feed::{Agents, Announce, Beats, Checks, Files, ModHeartbeat, Names, Pulse};
use crate::net::listeners::ClientListeners;
use crate::net::threads::{self, Command, Thread};
use crate::proxy::worker::WorkerConfig;
use crate::telemetry::log_writer::Log;
use crate::telemetry::traces::Traces;
use crate::upstream::home;
use sd_notify::NotifyState;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What ends a run.
pub enum Ended {
    /// As asked.
    Gracefully,
    /// The conf was refused, or a socket could not be bound: the lines say why.
    Refused(Vec<String>),
    /// A part of it had broken off: whoever watches over the process starts it again.
    Broken,
}

/// Runs the proxy for the conf file at `path` until it is told to stop.
pub fn run(path: &Path) -> Ended {
    tasks::notice_panics();
    // the provider of all cryptography is chosen here, once
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let files = Files::new(&[path.to_owned().into()]);
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(findings) => return Ended::Refused(findings.iter().map(ToString::to_string).collect()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ended::Refused(vec![format!("error: {error}")]),
    };
    let tasks = tokio::task::LocalSet::new();
    let ended = tasks.block_on(&runtime, async {
        match App::start(path, &loaded, files) {
            Ok(app) => app.run().await,
            Err(error) => Ended::Refused(vec![format!("error: {error}")]),
        }
    });
    runtime.shutdown_background();
    ended
}

/// Where the lines of this module and its parts in the process's log come from.
pub const LOG: &str = module_path!();
/// The document with what was decided at run time.
const RUNTIME: &str = "runtime";

/// The control plane as it runs.
struct App {
    path: PathBuf,
    /// What the conf in force says.
    given: Given,
    registry: Registry,
    threads: Vec<Thread>,
    listeners: ClientListeners,
    checks: Checks,
    agents: Agents,
    mod_heartbeat: ModHeartbeat,
    names: Names,
    files: Files,
    log: Arc<Log>,
    traces: Option<Arc<Traces>>,
    state: Rc<StateWriter>,
    keeper: ledgers::Keeper,
    signals: Signals,
    orders: Orders,
    admin: Rc<Admin>,
    front: Front,
    announce: Announce,
    beats: Rc<Beats>,
    reloads: Reloads,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
}

impl App {
    fn start(path: &Path, loaded: &Loaded, mut files: Files) -> Result<Self, String> {
        // before anything is announced, so that no signal finds its default action
        let signal = |kind| signal(kind).map_err(|e| e.to_string());
        let signals = Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
        };
        let server = &loaded.config.server;
        for warning in &loaded.warnings {
            tracing::warn!("{}", reload::in_a_line(&[warning.to_string()]));
        }
        if let Some(shortage) = Needs::of(&loaded.config, cores()).shortage(open_files::raise()) {
            tracing::warn!("{shortage}");
        }
        let folder = Arc::new(StateDir::open(&loaded.folder.join(&server.state_dir))?);
        let ring = Arc::new(keys::load_or_make(&folder)?);
        let (registry, said) = Registry::start(
            loaded,
            ring,
            folder.read(RUNTIME, "drains, limits and acceptances are forgotten; nodes that joined come with their next heartbeat"),
            Now::look(),
        )?;
        for line in said {
            tracing::warn!("{line}");
        }
        let table = registry.current().load_full();
        let log = Log::start(&server.access_log, &loaded.folder).map_err(|e| format!("access log {}: {e}", server.access_log.to))?;
        let traces = Traces::start(server.traces.as_ref())?;
        let count = match server.workers {
            Workers::Count(n) => usize::from(n.max(1)),
            Workers::Word(_) => cores(),
        };
        let mut listeners = ClientListeners::new(&loaded.folder, count);
        let plan = listeners.prepare(&table)?;
        let config = WorkerConfig {
            current: registry.current().clone(),
            log: log.clone(),
            traces: traces.clone(),
            places: Arc::new(tokio::sync::Semaphore::new((server.max_connections as usize).max(1))),
            traffic: Arc::default(),
        };
        let start = |n| threads::spawn(n, config.clone()).map_err(|e| format!("thread: {e}"));
        let threads: Vec<Thread> = (0..count).map(start).collect::<Result<_, String>>()?;
        let (desk, orders) = desk::open();
        let beats = Beats::new(registry.current().clone(), desk.clone());
        beats.recall(&folder);
        let counts = beats.counts.clone();
        let (admin, reloads) = Admin::new(&config, threads::recall(&threads), counts, desk);
        let mut front = Front::new(admin.clone(), &loaded.folder);
        let window = front.prepare(&loaded.config)?;
        let mut mod_heartbeat = ModHeartbeat::new(beats.clone(), &loaded.folder);
        let ears = mod_heartbeat.prepare(&loaded.config)?;
        let mut announce = Announce::new(beats.clone(), &loaded.folder);
        let ear = announce.prepare(&loaded.config)?;
        home::settle([listeners.homes(&plan), front.homes(&window), announce.homes(&ear), mod_heartbeat.homes(&ears)].concat());
        let keeper = ledgers::Keeper::start(folder.clone(), registry.current().clone());
        let state = Rc::new(StateWriter::start(folder).map_err(|e| format!("thread: {e}"))?);
        let (mut checks, mut names, mut agents) = (Checks::new(), Names::new(), Agents::new(beats.clone()));
        names.reconcile(&table);
        checks.reconcile(&table);
        agents.reconcile(&table);
        files.set(&loaded.watched);
        let (of, shown, curves, heard, kept_in) = (registry.current().clone(), admin.clone(), admin.clone(), beats.clone(), state.clone());
        tokio::task::spawn_local(kept("housekeeping", move || Pulse::new().run(of.clone())));
        tokio::task::spawn_local(kept("the watch over what is shown", move || shown.clone().watch()));
        tokio::task::spawn_local(kept("the curves", move || curves.clone().remember()));
        tokio::task::spawn_local(kept("the watch over heartbeats", move || heard.clone().watch(kept_in.clone())));
        let opened = listeners.commit(plan, &table, &threads);
        tracing::info!("homing {} listens on {} with {count} workers", env!("CARGO_PKG_VERSION"), opened.join(", "));
        if let Some(address) = front.commit(window) {
            tracing::info!("status, API and metrics are at {address}");
        }
        if let Some(address) = mod_heartbeat.commit(ears) {
            tracing::info!("heartbeats of Apache and Tomcat are heard at {address}");
        }
        if let Some(address) = announce.commit(ear) {
            tracing::info!("nodes announce themselves at {address}");
        }
        admin.shows(listeners.certificates().into_iter().chain(announce.certificates()).collect());
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        Ok(Self {
            path: path.to_owned(),
            given: loaded.given.clone(),
            registry,
            threads,
            listeners,
            checks,
            agents,
            mod_heartbeat,
            names,
            files,
            log,
            traces,
            state,
            keeper,
            signals,
            orders,
            admin,
            front,
            announce,
            beats,
            reloads,
        })
    }

    async fn run(mut self) -> Ended {
        let mut ended = Ended::Gracefully;
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = second.tick() => {
                    if self.threads.iter().any(|thread| thread.handle.is_finished()) {
                        tracing::error!("a data-plane thread broke off: ending, to be started again whole");
                        ended = Ended::Broken;
                        break;
                    }
                    self.end_drains();
                    self.registry.tidy();
                    if home::look_again() {
                        self.names.reconcile(&self.registry.current().load());
                    }
                }
                change = self.files.changed() => self.follow(&change),
                _ = self.signals.hangup.recv() => drop(self.reload("HUP")),
                Some(order) = self.orders.recv() => self.obey(order),
                Some(reply) = self.reloads.recv() => drop(reply.send(self.reload("asked for"))),
                _ = self.signals.reopen.recv() => {
                    self.log.reopen();
                    tracing::info!("log files are opened again");
                }
                _ = self.signals.terminate.recv() => break,
                _ = self.signals.interrupt.recv() => break,
            }
        }
        self.stop().await;
        ended
    }

    fn obey(&mut self, order: Order) {
        let mut orders = vec![order];
        // nodes that come at one time are let in by one table
        while orders.last().is_some_and(|order| order.edit.is_arrival())
            && let Ok(next) = self.orders.try_recv()
        {
            orders.push(next);
        }
        let other = orders.pop_if(|order| !order.edit.is_arrival());
        let together =
            if orders.len() > 1 { self.edit_all(&orders.iter().map(|order| &order.edit).collect::<Vec<_>>()).ok() } else { None };
        for order in orders.into_iter().chain(other) {
            let done = match &together {
                Some(done) if order.edit.is_arrival() => Ok(done.clone()),
                _ => self.edit(&order.edit),
            };
            // whoever asked and does not wait for the answer any more has still asked
            drop(order.answer.send(done));
        }
    }

    /// Changes a node.
    fn edit(&mut self, edit: &Edit) -> Result<Done, Refused> {
        self.edit_all(&[edit])
    }

    /// Changes nodes, all of them or none.
    fn edit_all(&mut self, edits: &[&Edit]) -> Result<Done, Refused> {
        let mut prepared = self.registry.prepare_edits(edits, Now::look())?;
        let changes = std::mem::take(&mut prepared.changes);
        let table = self.registry.publish(prepared, Now::look());
        let saved = self.state.write(RUNTIME, self.registry.runtime().clone());
        self.names.reconcile(&table);
        self.checks.reconcile(&table);
        self.agents.reconcile(&table);
        if let (Some(edit), false) = (edits.first(), changes.is_empty()) {
            let more = if edits.len() > 1 { format!(" and {} more", edits.len() - 1) } else { String::new() };
            tracing::info!("{}/{}{more} changed by {}: {}", edit.cluster, edit.node, edit.by, changes.join("; "));
        }
        Ok(Done { changes, saved })
    }

    /// Ends the drains whose deadline has passed, also while nobody was running.
    fn end_drains(&mut self) {
        for (cluster, node, then) in self.registry.runtime().drains_due(clock::unix_secs()) {
            let table = self.registry.current().load_full();
            let known = table.clusters.iter().find(|known| *known.name == *cluster).and_then(|cluster| cluster.named(&node));
            let (left, who) = known.map_or((0, String::new()), |node| (node.count(), node.left()));
            let edit = Edit { cluster, node, action: Action::EndDrain { left }, by: "deadline".into(), force: true };
            let (cluster, node) = (&edit.cluster, &edit.node);
            match self.edit(&edit) {
                Ok(_) => {
                    let what = match then {
                        _ if left == 0 => "nobody was left".to_owned(),
                        Then::Move => format!("{who}: they go to others"),
                        Then::Keep => format!("{who}: they stay"),
                    };
                    tracing::info!("cluster {cluster} node {node}: the deadline of its drain has passed, {what}");
                }
                Err(why) => tracing::warn!("cluster {cluster} node {node}: its drain cannot be ended: {why}"),
            }
        }
    }

    /// Ends gracefully within `shutdown-grace`; a second signal ends at once.
    async fn stop(mut self) {
        let grace = self.registry.current().load().config.server.shutdown_grace.get();
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        // whoever asks for a change from here on is told that it is too late
        self.reloads.close();
        self.orders.close();
        while self.reloads.try_recv().is_ok() || self.orders.try_recv().is_ok() {}
        self.admin.stopping();
        tracing::info!("stopping: requests in flight have {grace:?}; a second signal stops at once");
        self.tell(|| Command::Drain);
        let deadline = clock::timer_instant() + grace;
        while self.threads.iter().any(|t| !t.handle.is_finished()) {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
                _ = self.signals.terminate.recv() => break,
                _ = self.signals.interrupt.recv() => break,
            }
            if clock::timer_instant() >= deadline {
                tracing::warn!("shutdown-grace is over: connections that are still open are cut");
                break;
            }
        }
        self.tell(|| Command::Stop);
        for thread in self.threads.drain(..) {
            let _ = thread.handle.join();
        }
        self.keeper.close();
        self.beats.save(&self.state);
        self.state.close();
        self.log.close();
        if let Some(traces) = &self.traces {
            traces.close().await;
        }
        tracing::info!("stopped");
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for thread in &self.threads {
            let _ = thread.commands.send(command());
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
