//! What was replaced and may still be read. A large table takes milliseconds to free, so that is never left
//! to a reader: the last hold of everything large is here.

use crate::table::Table;
use std::any::Any;
use std::sync::Arc;

/// Tables that were replaced, and their listeners and clusters, until nobody reads them any more.
#[derive(Default)]
pub struct RetiredTables(Vec<Arc<dyn Any + Send + Sync>>);

impl RetiredTables {
    /// Keeps a table that readers are about to leave.
    pub fn keep(&mut self, table: Arc<Table>) {
        let (listeners, clusters) = (table.listeners.clone(), table.clusters.clone());
        // before its parts, so that one pass frees them all
        self.0.push(table);
        self.0.extend(
            listeners.into_iter().flatten().map(|listener| -> Arc<dyn Any + Send + Sync> { listener }),
        );
        self.0.extend(clusters.into_iter().map(|cluster| -> Arc<dyn Any + Send + Sync> { cluster }));
    }

    /// Frees what nobody reads.
    pub fn tidy(&mut self) {
        self.0.retain(|held| Arc::strong_count(held) > 1);
    }
}
