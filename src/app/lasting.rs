//! What is known again after a restart, as components: read before the first client comes, saved when none is
//! let in any more.

use super::component::{Component, Ending, Next, PrepareError};
use super::grace::Grace;
use super::sessions::ENDED;
use crate::base::clock::Now;
use crate::control::ended_sessions::EndedSessions;
use crate::control::state::StateDir;
use crate::control::state::ledgers::LedgerKeeper;
use crate::control::state::writer::StateWriter;
use crate::feed::HeartbeatSink;
use crate::table::{Current, Table};
use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

/// What nodes said of themselves.
pub struct Reports {
    beats: Rc<HeartbeatSink>,
    state: Rc<StateWriter>,
    recalled: bool,
}

impl Reports {
    /// Not known again yet.
    pub fn new(beats: Rc<HeartbeatSink>, state: Rc<StateWriter>) -> Self {
        Self { beats, state, recalled: false }
    }
}

impl Component for Reports {
    type Plan = ();

    fn prepare(&self, _: Next<'_>) -> Result<(), PrepareError> {
        Ok(())
    }

    fn commit(&mut self, (): (), _: &Arc<Table>) -> Option<String> {
        if !std::mem::replace(&mut self.recalled, true) {
            self.beats.recall(self.state.dir());
        }
        None
    }

    fn save(&mut self) -> bool {
        self.beats.remember();
        self.beats.save(&self.state);
        true
    }
}

/// The sessions of all clusters.
pub struct Ledgers {
    dir: Arc<StateDir>,
    current: Arc<Current>,
    /// Begins with the first table.
    keeper: Option<LedgerKeeper>,
}

impl Ledgers {
    /// Not known again yet.
    pub fn new(dir: Arc<StateDir>, current: Arc<Current>) -> Self {
        Self { dir, current, keeper: None }
    }
}

impl Component for Ledgers {
    type Plan = ();

    fn prepare(&self, _: Next<'_>) -> Result<(), PrepareError> {
        Ok(())
    }

    /// The keeper follows later tables by itself.
    fn commit(&mut self, (): (), table: &Arc<Table>) -> Option<String> {
        if self.keeper.is_none() {
            self.keeper = Some(LedgerKeeper::start(self.dir.clone(), self.current.clone()));
            let cost = "sessions that were ended by hand may go on";
            self.dir.read::<EndedSessions>(ENDED, cost).recall(table, Now::look());
        }
        None
    }

    fn save(&mut self) -> bool {
        self.keeper.as_mut().is_none_or(LedgerKeeper::hand_off)
    }

    fn stop<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
        self.keeper.iter_mut().for_each(LedgerKeeper::close);
        Box::pin(ready(()))
    }
}
