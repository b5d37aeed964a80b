//! The certificates of a listener, chosen by SNI, exchanged while it runs.

use crate::config::files::NamedFiles;
use crate::config::model::ListenerTls;
use crate::wire::keyed_chain::is_preferred;
use crate::wire::pem::Certificate;
use crate::wire::pem_error::{PemFileError, TlsError};
use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// What was found where a listener's certificates are.
fn named<'a>(
    tls: &'a ListenerTls,
    files: &'a NamedFiles,
) -> impl Iterator<Item = &'a Result<Certificate, PemFileError>> {
    tls.certs.iter().flat_map(|name| files.certs(&files.path(name)))
}

/// A fixed set of certificates with an index over their names. Of several for one name, those come first whose key
/// is of the better kind, and else the first loaded.
#[derive(Debug)]
pub struct Certs {
    all: Vec<Certificate>,
    exact: HashMap<String, Vec<usize>>,
    /// By what follows `*`: ".example.com".
    wildcard: HashMap<String, Vec<usize>>,
    /// For whoever asks for another name, or none: the first loaded, and those of the same names.
    others: Vec<usize>,
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
        let (mut exact, mut wildcard) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|at| !is_preferred(&all[*at].key));
        for &at in &order {
            for name in &all[at].names {
                match name.strip_prefix('*') {
                    Some(rest) => wildcard.entry(rest.to_owned()).or_default().push(at),
                    None => exact.entry(name.clone()).or_default().push(at),
                }
            }
        }
        let first = all.first().map_or(&[][..], |first| &first.names);
        let alike = |at: &usize| *at == 0 || !first.is_empty() && all[*at].names == first;
        let others = order.into_iter().filter(alike).collect();
        Self { all, exact, wildcard, others }
    }

    /// The certificate for a server name: of the exact ones, else of a wildcard's, else of the first loaded, the first
    /// that the client can verify.
    pub fn find(&self, name: Option<&str>, fits: impl Fn(&Certificate) -> bool) -> Option<&Certificate> {
        let found = name.and_then(|name| {
            let lower = name.trim_end_matches('.').to_ascii_lowercase();
            let exact = self.exact.get(&lower);
            let parent = || lower.find('.').and_then(|dot| self.wildcard.get(&lower[dot..]));
            exact.or_else(parent)
        });
        let mut known = found.unwrap_or(&self.others).iter().filter_map(|at| self.all.get(*at));
        let first = known.clone().next();
        known.find(|certificate| fits(certificate)).or(first)
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

    /// These are shown from here on.
    pub fn replace(&self, certs: Certs) {
        self.0.store(Arc::new(certs));
    }
}

impl ResolvesServerCert for CertStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let can = |certificate: &Certificate| {
            certificate.key.key.choose_scheme(hello.signature_schemes()).is_some()
        };
        self.0.load().find(hello.server_name(), can).map(|certificate| certificate.key.clone())
    }
}
