//! The access log, as a component: where it goes, and in which words, may change with the conf.

use super::component::{Component, Ending, Next, PrepareError};
use super::grace::Grace;
use crate::config::model::AccessLog;
use crate::table::Table;
use crate::telemetry::log_writer::{CurrentLog, LogWriter};
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log that lines go to.
pub struct AccessLogs {
    current: Arc<CurrentLog>,
    /// What it is by.
    conf: AccessLog,
    folder: PathBuf,
}

impl AccessLogs {
    /// The one that is open, by this conf.
    pub fn new(current: Arc<CurrentLog>, conf: &AccessLog, folder: &Path) -> Self {
        Self { current, conf: conf.clone(), folder: folder.to_owned() }
    }
}

impl Component for AccessLogs {
    type Plan = Option<(AccessLog, Arc<LogWriter>)>;

    fn prepare(&self, next: Next<'_>) -> Result<Self::Plan, PrepareError> {
        let conf = &next.table.config.server.access_log;
        if *conf == self.conf {
            return Ok(None);
        }
        let opened = self.current.load().successor(conf, &self.folder);
        let log = opened.map_err(|why| PrepareError::AccessLog { to: conf.to.clone(), why })?;
        Ok(Some((conf.clone(), log)))
    }

    /// The threads are told after this.
    fn commit(&mut self, plan: Self::Plan, _: &Arc<Table>) -> Option<String> {
        if let Some((conf, log)) = plan {
            self.conf = conf;
            self.current.store(log);
        }
        None
    }

    fn stop<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
        self.current.load().close();
        Box::pin(ready(()))
    }
}
