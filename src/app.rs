//! Wires everything: conf, registry, threads, sockets, feeds, signals, and the end.

mod access_logs;
mod change;
mod component;
mod control_addresses;
mod control_loop;
mod data_plane;
mod drains;
mod forgotten;
mod grace;
mod lasting;
mod plain;
mod reload;
mod sessions;
mod signals;
mod start;
mod start_error;
mod stop;

use crate::admin::Admin;
use crate::base::clock::Now;
use crate::base::tasks;
use crate::config;
use crate::config::given::GivenKeys;
use crate::control::handle::RegistryCommands;
use crate::control::state::writer::StateWriter;
use crate::control::{Prepared, Registry};
use crate::feed::{FileWatcher, HeartbeatSink};
use crate::net::threads::ThreadEnds;
use crate::telemetry::log_writer::CurrentLog;
use crate::upstream::own_addresses;
use component::{Components, Next, PrepareError};
use signals::Signals;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// What ends a run.
pub enum RunEnd {
    /// As asked.
    Gracefully,
    /// The conf was refused, or a socket could not be bound: the lines say why.
    Refused(Vec<String>),
    /// A part of it had broken off: whoever watches over the process starts it again.
    Broken,
}

/// Runs the proxy for the conf file at `path` until it is told to stop.
pub fn run(path: &Path) -> RunEnd {
    tasks::notice_panics();
    // the provider of all cryptography is chosen here, once
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let files = FileWatcher::new(&[path.to_owned().into()]);
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(findings) => return RunEnd::Refused(findings.iter().map(ToString::to_string).collect()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return RunEnd::Refused(vec![format!("error: {error}")]),
    };
    let tasks = tokio::task::LocalSet::new();
    let ended = tasks.block_on(&runtime, async {
        match App::start(path, loaded, files) {
            Ok(app) => app.run().await,
            Err(error) => RunEnd::Refused(vec![format!("error: {error}")]),
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
    given: GivenKeys,
    registry: Registry,
    /// What follows the table.
    components: Components,
    files: FileWatcher,
    signals: Signals,
    commands: RegistryCommands,
    ends: ThreadEnds,
    admin: Rc<Admin>,
    beats: Rc<HeartbeatSink>,
    /// It is written down that sessions were ended.
    ended: bool,
    state: Rc<StateWriter>,
    log: Arc<CurrentLog>,
}

impl App {
    /// Puts in force what the registry has prepared: at the start, at a reload, at a change at run time.
    /// Where a component cannot follow, nothing changes. Returns what was opened, in words.
    fn put_in_force(&mut self, prepared: Prepared) -> Result<Vec<String>, PrepareError> {
        let doors = self.components.prepare(Next { table: prepared.table(), files: prepared.files() })?;
        own_addresses::set(doors);
        let table = self.registry.publish(prepared, Now::look());
        let opened = self.components.commit(&table);
        self.admin.shows(self.components.certificates());
        Ok(opened)
    }
}
