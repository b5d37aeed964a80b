//! The certificates of a listener, chosen by SNI, exchanged while it runs.

use crate::wire::pem::{self, Certificate};
use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A fixed set of certificates with an index over their names.
#[derive(Debug)]
pub struct Certs {
    all: Vec<Certificate>,
    exact: HashMap<String, usize>,
    /// By what follows `*`: ".example.com".
    wildcard: HashMap<String, usize>,
}

impl Certs {
    /// Loads PEM files, or folders of them. Every problem found is returned.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Vec<String>> {
        let (good, bad): (Vec<_>, Vec<_>) = pem::load_all(paths).into_iter().partition(Result::is_ok);
        let good: Vec<_> = good.into_iter().filter_map(Result::ok).collect();
        let mut bad: Vec<_> = bad.into_iter().filter_map(Result::err).map(|problem| problem.message).collect();
        if good.is_empty() && bad.is_empty() {
            bad.push("no certificate given".into());
        }
        if bad.is_empty() { Ok(Self::index(good)) } else { Err(bad) }
    }

    /// What stands in `paths` now; where a pair there is unusable, the one that this set has from the same file. The
    /// messages say which. `None` when nothing would be left.
    fn renewed(&self, paths: &[PathBuf]) -> (Option<Self>, Vec<String>) {
        let mut warnings = Vec::new();
        let mut next = Vec::new();
        for found in pem::load_all(paths) {
            match found {
                Ok(certificate) => next.push(certificate),
                Err(problem) => {
                    // A folder that cannot be read stands for all that was loaded from it.
                    let kept = self.all.iter().filter(|old| old.file.starts_with(&problem.file)).cloned();
                    let before = next.len();
                    next.extend(kept);
                    let kept = if next.len() > before { "; the certificate in use stays" } else { "" };
                    warnings.push(format!("{}{kept}", problem.message));
                }
            }
        }
        let next = if next.is_empty() { None } else { Some(Self::index(next)) };
        (next, warnings)
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

    /// Loads files and folders into a new store.
    pub fn open(paths: &[PathBuf]) -> Result<Arc<Self>, Vec<String>> {
        Certs::load(paths).map(Self::new)
    }

    /// The set in use: for status pages.
    pub fn current(&self) -> Arc<Certs> {
        self.0.load_full()
    }

    /// Reads the files anew. A pair that is unusable, such as a new key whose certificate is not there yet, leaves the old one
    /// in place; what is returned are warnings to show.
    pub fn reload(&self, paths: &[PathBuf]) -> Vec<String> {
        let (next, warnings) = self.0.load().renewed(paths);
        if let Some(next) = next {
            self.0.store(Arc::new(next));
        }
        warnings
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().find(hello.server_name()).map(|certificate| certificate.key.clone())
    }
}
