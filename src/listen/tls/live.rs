//! The TLS of an address while it is open.

use super::{CertStore, cert_paths, server_config};
use crate::config::model::ListenerTls;
use crate::wire::pem;
use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use std::path::Path;
use std::sync::Arc;

/// How handshakes go at present; none for clear text.
pub type SharedTls = Arc<ArcSwapOption<ServerConfig>>;

/// The TLS of an address as it runs. Its certificates change inside; all of it does when the conf says something else.
pub struct LiveTls {
    conf: Option<ListenerTls>,
    /// What the file of client authorities held.
    client_ca: u64,
    store: Option<Arc<CertStore>>,
    shared: SharedTls,
}

impl LiveTls {
    /// As the conf says: certificates and authorities are read.
    pub fn make(conf: Option<&ListenerTls>, folder: &Path, offers: &[&[u8]]) -> Result<Self, String> {
        let client_ca = client_ca(conf, folder);
        let Some(tls) = conf else { return Ok(Self { conf: None, client_ca, store: None, shared: SharedTls::default() }) };
        let store = CertStore::open(&cert_paths(tls, folder)).map_err(|problems| problems.join("; "))?;
        let config = server_config(tls, folder, store.clone(), offers)?;
        Ok(Self { conf: Some(tls.clone()), client_ca, store: Some(store), shared: Arc::new(ArcSwapOption::from(Some(config))) })
    }

    /// Whether it was made for this, and the authorities are the same.
    pub fn is_for(&self, conf: Option<&ListenerTls>, folder: &Path) -> bool {
        self.conf.as_ref() == conf && self.client_ca == client_ca(conf, folder)
    }

    /// Takes the place of what was: connections from here on.
    pub fn adopt(&mut self, next: Self) {
        self.shared.store(next.shared.load_full());
        (self.conf, self.client_ca, self.store) = (next.conf, next.client_ca, next.store);
    }

    /// Where each handshake finds out how to go.
    pub fn shared(&self) -> SharedTls {
        self.shared.clone()
    }

    /// The certificates in use; what is in the store changes by itself.
    pub fn store(&self) -> Option<&Arc<CertStore>> {
        self.store.as_ref()
    }

    /// Reads the certificates again; a pair that does not match stays as it was. Returns what to warn of.
    pub fn reload(&self, folder: &Path) -> Vec<String> {
        match (&self.conf, &self.store) {
            (Some(conf), Some(store)) => store.reload(&cert_paths(conf, folder)),
            _ => Vec::new(),
        }
    }
}

fn client_ca(tls: Option<&ListenerTls>, folder: &Path) -> u64 {
    pem::fingerprint(tls.and_then(|tls| tls.client_ca.as_ref()).map(|file| folder.join(file)))
}
