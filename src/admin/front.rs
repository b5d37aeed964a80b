//! Where the window is: its address, which may change with the conf.

use super::guard::AdminGuard;
use super::{Admin, api};
use crate::base::token::Passes;
use crate::config::files::NamedFiles;
use crate::config::model::{Admin as ConfiguredAdmin, Config};
use crate::listen::tls::CertStore;
use crate::serve::{ControlError, ControlListener, ControlOptions, ControlPlan, PlaceLimits};
use crate::upstream::own_addresses::OwnAddress;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

const OPTIONS: ControlOptions = ControlOptions {
    key: "server.admin",
    places: PlaceLimits { connections: 256, spare: 32 },
    always: &["/ping"],
    backlog: 1024,
    mode: Some(0o600),
    pages: true,
    clear_sockets: true,
};

/// What a conf asks for, made ready.
pub type FrontPlan = ControlPlan<AdminGuard>;

/// The window's addresses, while there are any.
pub struct Front {
    admin: Rc<Admin>,
    /// Browsers that are let in.
    passes: Rc<Passes>,
    listener: ControlListener<AdminGuard>,
}

impl Front {
    /// Nothing is open yet.
    pub fn new(admin: Rc<Admin>, folder: &Path) -> Self {
        Self { admin, passes: Rc::default(), listener: ControlListener::new(OPTIONS, folder) }
    }

    /// Binds the address, if it is not open already. A failure changes nothing.
    pub fn prepare(&self, config: &Config, files: &NamedFiles) -> Result<FrontPlan, ControlError> {
        let conf = config.server.admin.as_ref();
        let binds = conf.map(ConfiguredAdmin::binds).unwrap_or_default();
        let tls = conf.and_then(ConfiguredAdmin::tls).map(|tls| (tls, files));
        self.listener
            .prepare(binds, (tls, None), |binds| AdminGuard::new(config, binds, files, self.passes.clone()))
    }

    /// Where it will be once the plan is committed.
    pub fn homes(&self, plan: &FrontPlan) -> Vec<OwnAddress> {
        self.listener.homes(plan)
    }

    /// The certificates that it shows.
    pub fn certificates(&self) -> Vec<(String, Arc<CertStore>)> {
        self.listener.certificates()
    }

    /// Closes the address, and waits until it is; what is under way is answered.
    pub async fn close(&mut self) {
        self.listener.close().await;
    }

    /// Opens what was bound and closes what is not wanted any more. Returns the address opened.
    pub fn commit(&mut self, plan: FrontPlan) -> Option<String> {
        let admin = self.admin.clone();
        self.listener
            .commit(plan, move |guard, request, caller| api::answer(admin.clone(), guard, request, caller))
    }
}
