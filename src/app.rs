//! Wires everything: conf, registry, threads, sockets, feeds, signals, and the end.

mod reload;

use crate::admin::{Admin, Front};
use crate::base::clock::{self, Now};
use crate::base::open_files;
use crate::base::tasks::{self, kept};
use crate::config::given::Given;
use crate::config::model::{Then, Workers};
use crate::config::{self, Loaded, Needs};
use crate::control::handle::{self, Done, RegistryCommand, RegistryCommands};
use crate::control::op::{Change, NodeChange, Op, ProxyChange, Target};
use crate::control::state::writer::{Saved, StateWriter};
use crate::control::state::{StateDir, ledgers};
use crate::control::{Error, Registry, keys};
use crate::feed::{Agents, Announce, announce, Beats, Checks, Files, ModHeartbeat, Names, Pulse};
use crate::net::listeners::ClientListeners;
use crate::net::threads::{Command, Threads};
use crate::proxy::worker::WorkerConfig;
use crate::telemetry::log_writer::LogWriter;
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
    let mut loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(findings) => return Ended::Refused(findings.iter().map(ToString::to_string).collect()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ended::Refused(vec![format!("error: {error}")]),
    };
    let tasks = tokio::task::LocalSet::new();
    let ended = tasks.block_on(&runtime, async {
        match App::start(path, &mut loaded, files) {
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
const OVERLAY: &str = "runtime";

/// The control plane as it runs.
struct App {
    path: PathBuf,
    /// What the conf in force says.
    given: Given,
    registry: Registry,
    threads: Threads,
    listeners: ClientListeners,
    checks: Checks,
    agents: Agents,
    mod_heartbeat: ModHeartbeat,
    names: Names,
    files: Files,
    log: Arc<LogWriter>,
    traces: Option<Arc<Traces>>,
    state: Rc<StateWriter>,
    keeper: ledgers::LedgerKeeper,
    signals: Signals,
    commands: RegistryCommands,
    admin: Rc<Admin>,
    front: Front,
    announce: Announce,
    beats: Rc<Beats>,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
}

impl App {
    fn start(path: &Path, loaded: &mut Loaded, mut files: Files) -> Result<Self, String> {
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
        let told = |error: Error| error.to_string();
        let folder = Arc::new(StateDir::open(&loaded.folder.join(&server.state_dir)).map_err(told)?);
        let ring = Arc::new(keys::load_or_make(&folder).map_err(told)?);
        announce::read_common_tokens(&loaded.config, &mut loaded.files);
        let (registry, said) = Registry::start(
            loaded,
            ring,
            folder.read(OVERLAY, "drains, limits and acceptances are forgotten; nodes that joined come with their next heartbeat"),
            Now::look(),
        )
        .map_err(told)?;
        for line in said {
            tracing::warn!("{line}");
        }
        let table = registry.current().load_full();
        let log = LogWriter::start(&server.access_log, &loaded.folder).map_err(|e| format!("access log {}: {e}", server.access_log.to))?;
        let traces = Traces::start(server.traces.as_ref())?;
        let count = match server.workers {
            Workers::Count(n) => usize::from(n.max(1)),
            Workers::Word(_) => cores(),
        };
        let mut listeners = ClientListeners::new(&loaded.folder, count);
        let plan = listeners.prepare(&table, &loaded.files)?;
        let config = WorkerConfig {
            current: registry.current().clone(),
            log: log.clone(),
            traces: traces.clone(),
            places: Arc::new(tokio::sync::Semaphore::new((server.max_connections as usize).max(1))),
            traffic: Arc::default(),
        };
        let threads = Threads::start(count, &config).map_err(|e| format!("thread: {e}"))?;
        let (handle, commands) = handle::channel();
        let beats = Beats::new(registry.current().clone(), handle.clone());
        beats.recall(&folder);
        let counts = beats.counts.clone();
        let admin = Admin::new(&config, threads.recall(), counts, handle);
        let mut front = Front::new(admin.clone(), &loaded.folder);
        let window = front.prepare(&loaded.config, &loaded.files)?;
        let mut mod_heartbeat = ModHeartbeat::new(beats.clone(), &loaded.folder);
        let ears = mod_heartbeat.prepare(&loaded.config)?;
        let mut announce = Announce::new(beats.clone(), &loaded.folder);
        let ear = announce.prepare(&loaded.config, &loaded.files)?;
        home::settle([listeners.homes(&plan), front.homes(&window), announce.homes(&ear), mod_heartbeat.homes(&ears)].concat());
        let keeper = ledgers::LedgerKeeper::start(folder.clone(), registry.current().clone());
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
            commands,
            admin,
            front,
            announce,
            beats,
        })
    }

    async fn run(mut self) -> Ended {
        let (mut ended, mut ends) = (Ended::Gracefully, self.threads.ends());
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = second.tick() => {
                    self.end_drains();
                    self.registry.tidy();
                    if home::look_again() {
                        self.names.reconcile(&self.registry.current().load());
                    }
                }
                () = ends.first() => {
                    tracing::error!("a data-plane thread broke off: ending, to be started again whole");
                    ended = Ended::Broken;
                    break;
                }
                change = self.files.changed() => self.follow(&change),
                _ = self.signals.hangup.recv() => drop(self.reload("HUP")),
                Some(command) = self.commands.recv() => self.handle(command),
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

    /// Makes a change that is asked for.
    fn handle(&mut self, command: RegistryCommand) {
        let is_arrival = |command: &RegistryCommand| command.op.arrival().is_some();
        let mut commands = vec![command];
        // nodes that come at one time are let in by one table
        while commands.last().is_some_and(is_arrival)
            && let Ok(next) = self.commands.try_recv()
        {
            commands.push(next);
        }
        let other = commands.pop_if(|command| !is_arrival(command));
        let together =
            if commands.len() > 1 { self.change_all(&commands.iter().map(|command| &command.op).collect::<Vec<_>>()).ok() } else { None };
        for command in commands.into_iter().chain(other) {
            let done = match &together {
                Some(done) if is_arrival(&command) => Ok(done.clone()),
                _ => self.change(&command.op),
            };
            // whoever asked and does not wait for the answer any more has still asked
            drop(command.answer.send(done));
        }
    }

    /// Makes one change.
    fn change(&mut self, op: &Op) -> Result<Done, Error> {
        match op.change {
            Change::Proxy(ProxyChange::Reload) => match self.reload("asked for") {
                reload if reload.ok => Ok(Done { changes: reload.changes, saved: Saved::nothing() }),
                reload => Err(Error::Findings(reload.findings)),
            },
            _ => self.change_all(&[op]),
        }
    }

    /// Makes changes that a table is made of, all of them or none.
    fn change_all(&mut self, ops: &[&Op]) -> Result<Done, Error> {
        let mut prepared = self.registry.prepare_ops(ops, Now::look())?;
        let changes = std::mem::take(&mut prepared.changes);
        let table = self.registry.publish(prepared, Now::look());
        let saved = self.state.write(OVERLAY, self.registry.overlay().clone());
        self.threads.tell(|| Command::Refresh);
        self.names.reconcile(&table);
        self.checks.reconcile(&table);
        self.agents.reconcile(&table);
        if let (Some(op), false) = (ops.first(), changes.is_empty()) {
            let more = if ops.len() > 1 { format!(" and {} more", ops.len() - 1) } else { String::new() };
            tracing::info!("{}{more} changed by {}: {}", op.target(), op.by, changes.join("; "));
        }
        Ok(Done { changes, saved })
    }

    /// Ends the drains whose deadline has passed, also while nobody was running.
    fn end_drains(&mut self) {
        for (target, then) in self.registry.overlay().drains_due(clock::unix_secs()) {
            let Target::Node { cluster, node } = &target else { continue };
            let table = self.registry.current().load_full();
            let known = table.clusters.iter().find(|known| *known.name == **cluster).and_then(|cluster| cluster.named(node));
            let (left, who) = known.map_or((0, String::new()), |node| (node.count(), node.left()));
            let op = Op { force: true, ..Op::of_node(cluster, node, NodeChange::EndDrain { left }, "deadline") };
            match self.change(&op) {
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
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
        self.admin.stopping();
        tracing::info!("stopping: requests in flight have {grace:?}; a second signal stops at once");
        self.threads.tell(|| Command::Drain);
        tokio::select! {
            () = self.threads.all_end() => {}
            () = tokio::time::sleep(grace) => {
                tracing::warn!("shutdown-grace is over: connections that are still open are cut");
            }
            _ = self.signals.terminate.recv() => {}
            _ = self.signals.interrupt.recv() => {}
        }
        self.threads.tell(|| Command::Stop);
        self.threads.join();
        self.keeper.close();
        self.beats.save(&self.state);
        self.state.close();
        self.log.close();
        if let Some(traces) = &self.traces {
            traces.close().await;
        }
        tracing::info!("stopped");
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
