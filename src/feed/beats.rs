//! Where every heartbeat ends, whatever it came by: it is heard, and a node that is new is let in first.

use crate::control::desk::Desk;
use crate::control::members::{Hearing, Members, Refusal};
use crate::heartbeat::{Beat, Heard};
use crate::table::{Cluster, Current, Node, Table};
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The ear of the control thread.
pub struct Beats {
    members: RefCell<Members>,
    current: Arc<Current>,
    desk: Desk,
}

impl Beats {
    /// Nothing was heard yet.
    pub fn new(current: Arc<Current>, desk: Desk) -> Rc<Self> {
        Rc::new(Self { members: RefCell::default(), current, desk })
    }

    /// The table as it is now.
    pub fn table(&self) -> Arc<Table> {
        self.current.load_full()
    }

    /// Hears a beat whose sender has been admitted; a node that is new joins its cluster first. `stranger`: the cluster that
    /// nodes known by nothing but an address join.
    pub async fn hear(&self, heard: &Heard, from: IpAddr, stranger: Option<&str>) -> Result<(Arc<Cluster>, Arc<Node>), Refusal> {
        // the second time it is known; a third is for one that was changed in between
        for _ in 0..3 {
            let hearing = self.members.borrow_mut().hear(heard, from, stranger, &self.current.load());
            match hearing {
                Hearing::Taken { cluster, node } => return Ok((cluster, node)),
                Hearing::Refused(refusal) => return Err(refusal),
                Hearing::Joins(edit) => {
                    self.desk.edit(edit).await.map_err(|refused| Refusal::Wrong(refused.to_string()))?;
                }
            }
        }
        Err(Refusal::Wrong("the node was changed while it joined: announce it again".into()))
    }

    /// Hears a beat of a node that is known, such as its agent's answer.
    pub fn hear_of(&self, cluster: &Arc<Cluster>, node: &Arc<Node>, beat: &Beat) -> Result<(), Refusal> {
        match self.members.borrow_mut().take(cluster, node, beat) {
            Hearing::Refused(refusal) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Looks each second, for ever, at what the passing of time changes.
    pub async fn watch(self: Rc<Self>) {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            self.members.borrow_mut().tick(&self.current.load());
        }
    }
}
