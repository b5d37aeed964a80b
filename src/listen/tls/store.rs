//! The certificates of a listener, chosen by SNI, exchanged while it runs.

use crate::base::clock::rfc3339;
use crate::config::files::NamedFiles;
use crate::config::model::ListenerTls;
use crate::wire::pem::Certificate;
use crate::wire::pem_error::{PemFileError, TlsError};
use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;
use tracing::info;

/// What was found where a listener's certificates are.
fn named<'a>(
    tls: &'a ListenerTls,
    files: &'a NamedFiles,
) -> impl Iterator<Item = &'a Result<Certificate, PemFileError>> {
    tls.certs.iter().flat_map(|name| files.certs(&files.path(name)))
}

/// A fixed set of certificates with an index over their names.
#[derive(Debug)]
pub struct Certs {
    all: Vec<Certificate>,
    exact: HashMap<String, usize>,
    /// By what follows `*`: ".example.com".
    wildcard: HashMap<String, usize>,
}

impl Certs {
    /// Those that a listener names, as they were read with the conf: all of them, or what is wrong with one.
    pub fn of(tls: &ListenerTls, files: &NamedFiles) -> Result<Self, TlsError> {
        let all = named(tls, files).cloned().collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() { Err(TlsError::NoCertificate) } else { Ok(Self::index(all)) }
    }

    /// Whether they are those that a listener names: the same files, and what they held the last time.
    pub fn are(&self, tls: &ListenerTls, files: &NamedFiles) -> bool {
        let same = |(own, found): (&Certificate, &Result<Certificate, PemFileError>)| {
            found.as_ref().is_ok_and(|found| (&own.file, own.print) == (&found.file, found.print))
        };
        self.all.len() == named(tls, files).count() && self.all.iter().zip(named(tls, files)).all(same)
    }

    fn index(all: Vec<Certificate>) -> Self {
        let mut exact = HashMap::new();
        let mut wildcard = HashMap::new();
        for (at, certificate) in all.iter().enumerate() {
            for name in &certificate.names {
                // The first loaded wins, as it does for the default.
                match name.strip_prefix('*') {
                    Some(rest) => wildcard.entry(rest.to_owned()).or_insert(at),
                    None => exact.entry(name.clone()).or_insert(at),
                };
            }
        }
        Self { all, exact, wildcard }
    }

    /// The certificate for a server name: the exact one, else a wildcard's, else the first loaded.
    pub fn find(&self, name: Option<&str>) -> Option<&Certificate> {
        let at = name.and_then(|name| {
            let lower = name.trim_end_matches('.').to_ascii_lowercase();
            let exact = self.exact.get(&lower);
            let parent = || lower.find('.').and_then(|dot| self.wildcard.get(&lower[dot..]));
            exact.or_else(parent).copied()
        });
        self.all.get(at.unwrap_or(0))
    }

    /// All of them, as loaded.
    pub fn all(&self) -> &[Certificate] {
        &self.all
    }
}

/// The certificates in use, behind one pointer so that handshakes always see a whole set.
#[derive(Debug)]
pub struct CertStore(ArcSwap<Certs>);

impl CertStore {
    /// A store that begins with these.
    pub fn new(certs: Certs) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(certs)))
    }

    /// The set in use: for status pages.
    pub fn current(&self) -> Arc<Certs> {
        self.0.load_full()
    }

    /// These are shown from here on. The log says which are new.
    pub fn replace(&self, certs: Certs) {
        let certs = Arc::new(certs);
        let before = self.0.swap(certs.clone());
        let is_new = |one: &&Certificate| {
            !before.all.iter().any(|old| (&old.file, old.print) == (&one.file, one.print))
        };
        for new in certs.all.iter().filter(is_new) {
            let until = rfc3339(u64::try_from(new.not_after).unwrap_or_default().saturating_mul(1000));
            info!("{}: its new certificate is shown from here on, good until {until}", new.file.display());
        }
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().find(hello.server_name()).map(|certificate| certificate.key.clone())
    }
}
