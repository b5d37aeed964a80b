//! The registry: the one writer of the table. Every change is built whole, then swapped; a failure changes nothing.

pub mod desk;
pub mod drain;
pub mod edit;
pub mod keys;
pub mod members;
mod remembered;
mod retired;
pub mod runtime;
pub mod state;
mod version;

use crate::affinity::KeyRing;
use crate::base::clock::Now;
use crate::config::files::NamedFiles;
use crate::config::model::Config;
use crate::config::{self, Loaded};
use crate::table::{Cluster, Current, Table, compile};
use arc_swap::ArcSwap;
use edit::{Edit, Refused};
pub use remembered::Remembered;
use retired::Retired;
use runtime::Runtime;
use std::sync::Arc;

/// The one writer of the table.
pub struct Registry {
    current: Arc<Current>,
    keys: Arc<KeyRing>,
    /// What the conf file says.
    file: Config,
    /// What the files held that it names, when it was taken.
    named: Arc<NamedFiles>,
    /// What was decided on top of it.
    runtime: Arc<Runtime>,
    retired: Retired,
}

/// A table that was built and not yet published.
pub struct Prepared {
    table: Table,
    file: Config,
    named: Arc<NamedFiles>,
    runtime: Runtime,
    /// What it changes, in words; empty for nothing.
    pub changes: Vec<String>,
}

impl Prepared {
    /// The table as it will be.
    pub fn table(&self) -> &Table {
        &self.table
    }
}

impl Registry {
    /// Publishes the first table, with the decisions of an earlier run. Returns what became of those that do not stand.
    pub fn start(loaded: &Loaded, keys: Arc<KeyRing>, mut runtime: Runtime, now: Now) -> Result<(Self, Vec<String>), String> {
        let context = compile::Context { files: &loaded.files, keys: &keys };
        let (config, said) = runtime.overlay(&loaded.config);
        let table = compile::compile(Arc::new(config), &context, None)?;
        compile::adopt(&table, now);
        let current = Arc::new(ArcSwap::from_pointee(table));
        let (file, named) = (loaded.config.clone(), Arc::new(loaded.files.clone()));
        Ok((Self { current, keys, file, named, runtime: Arc::new(runtime), retired: Retired::default() }, said))
    }

    /// Where the newest table is found.
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// What was decided at run time.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// Builds the table for a new conf file and the files that it names. Nothing changes yet.
    pub fn prepare(&self, file: Config, named: NamedFiles, now: Now) -> Result<Prepared, String> {
        self.build(file, Arc::new(named), (*self.runtime).clone(), now)
    }

    /// Builds the table that edits make, all of them or none, of the files as the conf file's last reading found them. Nothing
    /// changes yet.
    pub fn prepare_edits(&self, edits: &[&Edit], now: Now) -> Result<Prepared, Refused> {
        let (mut runtime, mut said) = ((*self.runtime).clone(), Vec::new());
        for edit in edits {
            said.extend(edit::enter(edit, &mut runtime, &self.file, &self.current.load(), now)?);
        }
        let mut prepared = self.build(self.file.clone(), self.named.clone(), runtime, now).map_err(Refused::Invalid)?;
        prepared.changes.extend(said);
        Ok(prepared)
    }

    fn build(&self, file: Config, named: Arc<NamedFiles>, mut runtime: Runtime, now: Now) -> Result<Prepared, String> {
        let before = self.current.load_full();
        let (config, said) = runtime.overlay(&file);
        let mut changes = config::diff(&before.config, &config);
        changes.extend(said);
        let context = compile::Context { files: &named, keys: &self.keys };
        let table = compile::compile(Arc::new(config), &context, Some((&before, now)))?;
        Ok(Prepared { table, file, named, runtime, changes })
    }

    /// Publishes a prepared table.
    pub fn publish(&mut self, prepared: Prepared, now: Now) -> Arc<Table> {
        compile::adopt(&prepared.table, now);
        (self.file, self.named) = (prepared.file, prepared.named);
        self.runtime = Arc::new(prepared.runtime);
        let table = Arc::new(prepared.table);
        self.retired.tidy();
        let before = self.current.swap(table.clone());
        send_sockets_away(&before, &table, now);
        self.retired.keep(before);
        // requests that settled between the two wrote to the board of before
        compile::adopt(&table, now);
        table
    }

    /// Frees the tables that nobody reads any more. To be called now and then.
    pub fn tidy(&mut self) {
        self.retired.tidy();
    }
}

/// Sockets do not stay where their sessions are not served: each node tells its own whether they are to leave.
fn send_sockets_away(before: &Table, after: &Table, now: Now) {
    for node in after.clusters.iter().flat_map(|cluster| cluster.nodes()) {
        node.live.send_sockets_away(node.sends_sockets_away(now));
    }
    for node in before.clusters.iter().flat_map(|cluster| cluster.nodes()) {
        let stays = |cluster: &&Arc<Cluster>| cluster.named(&node.spec.name).is_some_and(|known| Arc::ptr_eq(&known.live, &node.live));
        if !after.clusters.iter().any(|cluster| stays(&cluster)) {
            node.live.send_sockets_away(true);
        }
    }
}
