//! Idle connections of one worker to its nodes. Single-threaded: no lock, nothing shared with other workers.

use super::limits::ConnectionUse;
use super::link::Link;
use super::streams::Streams;
use super::usage::{CountedConnection, Usage, UsageBlock};
use crate::base::clock::Now;
use crate::transport::http1::H1Connection;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The connections of one worker.
#[derive(Default)]
pub struct Pool {
    idle: RefCell<HashMap<u64, IdleList>>,
    streams: RefCell<HashMap<u64, Rc<Streams>>>,
    /// The first is kept where there was none.
    filled: Notify,
    /// Where its connections are counted, if not with those of their cluster.
    apart: Option<Arc<Usage>>,
}

/// The idle connections to one node, those used last at the end.
struct IdleList {
    list: Vec<IdleConnection>,
    count: Arc<UsageBlock>,
}

impl IdleList {
    fn pop(&mut self) -> Option<IdleConnection> {
        let idle = self.list.pop()?;
        self.count.dropped(1);
        Some(idle)
    }

    fn push(&mut self, idle: IdleConnection) {
        self.list.push(idle);
        self.count.kept();
    }

    fn retain(&mut self, good: impl FnMut(&IdleConnection) -> bool) {
        let before = self.list.len();
        self.list.retain(good);
        self.count.dropped(before - self.list.len());
    }
}

impl Drop for IdleList {
    fn drop(&mut self) {
        self.count.dropped(self.list.len());
    }
}

/// A connection between two requests.
struct IdleConnection {
    connection: Rc<H1Connection>,
    open: CountedConnection,
    since: Now,
}

/// An HTTP/1 connection in use.
pub struct Checkout {
    /// The connection.
    pub connection: Rc<H1Connection>,
    /// Counts it.
    pub(super) open: CountedConnection,
    /// How long it was idle; `None` if it is new.
    pub idle: Option<Duration>,
}

impl Pool {
    /// For requests that are no client's, and whose connections do not count as such.
    pub fn apart() -> Self {
        Self { apart: Some(Arc::default()), ..Self::default() }
    }

    /// Where its connections over a link are counted.
    pub(super) fn usage<'a>(&'a self, link: &'a Link) -> &'a Arc<Usage> {
        self.apart.as_ref().unwrap_or(&link.usage)
    }

    /// An idle connection that is still good, most recently used first.
    pub fn take(&self, link: &Link, over: ConnectionUse, now: Now) -> Option<Checkout> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(&link.id)?;
        let (trusted, limit) = (link.trusts(ConnectionUse::Any), link.trusts(over));
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
                return Some(Checkout { connection: found.connection, open: found.open, idle: Some(age) });
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(
        &self,
        link: &Link,
        connection: Rc<H1Connection>,
        open: CountedConnection,
        most: u32,
        now: Now,
    ) {
        if most == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() {
            self.filled.notify_waiters();
        }
        let kept = idle
            .entry(link.id)
            .or_insert_with(|| IdleList { list: Vec::new(), count: self.usage(link).mine().clone() });
        if kept.list.len() >= most as usize {
            kept.list.remove(0);
            kept.count.dropped(1);
        }
        kept.push(IdleConnection { connection, open, since: now });
    }

    /// The streams to a node that speaks HTTP/2.
    pub(super) fn streams(&self, link: &Arc<Link>) -> Rc<Streams> {
        self.streams
            .borrow_mut()
            .entry(link.id)
            .or_insert_with(|| Streams::new(link, self.usage(link)))
            .clone()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty() && self.streams.borrow().is_empty()
    }

    /// Waits until an idle one is kept where there was none.
    pub async fn is_filled(&self) {
        self.filled.notified().await;
    }

    /// The links that it has connections of, in order.
    pub fn links(&self) -> Vec<u64> {
        let mut all: Vec<u64> =
            self.idle.borrow().keys().chain(self.streams.borrow().keys()).copied().collect();
        all.sort_unstable();
        all
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
        self.streams
            .borrow_mut()
            .retain(|id, streams| trusted(*id).is_some_and(|limit| streams.sweep(limit, now)));
    }
}
