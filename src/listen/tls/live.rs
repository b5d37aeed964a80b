//! The TLS of an address while it is open.

use super::{CertStore, Certs, server_config};
use crate::config::files::NamedFiles;
use crate::config::model::ListenerTls;
use crate::wire::pem_error::TlsError;
use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use std::sync::Arc;

/// How handshakes go at present; none for clear text.
pub type SharedTls = Arc<ArcSwapOption<ServerConfig>>;

/// What the conf says, and the files that were read with it; none for clear text.
pub type TlsConf<'a> = Option<(&'a ListenerTls, &'a NamedFiles)>;

/// The TLS of an address as it runs. Its certificates change inside, so that sessions go on; all of it does
/// when the conf says something else.
#[derive(Default)]
pub struct LiveTls {
    conf: Option<ListenerTls>,
    /// What the file of client authorities held.
    client_ca: u64,
    store: Option<Arc<CertStore>>,
    shared: SharedTls,
}

/// What is not as it was.
pub enum TlsChange {
    /// The certificates.
    Certs(Certs),
    /// All of it.
    Whole(LiveTls),
}

impl LiveTls {
    /// As the conf says, of the files that were read with it.
    pub fn make(conf: TlsConf<'_>, offers: &[&[u8]]) -> Result<Self, TlsError> {
        let Some((tls, files)) = conf else { return Ok(Self::default()) };
        let store = CertStore::new(Certs::of(tls, files)?);
        let config = server_config(tls, files, store.clone(), offers)?;
        Ok(Self {
            conf: Some(tls.clone()),
            client_ca: files.fingerprint(&tls.client_ca),
            store: Some(store),
            shared: Arc::new(ArcSwapOption::from(Some(config))),
        })
    }

    /// What has to change so that it is as the conf says; nothing where the files hold what they held.
    pub fn change(&self, conf: TlsConf<'_>, offers: &[&[u8]]) -> Result<Option<TlsChange>, TlsError> {
        let same = self.conf.as_ref() == conf.map(|(tls, _)| tls)
            && conf.is_none_or(|(tls, files)| self.client_ca == files.fingerprint(&tls.client_ca));
        match (conf, &self.store) {
            _ if !same => Self::make(conf, offers).map(TlsChange::Whole).map(Some),
            (Some((tls, files)), Some(store)) if !store.current().are(tls, files) => {
                Certs::of(tls, files).map(TlsChange::Certs).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Makes a change: for connections from here on.
    pub fn adopt(&mut self, change: TlsChange) {
        match change {
            TlsChange::Certs(certs) => {
                if let Some(store) = &self.store {
                    store.replace(certs);
                }
            }
            TlsChange::Whole(next) => {
                self.shared.store(next.shared.load_full());
                (self.conf, self.client_ca, self.store) = (next.conf, next.client_ca, next.store);
            }
        }
    }

    /// Where each handshake finds out how to go.
    pub fn shared(&self) -> SharedTls {
        self.shared.clone()
    }

    /// The certificates in use; what is in the store changes by itself.
    pub fn store(&self) -> Option<&Arc<CertStore>> {
        self.store.as_ref()
    }
}
