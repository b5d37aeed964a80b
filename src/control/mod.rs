//! The registry: the one writer of the table. Every change is built whole, then swapped; a failure changes
//! nothing.

mod apply;
pub mod asker;
pub mod audit;
pub mod drain;
pub mod ended_sessions;
pub mod error;
pub mod handle;
pub mod harm;
pub mod keys;
pub mod limits;
pub mod members;
mod nodes_by_address;
pub mod op;
pub mod overlay;
pub mod pattern;
mod preflight;
mod report_store;
mod retired;
mod runtime_value;
pub mod session_change;
pub mod state;
mod switch;
mod switched;
mod version;

use crate::affinity::KeyRing;
use crate::base::clock::Now;
use crate::config;
use crate::config::files::NamedFiles;
use crate::config::model::Config;
use crate::table::{Cluster, Current, NodeLive, Table, compile};
use apply::{EditContext, apply};
use arc_swap::ArcSwap;
pub use error::Error;
use op::{Change, NodeChange, Op, Target};
use overlay::Overlay;
use pattern::LeavingNodes;
pub use report_store::ReportStore;
use retired::RetiredTables;
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
    overlay: Arc<Overlay>,
    retired: RetiredTables,
}

/// A table that was built and not yet published.
pub struct Prepared {
    table: Table,
    file: Config,
    named: Arc<NamedFiles>,
    overlay: Overlay,
    /// What it changes, in words; empty for nothing.
    pub changes: Vec<String>,
    /// Those of them that nobody asked for: what became of decisions that do not stand.
    pub lapsed: Vec<String>,
    /// Nodes that nothing is to be known of any more.
    pub forgotten: Vec<Arc<NodeLive>>,
    /// Nodes whose failures are not to count any more.
    enabled: Vec<Arc<NodeLive>>,
}

impl Prepared {
    /// The table as it will be.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The files that it was made of.
    pub fn files(&self) -> &NamedFiles {
        &self.named
    }
}

impl Registry {
    /// With the decisions of an earlier run, and a table of nothing.
    pub fn new(keys: Arc<KeyRing>, overlay: Overlay) -> Self {
        Self {
            current: Arc::new(ArcSwap::from_pointee(Table::nothing())),
            keys,
            file: Config::default(),
            named: Arc::default(),
            overlay: Arc::new(overlay),
            retired: RetiredTables::default(),
        }
    }

    /// Where the newest table is found.
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// What was decided at run time.
    pub fn overlay(&self) -> &Arc<Overlay> {
        &self.overlay
    }

    /// Builds the table for a new conf file and the files that it names. Nothing changes yet.
    pub fn prepare(&self, file: Config, named: NamedFiles, now: Now) -> Result<Prepared, Error> {
        self.build(file, Arc::new(named), (*self.overlay).clone(), now)
    }

    /// Builds the table that operations make, all of them or none, of the files as the conf file's last
    /// reading found them. Nothing changes yet.
    pub fn prepare_ops(&self, ops: &[&Op], now: Now) -> Result<Prepared, Error> {
        let (mut overlay, mut said) = ((*self.overlay).clone(), Vec::new());
        let table = self.current.load();
        let (mut each, mut matched) = (Vec::with_capacity(ops.len()), Vec::new());
        for &op in ops {
            match pattern::expand(op, &table)? {
                Some(meant) => {
                    matched.extend(meant.iter().map(Op::target));
                    each.extend(meant);
                }
                None => each.push(op.clone()),
            }
        }
        let leaving = LeavingNodes::of(&each, &table);
        let ground = EditContext { file: &self.file, table: &table, now, leaving: &leaving };
        for op in &each {
            said.extend(apply(op, &mut overlay, ground)?);
        }
        let mut prepared = self.build(self.file.clone(), self.named.clone(), overlay, now)?;
        if !matched.is_empty() {
            prepared.changes = node_by_node(&matched, &table.config, &prepared.table.config);
        }
        prepared.changes.extend(said);
        prepared.forgotten = lives(&each, &table, |change| *change == NodeChange::Forget);
        prepared.enabled = lives(&each, &table, |change| *change == NodeChange::Enable);
        let held = prepared.enabled.iter().filter(|live| live.is_held(now));
        prepared
            .changes
            .extend(held.map(|live| format!("{}: its failures so far do not count any more", live.name)));
        Ok(prepared)
    }

    fn build(
        &self,
        file: Config,
        named: Arc<NamedFiles>,
        mut overlay: Overlay,
        now: Now,
    ) -> Result<Prepared, Error> {
        let before = self.current.load_full();
        let (config, said) = overlay.overlay(&file);
        let mut changes = config::diff(&before.config, &config);
        changes.extend(said.iter().cloned());
        changes.extend(named.changes(&self.named));
        let context = compile::TableContext { files: &named, keys: &self.keys };
        let table =
            compile::compile(Arc::new(config), &context, Some((&before, now))).map_err(Error::Table)?;
        Ok(Prepared {
            table,
            file,
            named,
            overlay,
            changes,
            lapsed: said,
            forgotten: Vec::new(),
            enabled: Vec::new(),
        })
    }

    /// Publishes a prepared table.
    pub fn publish(&mut self, prepared: Prepared, now: Now) -> Arc<Table> {
        compile::adopt(&prepared.table, now);
        prepared.enabled.iter().for_each(|live| live.pardon());
        (self.file, self.named) = (prepared.file, prepared.named);
        self.overlay = Arc::new(prepared.overlay);
        let table = Arc::new(prepared.table);
        self.retired.tidy();
        let before = self.current.swap(table.clone());
        send_sockets_away(&before, &table, now);
        prepared.forgotten.iter().for_each(|live| live.forget());
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

/// What became of each of these nodes, in words.
fn node_by_node(nodes: &[Target], before: &Config, after: &Config) -> Vec<String> {
    let of = |target: &Target| match target {
        Target::Node { cluster, node } => config::diff_of_node(cluster, node, before, after),
        _ => String::new(),
    };
    nodes.iter().map(|target| format!("{target}: {}", of(target))).collect()
}

/// The live cells of the nodes that such changes are of.
fn lives(ops: &[Op], table: &Table, such: impl Fn(&NodeChange) -> bool) -> Vec<Arc<NodeLive>> {
    let of = |op: &Op| match &op.change {
        Change::Node { cluster, node, change } if such(change) => {
            let cluster = table.clusters.iter().find(|known| *known.name == **cluster)?;
            Some(cluster.named(node)?.live.clone())
        }
        _ => None,
    };
    ops.iter().filter_map(of).collect()
}

/// Sockets do not stay where their sessions are not served: each node tells its own whether they are to
/// leave.
fn send_sockets_away(before: &Table, after: &Table, now: Now) {
    for node in after.clusters.iter().flat_map(|cluster| cluster.nodes()) {
        node.live.send_sockets_away(node.sends_sockets_away(now));
    }
    for node in before.clusters.iter().flat_map(|cluster| cluster.nodes()) {
        let stays = |cluster: &&Arc<Cluster>| {
            cluster.named(&node.spec.name).is_some_and(|known| Arc::ptr_eq(&known.live, &node.live))
        };
        if !after.clusters.iter().any(|cluster| stays(&cluster)) {
            node.live.send_sockets_away(true);
        }
    }
}
