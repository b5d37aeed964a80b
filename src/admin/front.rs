//! Where the window is: its address, which may change with the conf.

use super::guard::Guard;
use super::{Admin, api};
use crate::config::model::Config;
use crate::serve::{Gate, Kind, Plan};
use crate::upstream::home::Door;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const KIND: Kind = Kind { key: "server.admin", connections: 256, backlog: 128, mode: Some(0o600), pages: true };

/// The window's address, while there is one.
pub struct Front {
    admin: Rc<Admin>,
    folder: PathBuf,
    gate: Gate<Guard>,
}

impl Front {
    /// Nothing is open yet.
    pub fn new(admin: Rc<Admin>, folder: &Path) -> Self {
        Self { admin, folder: folder.to_owned(), gate: Gate::new(KIND, folder) }
    }

    /// Reads the token and binds the address, if it is not open already. A failure changes nothing.
    pub fn prepare(&self, config: &Config) -> Result<Plan<Guard>, String> {
        self.gate.prepare(config.server.admin.as_deref(), None, |bind| Guard::new(config, bind, &self.folder))
    }

    /// Where it will be once the plan is applied.
    pub fn home(&self, plan: &Plan<Guard>) -> Option<Door> {
        self.gate.home(plan)
    }

    /// Opens what was bound and closes what is not wanted any more. Returns the address opened.
    pub fn apply(&mut self, plan: Plan<Guard>) -> Option<String> {
        let admin = self.admin.clone();
        self.gate.apply(plan, move |guard, request, _| api::answer(admin.clone(), guard, request))
    }
}
