//! An address that the conf names: opened at the start, then kept, moved or closed by a reload.

use super::{Body, Caller, Door, serve};
use crate::config::address::Bind;
use crate::config::model::ListenerTls;
use crate::net::listen::{self, Address, Socket};
use crate::net::tls::{CertStore, HTTP1, LiveTls};
use crate::upstream::home::{self, Place};
use http::{Request, Response};
use hyper::body::Incoming;
use std::cell::RefCell;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// What kind of address it is.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its key in the conf.
    pub key: &'static str,
    /// Connections at one time.
    pub connections: usize,
    /// New ones that may wait in the kernel's queue.
    pub backlog: i32,
    /// Who may connect to it as a Unix socket; by the umask if not said.
    pub mode: Option<u32>,
    /// People look at it with a browser.
    pub pages: bool,
}

/// The open address, if there is one. `R` is what each request is held against; it is replaced with each conf.
pub struct Gate<R> {
    kind: Kind,
    folder: PathBuf,
    open: Option<Open<R>>,
}

struct Open<R> {
    bind: Bind,
    place: Place,
    tls: LiveTls,
    rules: Rc<RefCell<Rc<R>>>,
    _door: Door,
}

/// What a conf asks for, made ready.
pub struct Plan<R>(Option<Wanted<R>>);

struct Wanted<R> {
    bind: Bind,
    rules: R,
    /// None when it stays as it is.
    tls: Option<LiveTls>,
    /// None when the address is open already.
    socket: Option<Socket>,
}

impl<R: 'static> Gate<R> {
    /// Nothing is open yet.
    pub fn new(kind: Kind, folder: &Path) -> Self {
        Self { kind, folder: folder.to_owned(), open: None }
    }

    /// Makes the rules, reads certificates and binds the address, if one is wanted that is not open already. A failure changes
    /// nothing.
    pub fn prepare(
        &self,
        address: Option<&str>,
        tls: Option<&ListenerTls>,
        rules: impl FnOnce(&Bind) -> Result<R, String>,
    ) -> Result<Plan<R>, String> {
        let Some(text) = address else { return Ok(Plan(None)) };
        let bind: Bind = text.parse().map_err(|e| format!("{}: {e}", self.kind.key))?;
        let rules = rules(&bind)?;
        let open = self.open.as_ref().filter(|open| open.bind == bind);
        let tls = match open.is_some_and(|open| open.tls.is_for(tls, &self.folder)) {
            true => None,
            false => Some(LiveTls::make(tls, &self.folder, HTTP1).map_err(|e| format!("{}: {e}", self.kind.key))?),
        };
        let socket = match open {
            Some(_) => None,
            None => Some(self.bind(text).map_err(|e| format!("{}: cannot listen on {text}: {e}", self.kind.key))?),
        };
        Ok(Plan(Some(Wanted { bind, rules, tls, socket })))
    }

    /// Where it will be once the plan is applied.
    pub fn home(&self, plan: &Plan<R>) -> Option<home::Door> {
        let place = match &plan.0.as_ref()?.socket {
            Some(socket) => socket.address().into(),
            None => self.open.as_ref()?.place.clone(),
        };
        Some(home::Door { place, kind: home::Kind::Control(self.kind.key) })
    }

    fn bind(&self, text: &str) -> Result<Socket, String> {
        let address = match text.strip_prefix("unix:") {
            Some(path) => Address::Unix(self.folder.join(path)),
            None => text.parse()?,
        };
        listen::bind_alone(&address, self.kind.backlog, self.kind.mode).map_err(|e| e.to_string())
    }

    /// Opens what was bound and closes what is not wanted any more; requests under way end first. Returns the address opened.
    pub fn apply<F>(&mut self, plan: Plan<R>, answer: impl Fn(Rc<R>, Request<Incoming>, Caller) -> F + 'static) -> Option<String>
    where
        F: Future<Output = Response<Body>> + 'static,
    {
        let Some(Wanted { bind, rules, tls, socket }) = plan.0 else {
            self.open = None;
            return None;
        };
        let rules = Rc::new(rules);
        let (tls, socket) = match (tls, socket, &mut self.open) {
            (Some(tls), Some(socket), _) => (tls, socket),
            (tls, _, Some(open)) => {
                open.rules.replace(rules);
                tls.into_iter().for_each(|tls| open.tls.adopt(tls));
                return None;
            }
            _ => return None,
        };
        let (address, place) = (socket.address().to_string(), socket.address().into());
        let rules = Rc::new(RefCell::new(rules));
        let present = rules.clone();
        let handler = move |request, caller| answer(present.borrow().clone(), request, caller);
        match serve(socket, self.kind, tls.shared(), handler) {
            Ok(door) => self.open = Some(Open { bind, place, tls, rules, _door: door }),
            Err(error) => tracing::error!("{}: {error}", self.kind.key),
        }
        Some(address)
    }

    /// The certificates that it shows.
    pub fn certificates(&self) -> Option<(String, Arc<CertStore>)> {
        let store = self.open.as_ref()?.tls.store()?;
        Some((self.kind.key.to_owned(), store.clone()))
    }

    /// Reads the certificates again. Returns what to warn of.
    pub fn reload_certificates(&self) -> Vec<String> {
        let warnings = self.open.iter().flat_map(|open| open.tls.reload(&self.folder));
        warnings.map(|warning| format!("{}: {warning}", self.kind.key)).collect()
    }
}
