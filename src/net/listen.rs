//! Listening sockets: bound once per worker on one address, accepted from, and closed without losing anybody.
//!
//! Closing a TCP listener resets every connection in its queue, and every handshake under way. So a socket that is to go first
//! stops beginning handshakes ([`Listener::quiesce`]), then is accepted from until nobody is left ([`Listener::drain`]), and only
//! then closed.

mod bind;
#[cfg(test)]
mod tests;

pub use bind::{Address, Socket, bind, bind_alone, bind_many};

use super::stream::{Peer, Stream, canonical};
use crate::base::clock;
use bind::SocketFile;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::{Instant, timeout};

/// While draining: how long nobody must have come before the queue counts as empty for good. A handshake that was under way
/// takes a round trip to finish, over the slowest line that is waited for.
const SETTLE: Duration = Duration::from_millis(300);
/// The longest that a drain takes. A client whose first SYN was dropped sends it again after a second; by then this socket has to be
/// closed, or the kernel picks it again by the same hash.
const DRAIN: Duration = Duration::from_millis(800);

/// A socket that connections are accepted from.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix domain socket, and the file that is removed when the last listener on it goes.
    Unix(UnixListener, Arc<SocketFile>),
}

impl Listener {
    /// Waits for the next client.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Peer::Tcp(canonical(peer))))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, file) => Ok(Address::Unix(file.path().to_owned())),
        }
    }

    /// No handshake begins on this socket from here on; those under way finish. Must be followed by [`Listener::drain`] at once.
    ///
    /// The kernel still picks this socket for its share of new clients until it is closed: their SYNs are dropped, and sent
    /// again after a second. A Unix domain socket has no handshake: its file is removed, for all that listen on it.
    pub fn quiesce(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => bind::drop_syns(listener),
            Self::Unix(_, file) => {
                file.remove();
                Ok(())
            }
        }
    }

    /// Accepts whoever is in the queue or about to be. The socket is to be dropped when this returns.
    pub async fn drain(&self, mut each: impl FnMut(Stream, Peer)) {
        let end = clock::timer_instant() + DRAIN;
        let mut quiet = clock::timer_instant() + SETTLE;
        while let Some((stream, peer)) = self.accept_until(quiet.min(end)).await {
            each(stream, peer);
            quiet = clock::timer_instant() + SETTLE;
        }
    }

    /// The next client; `None` when the time is over or the socket broken. After `until` it still takes who already is in the queue.
    async fn accept_until(&self, until: Instant) -> Option<(Stream, Peer)> {
        loop {
            let left = until.saturating_duration_since(clock::timer_instant()).max(Duration::from_millis(1));
            match timeout(left, self.accept()).await {
                Ok(Ok(client)) => return Some(client),
                Ok(Err(error)) if is_transient(&error) && clock::timer_instant() < until => pause(&error).await,
                _ => return None,
            }
        }
    }
}

/// Out of descriptors or memory: trying again at once would spin.
fn pause(error: &io::Error) -> impl Future<Output = ()> {
    tokio::time::sleep(if is_exhausted(error) { Duration::from_millis(10) } else { Duration::ZERO })
}

/// True when an error of accept says something of one client, or of this moment; the listener goes on.
pub fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    // Linux hands errors of the new connection's network to accept (accept(2)).
    const NETWORK: [i32; 9] = [
        libc::ENETDOWN,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::ENONET,
        libc::EHOSTUNREACH,
        libc::EOPNOTSUPP,
        libc::ENETUNREACH,
        libc::EPERM,
    ];
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
        || error.raw_os_error().is_some_and(|code| NETWORK.contains(&code))
        || is_exhausted(error)
}

/// True when accept failed for want of descriptors or memory: wait a little before the next.
pub fn is_exhausted(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].contains(&code))
}
