//! Idle connections of one worker to its nodes. Single-threaded: no lock, nothing shared with other workers.

use super::link::Link;
use super::usage::{Block, Open};
use crate::base::clock::Now;
use crate::transport::http1::Connection;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The connections of one worker.
#[derive(Default)]
pub struct Pool {
    idle: RefCell<HashMap<u64, Kept>>,
    shared: RefCell<HashMap<u64, Shared>>,
}

/// The idle connections to one node, those used last at the end.
struct Kept {
    list: Vec<Idle>,
    count: Arc<Block>,
}

impl Kept {
    fn pop(&mut self) -> Option<Idle> {
        let idle = self.list.pop()?;
        self.count.dropped(1);
        Some(idle)
    }

    fn push(&mut self, idle: Idle) {
        self.list.push(idle);
        self.count.kept();
    }

    fn retain(&mut self, good: impl FnMut(&Idle) -> bool) {
        let before = self.list.len();
        self.list.retain(good);
        self.count.dropped(before - self.list.len());
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.count.dropped(self.list.len());
    }
}

/// A connection between two requests.
struct Idle {
    connection: Rc<Connection>,
    open: Open,
    since: Now,
}

/// An HTTP/2 connection, used by as many requests at a time as the node allows.
#[derive(Clone)]
pub struct Shared {
    /// To send with.
    pub sender: h2::client::SendRequest<Bytes>,
    /// It has ended.
    pub closed: Rc<Cell<bool>>,
}

/// A request that must not be sent twice goes only over a connection that was used so recently,
const FRESH_ENOUGH: Duration = Duration::from_millis(1000);
/// and was idle for no more than this part of what such connections were seen to survive: one that the node is about to close
/// would leave nobody to tell whether the request was worked on.
const PART_OF_PROVEN: u64 = 2;

/// An HTTP/1 connection in use.
pub struct Taken {
    /// The connection.
    pub connection: Rc<Connection>,
    /// Counts it.
    pub(super) open: Open,
    /// How long it was idle; `None` if it is new.
    pub idle: Option<Duration>,
}

impl Pool {
    /// An idle connection that is still good, most recently used first.
    pub fn take(&self, link: &Link, repeatable: bool, now: Now) -> Option<Taken> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(&link.id)?;
        let trusted = Duration::from_millis(link.reuse_ms.load(Relaxed));
        let proven = || Duration::from_micros(link.proven_us.load(Relaxed) / PART_OF_PROVEN);
        let limit = if repeatable { trusted } else { trusted.min(FRESH_ENOUGH).min(proven()) };
        while let Some(found) = kept.pop() {
            let age = now.since(found.since);
            if age >= limit {
                // the list is in order of age: all further ones are older still
                if age >= trusted {
                    kept.retain(|_| false);
                } else {
                    kept.push(found);
                }
                return None;
            }
            if !found.connection.is_stale() {
                kept.count.reused();
                return Some(Taken { connection: found.connection, open: found.open, idle: Some(age) });
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, link: &Link, connection: Rc<Connection>, open: Open, most: u32, now: Now) {
        if most == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let kept = idle.entry(link.id).or_insert_with(|| Kept { list: Vec::new(), count: link.usage.mine().clone() });
        if kept.list.len() >= most as usize {
            kept.list.remove(0);
            kept.count.dropped(1);
        }
        kept.push(Idle { connection, open, since: now });
    }

    /// The HTTP/2 connection to a node, if there is one.
    pub fn shared(&self, link: &Link) -> Option<Shared> {
        let mut shared = self.shared.borrow_mut();
        match shared.get(&link.id) {
            Some(found) if !found.closed.get() => Some(found.clone()),
            Some(_) => {
                shared.remove(&link.id);
                None
            }
            None => None,
        }
    }

    /// Keeps the HTTP/2 connection to a node.
    pub fn share(&self, link: &Link, connection: Shared) {
        self.shared.borrow_mut().insert(link.id, connection);
    }

    /// Drops the HTTP/2 connection to a node.
    pub fn unshare(&self, link: &Link) {
        self.shared.borrow_mut().remove(&link.id);
    }

    /// Closes what has been idle too long, and everything of links that are no longer in the table.
    pub fn sweep(&self, trusted: impl Fn(u64) -> Option<Duration>) {
        let now = Now::look();
        self.idle.borrow_mut().retain(|id, kept| match trusted(*id) {
            Some(limit) => {
                kept.retain(|idle| now.since(idle.since) < limit && !idle.connection.is_stale());
                !kept.list.is_empty()
            }
            None => false,
        });
        self.shared.borrow_mut().retain(|id, shared| !shared.closed.get() && trusted(*id).is_some());
    }
}
