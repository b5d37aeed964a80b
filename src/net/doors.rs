//! Which sockets are open for which listener, over all threads. A socket whose address stays is never touched.

use super::listen::{self, Address, Socket};
use super::threads::{Command, SharedTls, Thread};
use super::tls::{self, CertStore};
use crate::config::model::ListenerTls;
use crate::table::Table;
use arc_swap::ArcSwapOption;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The kernel's queue of connections that wait to be accepted; the kernel lowers it to net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// The open sockets.
pub struct Doors {
    folder: PathBuf,
    threads: usize,
    open: HashMap<(String, Address), u64>,
    tls: HashMap<String, Tls>,
    next: u64,
}

/// A listener's TLS as it runs.
struct Tls {
    conf: Option<ListenerTls>,
    /// What its file of client authorities held.
    client_ca: u64,
    store: Option<Arc<CertStore>>,
    shared: SharedTls,
}

/// Sockets bound and certificates read for a table that is not yet published.
pub struct Plan {
    bound: Vec<(String, Address, Vec<Socket>)>,
    tls: HashMap<String, Tls>,
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
            let client_ca = tls::client_ca(listener.conf.tls.as_ref(), &self.folder);
            let known = self.tls.get(&name).filter(|known| known.conf == listener.conf.tls && known.client_ca == client_ca);
            if known.is_none() {
                let made = self.tls_for(&name, listener.conf.tls.as_ref(), client_ca)?;
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

    fn tls_for(&self, name: &str, conf: Option<&ListenerTls>, client_ca: u64) -> Result<Tls, String> {
        let Some(tls) = conf else { return Ok(Tls { conf: None, client_ca, store: None, shared: SharedTls::default() }) };
        let paths = tls::cert_paths(tls, &self.folder);
        let store = CertStore::open(&paths).map_err(|e| format!("listener {name}: {}", e.join("; ")))?;
        let config = tls::server_config(tls, &self.folder, store.clone()).map_err(|e| format!("listener {name}: {e}"))?;
        Ok(Tls { conf: Some(tls.clone()), client_ca, store: Some(store), shared: Arc::new(ArcSwapOption::from(Some(config))) })
    }

    /// Opens what the plan bound and closes what is no longer wanted. To be called after the table is published. Returns the
    /// addresses opened.
    pub fn apply(&mut self, plan: Plan, table: &Table, threads: &[Thread]) -> Vec<String> {
        for (name, made) in plan.tls {
            match self.tls.get_mut(&name) {
                Some(known) => {
                    known.shared.store(made.shared.load_full());
                    (known.conf, known.client_ca, known.store) = (made.conf, made.client_ca, made.store);
                }
                None => {
                    self.tls.insert(name, made);
                }
            }
        }
        let mut opened = Vec::new();
        for (name, address, sockets) in plan.bound {
            let Some(listener) = table.listeners.iter().position(|l| l.as_ref().is_some_and(|l| *l.name == *name)) else { continue };
            let Some(tls) = self.tls.get(&name).map(|t| t.shared.clone()) else { continue };
            self.next += 1;
            opened.push(sockets.first().map_or_else(|| address.to_string(), |s| s.address().to_string()));
            for (thread, socket) in threads.iter().zip(sockets) {
                // a thread that is gone is on its way out, and the process with it
                let _ = thread.commands.send(Command::Open { door: self.next, listener, socket, tls: tls.clone() });
            }
            self.open.insert((name, address), self.next);
        }
        self.open.retain(|key, door| {
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
        let mut stores: Vec<_> = self.tls.iter().filter_map(|(name, tls)| Some((name.clone(), tls.store.clone()?))).collect();
        stores.sort_by(|(a, _), (b, _)| a.cmp(b));
        stores
    }

    /// Reads the certificates again; a pair that does not match stays as it was. Returns what to warn of.
    pub fn reload_certificates(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, tls) in &self.tls {
            if let (Some(conf), Some(store)) = (&tls.conf, &tls.store) {
                let found = store.reload(&tls::cert_paths(conf, &self.folder));
                warnings.extend(found.into_iter().map(|w| format!("listener {name}: {w}")));
            }
        }
        warnings
    }
}
