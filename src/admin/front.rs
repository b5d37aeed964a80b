//! Where the window is: its address, which may change with the conf.

use super::guard::Guard;
use super::server::{self, Door};
use super::{Admin, api};
use crate::config::address::Bind;
use crate::config::model::Config;
use crate::net::listen::{self, Address, Socket};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const BACKLOG: i32 = 128;

/// The open address, if there is one.
pub struct Front {
    admin: Rc<Admin>,
    folder: PathBuf,
    open: Option<Open>,
}

struct Open {
    bind: Bind,
    guard: Rc<RefCell<Rc<Guard>>>,
    _door: Door,
}

/// What a conf asks for, made ready.
pub struct Plan(Option<Wanted>);

struct Wanted {
    bind: Bind,
    guard: Guard,
    /// None when the address is open already.
    socket: Option<Socket>,
}

impl Front {
    /// Nothing is open yet.
    pub fn new(admin: Rc<Admin>, folder: &Path) -> Self {
        Self { admin, folder: folder.to_owned(), open: None }
    }

    /// Reads the token and binds the address, if it is not open already. A failure changes nothing.
    pub fn prepare(&self, config: &Config) -> Result<Plan, String> {
        let Some(text) = &config.server.admin else { return Ok(Plan(None)) };
        let bind: Bind = text.parse().map_err(|e| format!("server.admin: {e}"))?;
        let guard = Guard::new(config, &bind, &self.folder)?;
        let socket = match self.open.as_ref().is_some_and(|open| open.bind == bind) {
            true => None,
            false => Some(self.bind(text).map_err(|e| format!("server.admin: cannot listen on {text}: {e}"))?),
        };
        Ok(Plan(Some(Wanted { bind, guard, socket })))
    }

    fn bind(&self, text: &str) -> Result<Socket, String> {
        let address = match text.strip_prefix("unix:") {
            Some(path) => Address::Unix(self.folder.join(path)),
            None => text.parse()?,
        };
        listen::bind_private(&address, BACKLOG).map_err(|e| e.to_string())
    }

    /// Opens what was bound and closes what is not wanted any more; requests under way end first. Returns the address opened.
    pub fn apply(&mut self, plan: Plan) -> Option<String> {
        let Some(Wanted { bind, guard, socket }) = plan.0 else {
            self.open = None;
            return None;
        };
        let guard = Rc::new(guard);
        let Some(socket) = socket else {
            if let Some(open) = &self.open {
                open.guard.replace(guard);
            }
            return None;
        };
        let address = socket.address().to_string();
        let (admin, guard) = (self.admin.clone(), Rc::new(RefCell::new(guard)));
        let asked = guard.clone();
        let handler = move |request, _| {
            let guard = asked.borrow().clone();
            api::answer(admin.clone(), guard, request)
        };
        match server::serve(socket, handler) {
            Ok(door) => self.open = Some(Open { bind, guard, _door: door }),
            Err(error) => tracing::error!("server.admin: {error}"),
        }
        Some(address)
    }
}
