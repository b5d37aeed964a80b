//! Which sockets are open for which listener, over all threads. A socket whose address stays is never touched.

use super::listen::{self, Address, Socket};
use super::threads::{Command, Thread};
use super::tls::{self, CertStore, LiveTls};
use crate::table::Table;
use crate::upstream::home::{Door, Kind, Place};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The kernel's queue of connections that wait to be accepted; the kernel lowers it to net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// The open sockets.
pub struct Doors {
    folder: PathBuf,
    threads: usize,
    /// By what is written: the number of the door, and where it is.
    open: HashMap<(String, Address), (u64, Place)>,
    tls: HashMap<String, LiveTls>,
    next: u64,
}

/// Sockets bound and certificates read for a table that is not yet published.
pub struct Plan {
    bound: Vec<(String, Address, Vec<Socket>)>,
    tls: HashMap<String, LiveTls>,
    wanted: Vec<(String, Address)>,
}

impl Doors {
    /// None open.
    pub fn new(folder: &Path, threads: usize) -> Self {
        Self { folder: folder.to_owned(), threads, open: HashMap::new(), tls: HashMap::new(), next: 0 }
    }

    /// Binds what the table wants and is not open yet, and reads its certificates. A failure changes nothing.
    pub fn prepare(&self, table: &Table) -> Result<Plan, String> {
        let mut plan = Plan { bound: Vec::new(), tls: HashMap::new(), wanted: Vec::new() };
        for listener in table.listeners.iter().flatten() {
            let name = listener.name.to_string();
            let tls = listener.conf.tls.as_ref();
            if !self.tls.get(&name).is_some_and(|known| known.is_for(tls, &self.folder)) {
                let made = LiveTls::make(tls, &self.folder, tls::HTTP).map_err(|e| format!("listener {name}: {e}"))?;
                plan.tls.insert(name.clone(), made);
            }
            for text in listener.conf.bind.as_slice() {
                let address: Address = match text.strip_prefix("unix:") {
                    Some(path) => Address::Unix(self.folder.join(path)),
                    None => text.parse().map_err(|e| format!("listener {name}: {e}"))?,
                };
                let key = (name.clone(), address.clone());
                if !self.open.contains_key(&key) {
                    let sockets = listen::bind_many(&address, self.threads, BACKLOG)
                        .map_err(|e| format!("listener {name}: cannot listen on {address}: {e}"))?;
                    plan.bound.push((name.clone(), address, sockets));
                }
                plan.wanted.push(key);
            }
        }
        Ok(plan)
    }

    /// Where clients will be let in once the plan is applied.
    pub fn homes(&self, plan: &Plan) -> Vec<Door> {
        let bound = plan.bound.iter().filter_map(|(.., sockets)| sockets.first()).map(|socket| socket.address().into());
        let stay = plan.wanted.iter().filter_map(|key| self.open.get(key)).map(|(_, place)| place.clone());
        bound.chain(stay).map(|place| Door { place, kind: Kind::Clients }).collect()
    }

    /// Opens what the plan bound and closes what is no longer wanted. To be called after the table is published. Returns the
    /// addresses opened.
    pub fn apply(&mut self, plan: Plan, table: &Table, threads: &[Thread]) -> Vec<String> {
        for (name, made) in plan.tls {
            match self.tls.get_mut(&name) {
                Some(known) => known.adopt(made),
                None => {
                    self.tls.insert(name, made);
                }
            }
        }
        let mut opened = Vec::new();
        for (name, address, sockets) in plan.bound {
            let Some(listener) = table.listeners.iter().position(|l| l.as_ref().is_some_and(|l| *l.name == *name)) else { continue };
            let Some(tls) = self.tls.get(&name).map(LiveTls::shared) else { continue };
            self.next += 1;
            let bound = sockets.first().map_or_else(|| address.clone(), |socket| socket.address().clone());
            opened.push(bound.to_string());
            for (thread, socket) in threads.iter().zip(sockets) {
                // a thread that is gone is on its way out, and the process with it
                let _ = thread.commands.send(Command::Open { door: self.next, listener, socket, tls: tls.clone() });
            }
            self.open.insert((name, address), (self.next, (&bound).into()));
        }
        self.open.retain(|key, (door, _)| {
            let keep = plan.wanted.contains(key);
            if !keep {
                for thread in threads {
                    let _ = thread.commands.send(Command::Close(*door));
                }
            }
            keep
        });
        opened
    }

    /// The certificates that each listener shows; what is in a store changes by itself.
    pub fn certificates(&self) -> Vec<(String, Arc<CertStore>)> {
        let mut stores: Vec<_> = self.tls.iter().filter_map(|(name, tls)| Some((name.clone(), tls.store()?.clone()))).collect();
        stores.sort_by(|(a, _), (b, _)| a.cmp(b));
        stores
    }

    /// Reads the certificates again. Returns what to warn of.
    pub fn reload_certificates(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, tls) in &self.tls {
            warnings.extend(tls.reload(&self.folder).into_iter().map(|w| format!("listener {name}: {w}")));
        }
        warnings
    }
}
