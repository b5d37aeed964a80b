//! The addresses of the control plane, as components.

use super::component::{Component, Ending, Next, PrepareError, ShownCerts};
use super::grace::Grace;
use crate::admin::{Front, FrontPlan};
use crate::feed::announce::{Announce, AnnouncePlan};
use crate::feed::mod_heartbeat::{ModHeartbeat, Plan};
use crate::table::Table;
use crate::upstream::own_addresses::OwnAddress;
use std::sync::Arc;

impl Component for Front {
    type Plan = FrontPlan;

    fn prepare(&self, next: Next<'_>) -> Result<FrontPlan, PrepareError> {
        Ok(self.prepare(&next.table.config, next.files)?)
    }

    fn doors(&self, plan: &FrontPlan) -> Vec<OwnAddress> {
        self.homes(plan)
    }

    fn commit(&mut self, plan: FrontPlan, _: &Arc<Table>) -> Option<String> {
        self.commit(plan).map(|address| format!("status, API and metrics are at {address}"))
    }

    fn certificates(&self) -> ShownCerts {
        self.certificates()
    }

    fn leave<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
        Box::pin(self.close())
    }
}

impl Component for ModHeartbeat {
    type Plan = Plan;

    fn prepare(&self, next: Next<'_>) -> Result<Plan, PrepareError> {
        Ok(self.prepare(&next.table.config)?)
    }

    fn doors(&self, plan: &Plan) -> Vec<OwnAddress> {
        self.homes(plan)
    }

    fn commit(&mut self, plan: Plan, _: &Arc<Table>) -> Option<String> {
        self.commit(plan).map(|address| format!("heartbeats of Apache and Tomcat are heard at {address}"))
    }

    fn leave<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
        Box::pin(self.close())
    }
}

impl Component for Announce {
    type Plan = AnnouncePlan;

    fn prepare(&self, next: Next<'_>) -> Result<AnnouncePlan, PrepareError> {
        Ok(self.prepare(&next.table.config, next.files)?)
    }

    fn doors(&self, plan: &AnnouncePlan) -> Vec<OwnAddress> {
        self.homes(plan)
    }

    fn commit(&mut self, plan: AnnouncePlan, _: &Arc<Table>) -> Option<String> {
        self.commit(plan).map(|address| format!("nodes announce themselves at {address}"))
    }

    fn leave<'a>(&'a mut self, _: &'a mut Grace) -> Ending<'a> {
        Box::pin(self.close())
    }

    fn certificates(&self) -> ShownCerts {
        self.certificates()
    }
}
