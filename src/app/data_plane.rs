//! The data plane, as a component: its threads, and what they listen on.

use super::component::{Component, Ending, Next, PrepareError, ShownCerts};
use super::grace::Grace;
use crate::listen::{ConnectionPlaces, ListenerPlan};
use crate::net::listeners::ClientListeners;
use crate::net::threads::{Command, Threads};
use crate::table::Table;
use crate::upstream::own_addresses::OwnAddress;
use std::path::Path;
use std::sync::Arc;

/// The threads and their listeners.
pub struct DataPlane {
    threads: Threads,
    places: Arc<ConnectionPlaces>,
    listeners: ClientListeners,
    /// They have listened before.
    begun: bool,
}

impl DataPlane {
    /// These threads; they listen on nothing yet.
    pub fn new(threads: Threads, places: Arc<ConnectionPlaces>, folder: &Path) -> Self {
        let listeners = ClientListeners::new(folder, threads.all().len());
        Self { threads, places, listeners, begun: false }
    }
}

impl Component for DataPlane {
    type Plan = ListenerPlan;

    fn prepare(&self, next: Next<'_>) -> Result<ListenerPlan, PrepareError> {
        Ok(self.listeners.prepare(next.table, next.files)?)
    }

    fn doors(&self, plan: &ListenerPlan) -> Vec<OwnAddress> {
        self.listeners.homes(plan)
    }

    fn commit(&mut self, plan: ListenerPlan, table: &Arc<Table>) -> Option<String> {
        let opened = self.listeners.commit(plan, table, &self.threads);
        self.places.resize(table.config.server.max_connections);
        self.threads.send(|| Command::Refresh);
        // later on what changed is told of anyway
        let first = !std::mem::replace(&mut self.begun, true);
        let (version, count) = (env!("CARGO_PKG_VERSION"), self.threads.all().len());
        first.then(|| format!("homing {version} listens on {} with {count} workers", opened.join(", ")))
    }

    fn certificates(&self) -> ShownCerts {
        self.listeners.certificates()
    }

    /// From here on requests in flight are finished; clients who were about to come are still let in.
    fn leave<'a>(&'a mut self, grace: &'a mut Grace) -> Ending<'a> {
        Box::pin(async move {
            self.threads.send(|| Command::Drain);
            tokio::select! {
                () = self.threads.all_left() => {}
                () = grace.is_over() => {}
            }
        })
    }

    /// Requests in flight have the time that is left.
    fn stop<'a>(&'a mut self, grace: &'a mut Grace) -> Ending<'a> {
        Box::pin(async move {
            tokio::select! {
                () = self.threads.all_end() => {}
                () = grace.is_over() => {}
            }
            self.threads.send(|| Command::Stop);
            self.threads.join();
        })
    }
}
