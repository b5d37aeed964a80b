//! The addresses that clients come to, over all threads.

use super::threads::{Command, Threads};
use crate::config::files::NamedFiles;
use crate::listen::tls::{self, CertStore};
use crate::listen::{ListenError, ListenFault, ListenerPlan, ListenerSet, SocketOptions, WantedAddress};
use crate::table::Table;
use crate::upstream::own_addresses::{OwnAddress, OwnAddressKind};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// New connections that may wait in the kernel's queue.
const BACKLOG: i32 = 4096;

/// The listeners of the conf.
pub struct ClientListeners {
    set: ListenerSet<WorkerSockets>,
    /// The number of the latest address.
    latest: u64,
}

/// What threads accept on one address; they are told to close it when it is dropped.
struct WorkerSockets {
    door: u64,
    threads: Vec<UnboundedSender<Command>>,
}

impl Drop for WorkerSockets {
    fn drop(&mut self) {
        for thread in &self.threads {
            // a thread that is gone is on its way out, and the process with it
            let _ = thread.send(Command::Close(self.door));
        }
    }
}

impl ClientListeners {
    /// None open.
    pub fn new(folder: &Path, threads: usize) -> Self {
        let options = SocketOptions::new(Some(threads), BACKLOG);
        Self { set: ListenerSet::new("listener ", options, tls::HTTP, folder), latest: 0 }
    }

    /// Binds what the table wants and is not open yet. A failure changes nothing.
    pub fn prepare(&self, table: &Table, files: &NamedFiles) -> Result<ListenerPlan, ListenError> {
        let mut plan = ListenerPlan::default();
        for listener in table.listeners.iter().flatten() {
            let bind = listener.conf.bind.as_slice().iter().map(|at| at.parse().map(WantedAddress::streams));
            let of = |why| ListenError {
                listener: format!("listener {}", listener.name),
                why: ListenFault::Address(why),
            };
            let wanted = bind.collect::<Result<_, _>>().map_err(of)?;
            self.set.prepare(
                &mut plan,
                &listener.name,
                wanted,
                (listener.conf.tls.as_ref().map(|tls| (tls, files)), listener.conf.unix.as_ref()),
            )?;
        }
        Ok(plan)
    }

    /// Where clients will be let in once the plan is committed.
    pub fn homes(&self, plan: &ListenerPlan) -> Vec<OwnAddress> {
        self.set
            .addresses(plan)
            .into_iter()
            .map(|place| OwnAddress { place, kind: OwnAddressKind::Clients })
            .collect()
    }

    /// Opens what the plan bound and closes what is no longer wanted. To be called after the table is
    /// published. Returns the addresses opened.
    pub fn commit(&mut self, plan: ListenerPlan, table: &Table, threads: &Threads) -> Vec<String> {
        let (Self { set, latest }, threads) = (self, threads.all());
        set.commit(plan, |name, bound, tls| {
            let listener = table
                .listeners
                .iter()
                .position(|known| known.as_ref().is_some_and(|known| *known.name == *name));
            let listener = listener.ok_or_else(|| io::Error::other("it is not in the table"))?;
            *latest += 1;
            for (thread, socket) in threads.iter().zip(bound.streams) {
                let _ =
                    thread.commands.send(Command::Open { door: *latest, listener, socket, tls: tls.clone() });
            }
            Ok(WorkerSockets {
                door: *latest,
                threads: threads.iter().map(|thread| thread.commands.clone()).collect(),
            })
        })
    }

    /// The certificates that each listener shows; what is in a store changes by itself.
    pub fn certificates(&self) -> Vec<(String, Arc<CertStore>)> {
        self.set.certificates()
    }
}
