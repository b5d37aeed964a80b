//! Listening sockets: accepted from, and closed without losing anybody.
//!
//! Closing a TCP listener resets every connection in its queue, and every handshake under way. So a socket
//! that is to go first stops beginning handshakes ([`AcceptSocket::quiesce`]), then is accepted from until
//! nobody is left ([`AcceptSocket::drain`]), and only then closed.

use super::peer::canonical;
use super::socket::{BoundSocket, SocketFile, drop_syns};
use super::{Address, Peer};
use crate::base::clock;
use crate::base::log_throttle::LogThrottle;
use crate::transport::stream::Stream;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::{Instant, timeout};

/// How long nobody is accepted when there is no descriptor or memory for a connection: trying again at once
/// would spin.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// The same after an error that nobody has heard of.
const UNKNOWN: Duration = Duration::from_millis(100);
/// While draining: how long nobody must have come before the queue counts as empty for good. A handshake that
/// was under way takes a round trip to finish, over the slowest line that is waited for.
const SETTLE: Duration = Duration::from_millis(300);
/// The longest that a drain takes. A client whose first SYN was dropped sends it again after a second; by
/// then this socket has to be closed, or the kernel picks it again by the same hash.
const DRAIN: Duration = Duration::from_millis(800);

/// A socket that connections are accepted from.
#[derive(Debug)]
pub enum AcceptSocket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix domain socket, and the file that is removed when the last listener on it goes.
    Unix(UnixListener, Arc<SocketFile>),
}

impl BoundSocket {
    /// Hands the socket to the runtime that this is called in.
    pub fn into_tokio(self) -> io::Result<AcceptSocket> {
        match self.into_parts() {
            (socket, None) => TcpListener::from_std(socket.into()).map(AcceptSocket::Tcp),
            (socket, Some(file)) => Ok(AcceptSocket::Unix(UnixListener::from_std(socket.into())?, file)),
        }
    }
}

impl AcceptSocket {
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

    /// Accepts until `closing` is through. Each client is handed on with a `place` that it gives back when it
    /// goes; while there is none, one more waits here and all others in the kernel's queue. Whoever waits
    /// here when the socket closes goes on without a place.
    pub async fn accept_until<P>(
        &self,
        closing: impl Future<Output = ()>,
        place: impl AsyncFn() -> Option<P>,
        mut each: impl FnMut(Stream, Peer, Option<P>),
    ) {
        let (mut closing, log) = (pin!(closing), LogThrottle::default());
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut closing => return,
                accepted = self.accept() => accepted,
            };
            match accepted {
                // the place is taken after the accept, so that none is kept for a client that never comes
                Ok((stream, peer)) => tokio::select! {
                    biased;
                    place = place() => each(stream, peer, place),
                    () = &mut closing => return each(stream, peer, None),
                },
                Err(error) => recover(&error, &log).await,
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

    /// No handshake begins on this socket from here on; those under way finish. Must be followed by
    /// [`AcceptSocket::drain`] at once.
    ///
    /// The kernel still picks this socket for its share of new clients until it is closed: their SYNs are
    /// dropped, and sent again after a second. A Unix domain socket has no handshake: its file is removed,
    /// for all that listen on it.
    pub fn quiesce(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => drop_syns(listener),
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
        while let Some((stream, peer)) = self.next_before(quiet.min(end)).await {
            each(stream, peer);
            quiet = clock::timer_instant() + SETTLE;
        }
    }

    /// The next client; `None` when the time is over or the socket broken. After `until` it still takes who
    /// already is in the queue.
    async fn next_before(&self, until: Instant) -> Option<(Stream, Peer)> {
        loop {
            let left = until.saturating_duration_since(clock::timer_instant()).max(Duration::from_millis(1));
            match timeout(left, self.accept()).await {
                Ok(Ok(client)) => return Some(client),
                Ok(Err(error)) if is_exhausted(&error) && clock::timer_instant() < until => {
                    tokio::time::sleep(EXHAUSTED / 5).await
                }
                Ok(Err(error)) if is_transient(&error) && clock::timer_instant() < until => {}
                _ => return None,
            }
        }
    }
}

/// Says what is wrong, and waits so long as another accept would meet the same.
async fn recover(error: &io::Error, log: &LogThrottle) {
    if is_transient(error) {
        return;
    }
    let exhausted = is_exhausted(error);
    if let Some(more) = log.rest("such errors") {
        match exhausted {
            true => {
                tracing::warn!(
                    "no more connections can be accepted just now: {error}; raise the limit of open files (ulimit -n){more}"
                )
            }
            false => tracing::error!("accept failed: {error}{more}"),
        }
    }
    tokio::time::sleep(if exhausted { EXHAUSTED } else { UNKNOWN }).await;
}

/// True when an error of accept says something of one client, or of this moment; the listener goes on.
fn is_transient(error: &io::Error) -> bool {
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
}

/// True when accept failed for want of descriptors or memory.
fn is_exhausted(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_moment() {
        for (code, transient, exhausted) in [
            (libc::EMFILE, false, true),
            (libc::ENFILE, false, true),
            (libc::ENOBUFS, false, true),
            (libc::ECONNABORTED, true, false),
            (libc::EINTR, true, false),
            (libc::ENETDOWN, true, false),
            (libc::EBADF, false, false),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!((is_transient(&error), is_exhausted(&error)), (transient, exhausted), "{error}");
        }
    }
}
