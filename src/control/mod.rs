//! The registry: the one writer of the table. Every change is built whole, then swapped; a failure changes nothing.

pub mod keys;
pub mod state;

use crate::affinity::KeyRing;
use crate::config::model::Config;
use crate::config::{self, Loaded};
use crate::table::{Current, Table, compile};
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::Arc;

/// The one writer of the table.
pub struct Registry {
    current: Arc<Current>,
    keys: Arc<KeyRing>,
    folder: PathBuf,
}

/// A table that was built and not yet published.
pub struct Prepared {
    table: Table,
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
    /// Publishes the first table.
    pub fn start(loaded: &Loaded, keys: Arc<KeyRing>) -> Result<Self, String> {
        let context = compile::Context { folder: &loaded.folder, keys: &keys };
        let table = compile::compile(Arc::new(loaded.config.clone()), &context, None)?;
        compile::adopt(&table);
        Ok(Self { current: Arc::new(ArcSwap::from_pointee(table)), keys, folder: loaded.folder.clone() })
    }

    /// Where the newest table is found.
    pub fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// Builds the table for a new conf. Nothing changes yet.
    pub fn prepare(&self, config: Config) -> Result<Prepared, String> {
        let before = self.current.load_full();
        let changes = config::diff(&before.config, &config);
        let context = compile::Context { folder: &self.folder, keys: &self.keys };
        let table = compile::compile(Arc::new(config), &context, Some(&before))?;
        Ok(Prepared { table, changes })
    }

    /// Publishes a prepared table.
    pub fn publish(&self, prepared: Prepared) -> Arc<Table> {
        compile::adopt(&prepared.table);
        let table = Arc::new(prepared.table);
        self.current.store(table.clone());
        // requests that settled between the two wrote to the board of before
        compile::adopt(&table);
        table
    }
}
