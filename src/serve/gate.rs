//! An address that the conf names: opened at the start, then kept, moved or closed by a reload.

use super::{Body, Door, serve};
use crate::config::address::Bind;
use crate::net::listen::{self, Address, Socket};
use crate::net::stream::Peer;
use http::{Request, Response};
use hyper::body::Incoming;
use std::cell::RefCell;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::Rc;

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
}

/// The open address, if there is one. `R` is what each request is held against; it is replaced with each conf.
pub struct Gate<R> {
    kind: Kind,
    folder: PathBuf,
    open: Option<Open<R>>,
}

struct Open<R> {
    bind: Bind,
    rules: Rc<RefCell<Rc<R>>>,
    _door: Door,
}

/// What a conf asks for, made ready.
pub struct Plan<R>(Option<Wanted<R>>);

struct Wanted<R> {
    bind: Bind,
    rules: R,
    /// None when the address is open already.
    socket: Option<Socket>,
}

impl<R: 'static> Gate<R> {
    /// Nothing is open yet.
    pub fn new(kind: Kind, folder: &Path) -> Self {
        Self { kind, folder: folder.to_owned(), open: None }
    }

    /// Makes the rules and binds the address, if one is wanted that is not open already. A failure changes nothing.
    pub fn prepare(&self, address: Option<&str>, rules: impl FnOnce(&Bind) -> Result<R, String>) -> Result<Plan<R>, String> {
        let Some(text) = address else { return Ok(Plan(None)) };
        let bind: Bind = text.parse().map_err(|e| format!("{}: {e}", self.kind.key))?;
        let rules = rules(&bind)?;
        let socket = match self.open.as_ref().is_some_and(|open| open.bind == bind) {
            true => None,
            false => Some(self.bind(text).map_err(|e| format!("{}: cannot listen on {text}: {e}", self.kind.key))?),
        };
        Ok(Plan(Some(Wanted { bind, rules, socket })))
    }

    fn bind(&self, text: &str) -> Result<Socket, String> {
        let address = match text.strip_prefix("unix:") {
            Some(path) => Address::Unix(self.folder.join(path)),
            None => text.parse()?,
        };
        listen::bind_alone(&address, self.kind.backlog, self.kind.mode).map_err(|e| e.to_string())
    }

    /// Opens what was bound and closes what is not wanted any more; requests under way end first. Returns the address opened.
    pub fn apply<F>(&mut self, plan: Plan<R>, answer: impl Fn(Rc<R>, Request<Incoming>, Peer) -> F + 'static) -> Option<String>
    where
        F: Future<Output = Response<Body>> + 'static,
    {
        let Some(Wanted { bind, rules, socket }) = plan.0 else {
            self.open = None;
            return None;
        };
        let rules = Rc::new(rules);
        let Some(socket) = socket else {
            if let Some(open) = &self.open {
                open.rules.replace(rules);
            }
            return None;
        };
        let address = socket.address().to_string();
        let rules = Rc::new(RefCell::new(rules));
        let present = rules.clone();
        let handler = move |request, peer| answer(present.borrow().clone(), request, peer);
        match serve(socket, self.kind.connections, handler) {
            Ok(door) => self.open = Some(Open { bind, rules, _door: door }),
            Err(error) => tracing::error!("{}: {error}", self.kind.key),
        }
        Some(address)
    }
}
