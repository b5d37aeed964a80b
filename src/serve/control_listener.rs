//! An address of the control plane that the conf names: opened at the start, then kept, moved or closed by a
//! reload.

use super::error::{ControlError, TokenFileError};
use super::{Body, Caller, ControlHandle, PlaceLimits, RequestBody, serve};
use crate::config::model::UnixSocket;
use crate::listen::tls::{CertStore, HTTP1, TlsConf};
use crate::listen::{
    Address, ListenError, ListenFault, ListenerPlan, ListenerSet, SocketOptions, UnixAccess, WantedAddress,
};
use crate::upstream::own_addresses::{OwnAddress, OwnAddressKind};
use http::{Request, Response};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// What is particular to such an address.
#[derive(Debug, Clone, Copy)]
pub struct ControlOptions {
    /// Its key in the conf.
    pub key: &'static str,
    /// Connections at one time.
    pub places: PlaceLimits,
    /// Paths that are answered even when there are too many requests.
    pub always: &'static [&'static str],
    /// New ones that may wait in the kernel's queue.
    pub backlog: i32,
    /// Who may connect to it as a Unix socket; by the umask if not said.
    pub mode: Option<u32>,
    /// People look at it with a browser.
    pub pages: bool,
}

/// The address, while there is one. `R` is what each request is held against; it is replaced with each conf.
pub struct ControlListener<R> {
    options: ControlOptions,
    set: ListenerSet<ControlHandle>,
    rules: Option<Rc<RefCell<Rc<R>>>>,
}

/// What a conf asks for, made ready.
pub struct ControlPlan<R> {
    rules: Option<R>,
    listener: ListenerPlan,
}

impl<R: 'static> ControlListener<R> {
    /// Nothing is open yet.
    pub fn new(options: ControlOptions, folder: &Path) -> Self {
        let ControlOptions { backlog, mode, .. } = options;
        let access = UnixAccess { mode, ..UnixAccess::default() };
        let set = ListenerSet::new(
            "",
            SocketOptions { access, ..SocketOptions::new(None, backlog) },
            HTTP1,
            folder,
        );
        Self { options, set, rules: None }
    }

    /// Makes the rules and binds the address, if one is wanted that is not open already. A failure changes
    /// nothing.
    pub fn prepare(
        &self,
        address: Option<&str>,
        (tls, unix): (TlsConf<'_>, Option<&UnixSocket>),
        rules: impl FnOnce(&Address) -> Result<R, TokenFileError>,
    ) -> Result<ControlPlan<R>, ControlError> {
        let (key, mut listener) = (self.options.key, ListenerPlan::default());
        let Some(text) = address else { return Ok(ControlPlan { rules: None, listener }) };
        let of = |why| ListenError { listener: key.to_owned(), why: ListenFault::Address(why) };
        let address: Address = text.parse().map_err(of)?;
        let rules = rules(&address)?;
        self.set.prepare(&mut listener, key, vec![WantedAddress::streams(address)], (tls, unix))?;
        Ok(ControlPlan { rules: Some(rules), listener })
    }

    /// Where it will be once the plan is committed.
    pub fn homes(&self, plan: &ControlPlan<R>) -> Vec<OwnAddress> {
        let kind = OwnAddressKind::Control(self.options.key);
        self.set.addresses(&plan.listener).into_iter().map(|place| OwnAddress { place, kind }).collect()
    }

    /// Opens what was bound and closes what is not wanted any more; requests under way end first. Returns the
    /// address opened.
    pub fn commit<F>(
        &mut self,
        plan: ControlPlan<R>,
        answer: impl Fn(Rc<R>, Request<RequestBody>, Caller) -> F + Clone + 'static,
    ) -> Option<String>
    where
        F: Future<Output = Response<Body>> + 'static,
    {
        let rules = plan.rules.map(Rc::new);
        let fresh = rules.clone().map(|rules| Rc::new(RefCell::new(rules)));
        let options = self.options;
        let opened = self.set.commit(plan.listener, |_, mut bound, tls| {
            let (Some(socket), Some(present)) = (bound.streams.pop(), fresh.clone()) else {
                return Err(io::ErrorKind::NotFound.into());
            };
            let answer = answer.clone();
            serve(socket, options, tls, move |request, caller| {
                answer(present.borrow().clone(), request, caller)
            })
        });
        match (&self.rules, rules) {
            (Some(present), Some(rules)) if opened.is_empty() => drop(present.replace(rules)),
            _ => self.rules = fresh,
        }
        opened.into_iter().next()
    }

    /// Closes the address, and waits until it is; requests under way are answered.
    pub async fn close(&mut self) {
        for open in self.set.close() {
            open.close().await;
        }
    }

    /// The certificates that it shows.
    pub fn certificates(&self) -> Vec<(String, Arc<CertStore>)> {
        self.set.certificates()
    }
}
