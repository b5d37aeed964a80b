//! Opens connections to nodes: for clients' requests, for checks and for agents alike, so that what one of
//! them sees is what the others meet.
//!
//! A name may have several addresses, and one of them may swallow every packet. They race (RFC 8305): the one
//! that worked last begins, and each next one begins when those before it have failed or have had their share
//! of the time.

use super::addresses::Addresses;
use super::link::Link;
use super::node_certificate::HandshakeWords;
use super::own_addresses::{self, ForbiddenPlace};
use crate::base::clock;
use crate::transport::stream::{Rewind, Stream};
use crate::wire::protocol::NodeProtocol;
use bytes::Bytes;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

/// How long an address is waited for before the next is tried beside it: the pause that RFC 8305 recommends.
const PAUSE: Duration = Duration::from_millis(250);

/// Why there is no connection.
#[derive(Debug)]
pub enum NoConnection {
    /// The name has no address.
    Unresolved(String),
    /// It may not be connected to.
    Forbidden(ForbiddenPlace),
    /// Nobody answered in time.
    Late(Duration),
    /// The connection was not taken.
    Socket(io::Error),
    /// It was taken, and its TLS came to nothing.
    Tls(io::Error),
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved(name) => write!(f, "name {name} does not resolve"),
            Self::Forbidden(why) => why.fmt(f),
            Self::Late(within) => write!(f, "no connection within {within:?}"),
            Self::Socket(error) => error.fmt(f),
            Self::Tls(error) => write!(f, "TLS: {}", HandshakeWords(error)),
        }
    }
}

impl std::error::Error for NoConnection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unresolved(_) | Self::Late(_) => None,
            Self::Forbidden(why) => Some(why),
            Self::Socket(error) | Self::Tls(error) => Some(error),
        }
    }
}

impl NoConnection {
    /// How much it says: an address that is silent may be a node that pauses, and what this machine lacks
    /// says nothing of the node.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Late(_) => false,
            Self::Socket(error) | Self::Tls(error) => {
                error.kind() != io::ErrorKind::TimedOut && !is_ours(error)
            }
            Self::Unresolved(_) | Self::Forbidden(_) => true,
        }
    }

    /// Whether the node may be at another address by now.
    fn may_be_elsewhere(&self) -> bool {
        !matches!(self, Self::Socket(error) | Self::Tls(error) if is_ours(error))
    }

    /// Whether something listens nevertheless.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

/// True when this machine ran out of something.
pub fn is_ours(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EADDRNOTAVAIL)
    )
}

/// Opens a connection within the time given, TLS handshake included.
pub async fn dial(link: &Link, protocol: NodeProtocol, within: Duration) -> Result<Stream, NoConnection> {
    if let Some(path) = &link.url.unix {
        link.reach.admits_socket(&own_addresses::now(), path).map_err(NoConnection::Forbidden)?;
        let connected =
            async { UnixStream::connect(path).await.map(Stream::Unix).map_err(NoConnection::Socket) };
        return limited(within, connected).await;
    }
    let addresses = link.addresses.load_full();
    if addresses.is_empty() {
        link.doubt_addresses();
        return Err(NoConnection::Unresolved(link.url.host.clone()));
    }
    // one whose TLS does not answer is no better than one that does not answer at all
    let dialed = limited(
        within,
        race(&addresses, within, async |address| secure(link, protocol, reach(link, address).await?).await),
    );
    dialed.await.inspect_err(|why| {
        if why.may_be_elsewhere() {
            link.doubt_addresses();
        }
    })
}

/// Opens a clear connection to a port beside a node's own, within the time given.
pub async fn dial_beside(link: &Link, port: u16, within: Duration) -> Result<TcpStream, NoConnection> {
    let addresses = link.addresses.load_full();
    match addresses.is_empty() {
        true => Err(NoConnection::Unresolved(link.url.host.clone())),
        false => {
            limited(
                within,
                race(&addresses, within, async |address| {
                    reach(link, SocketAddr::new(address.ip(), port)).await
                }),
            )
            .await
        }
    }
}

/// Opens a clear connection to one of these addresses, within the time given.
pub async fn dial_any(addresses: &Addresses, within: Duration) -> Result<TcpStream, NoConnection> {
    limited(within, race(addresses, within, tcp)).await
}

async fn limited<T>(
    within: Duration,
    open: impl Future<Output = Result<T, NoConnection>>,
) -> Result<T, NoConnection> {
    tokio::time::timeout(within, open).await.unwrap_or(Err(NoConnection::Late(within)))
}

/// By the address itself, whatever name it was found under: a name may have changed its mind.
async fn reach(link: &Link, address: SocketAddr) -> Result<TcpStream, NoConnection> {
    link.reach.admits(&own_addresses::now(), address).map_err(NoConnection::Forbidden)?;
    tcp(address).await
}

async fn tcp(address: SocketAddr) -> Result<TcpStream, NoConnection> {
    let tcp = TcpStream::connect(address).await.map_err(NoConnection::Socket)?;
    tcp.set_nodelay(true).map_err(NoConnection::Socket)?;
    Ok(tcp)
}

async fn secure(link: &Link, protocol: NodeProtocol, tcp: TcpStream) -> Result<Stream, NoConnection> {
    let (Some(config), Some(name)) = (&link.tls, &link.server_name) else { return Ok(Stream::Tcp(tcp)) };
    let clear = Rewind::new(Bytes::new(), Stream::Tcp(tcp));
    let secure = TlsConnector::from(config.to_speak(protocol).clone())
        .connect(name.clone(), clear)
        .await
        .map_err(NoConnection::Tls)?;
    Ok(Stream::Tls(Box::new(TlsStream::from(secure))))
}

/// The first of these addresses that `open` gets through to; of failures, the one that says least.
async fn race<T>(
    addresses: &Addresses,
    within: Duration,
    open: impl AsyncFn(SocketAddr) -> Result<T, NoConnection>,
) -> Result<T, NoConnection> {
    if let [only] = **addresses {
        return open(only).await;
    }
    let pause = pause(within, addresses.len());
    let mut waiting = addresses.in_turn();
    let begin = |address| (address, Box::pin(open(address)));
    let mut running: Vec<_> = waiting.next().map(begin).into_iter().collect();
    let (mut next, mut failed) = (waiting.next(), Vec::new());
    let mut turn = pin!(tokio::time::sleep(pause));
    poll_fn(|cx| {
        loop {
            let before = failed.len();
            let mut at = 0;
            while let Some((address, opening)) = running.get_mut(at) {
                match opening.as_mut().poll(cx) {
                    Poll::Ready(Ok(open)) => {
                        addresses.works(*address);
                        return Poll::Ready(Ok(open));
                    }
                    Poll::Ready(Err(why)) => {
                        failed.push(why);
                        drop(running.swap_remove(at));
                    }
                    Poll::Pending => at += 1,
                }
            }
            let Some(address) = next else {
                return match running.is_empty() {
                    true => Poll::Ready(Err(least_certain(&mut failed))),
                    false => Poll::Pending,
                };
            };
            if failed.len() == before && !running.is_empty() && turn.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            running.push(begin(address));
            next = waiting.next();
            turn.as_mut().reset(clock::timer_instant() + pause);
        }
    })
    .await
}

/// Between the starts of two: short enough that the last one has a share of the time as well.
fn pause(within: Duration, addresses: usize) -> Duration {
    PAUSE.min(within / addresses.max(1) as u32)
}

fn least_certain(failed: &mut Vec<NoConnection>) -> NoConnection {
    let least = (0..failed.len()).min_by_key(|n| (failed[*n].is_certain(), !failed[*n].is_taken()));
    least.map_or_else(
        || NoConnection::Socket(io::ErrorKind::AddrNotAvailable.into()),
        |n| failed.swap_remove(n),
    )
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
