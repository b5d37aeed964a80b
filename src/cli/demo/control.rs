//! What all demo nodes share: who is wanted alive, who is, and the sessions of each.

use super::sessions::DemoSessions;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long `settle` waits: a close is immediate, a bind may have to wait for the port.
const SETTLE: Duration = Duration::from_secs(3);

/// One demo node as everybody sees it.
pub struct DemoNode {
    name: String,
    address: SocketAddr,
    wanted: watch::Sender<bool>,
    serving: Mutex<bool>,
    changed: Condvar,
    sessions: Mutex<DemoSessions>,
}

impl DemoNode {
    /// A node that is wanted and whose listener is bound.
    pub fn new(name: String, address: SocketAddr) -> Self {
        Self {
            name,
            address,
            wanted: watch::Sender::new(true),
            serving: Mutex::new(true),
            changed: Condvar::new(),
            sessions: Mutex::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens, or will again.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is meant to be alive.
    pub fn wanted(&self) -> bool {
        *self.wanted.borrow()
    }

    /// A receiver that sees every change of `wanted`.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.wanted.subscribe()
    }

    /// Asks for life or death; false when that is already so. Returns at once.
    pub fn want(&self, alive: bool) -> bool {
        self.wanted.send_if_modified(|wanted| std::mem::replace(wanted, alive) != alive)
    }

    /// Reports that the listener was bound or closed.
    pub fn report(&self, serving: bool) {
        *lock(&self.serving) = serving;
        self.changed.notify_all();
    }

    /// Waits until the listener is as wanted. Blocks, so never on the nodes' own thread.
    pub fn wait_until(&self, serving: bool) -> bool {
        let guard = lock(&self.serving);
        let waited = self.changed.wait_timeout_while(guard, SETTLE, |now| *now != serving);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == serving
    }

    /// Its sessions.
    pub fn sessions(&self) -> MutexGuard<'_, DemoSessions> {
        lock(&self.sessions)
    }
}

/// All demo nodes.
pub struct DemoControl {
    nodes: Vec<DemoNode>,
}

impl DemoControl {
    /// Over these nodes.
    pub fn new(nodes: Vec<DemoNode>) -> Self {
        Self { nodes }
    }

    /// The nodes in order.
    pub fn nodes(&self) -> &[DemoNode] {
        &self.nodes
    }

    /// The node of that name.
    pub fn find(&self, name: &str) -> Option<&DemoNode> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// A demo goes on after a panic elsewhere: nothing here can be left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
