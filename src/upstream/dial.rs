//! Opens connections to nodes.

use super::link::Link;
use crate::config::address::Scheme;
use rustls::pki_types::ServerName;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Bytes that went over a connection: what tells whether a request ever touched the wire. Written by one thread only.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Bytes written.
    pub written: AtomicU64,
    /// Bytes read.
    pub read: AtomicU64,
}

/// A connection to a node.
pub struct NodeStream {
    io: Io,
    traffic: Arc<Traffic>,
}

enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Opens a connection within the time given, TLS handshake included.
pub async fn dial(link: &Link, within: Duration) -> io::Result<(NodeStream, Arc<Traffic>)> {
    let io = tokio::time::timeout(within, open(link))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {within:?}")))??;
    let traffic = Arc::new(Traffic::default());
    Ok((NodeStream { io, traffic: traffic.clone() }, traffic))
}

async fn open(link: &Link) -> io::Result<Io> {
    if let (Scheme::Unix, Some(path)) = (link.url.scheme, &link.url.unix) {
        return Ok(Io::Unix(UnixStream::connect(path).await?));
    }
    let tcp = open_tcp(link).await?;
    match (&link.tls, &link.server_name) {
        (Some(config), Some(name)) => Ok(Io::Tls(Box::new(handshake(config.clone(), name.clone(), tcp).await?))),
        _ => Ok(Io::Tcp(tcp)),
    }
}

async fn open_tcp(link: &Link) -> io::Result<TcpStream> {
    let addresses = link.addresses.load_full();
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("name {} does not resolve", link.url.host));
    for address in addresses.iter() {
        match TcpStream::connect(address).await {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                return Ok(tcp);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn handshake(config: Arc<rustls::ClientConfig>, name: ServerName<'static>, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    TlsConnector::from(config).connect(name, tcp).await
}

impl NodeStream {
    fn note<T>(counter: &AtomicU64, polled: Poll<io::Result<T>>, count: impl Fn(&T) -> usize) -> Poll<io::Result<T>> {
        if let Poll::Ready(Ok(done)) = &polled {
            counter.store(counter.load(Relaxed) + count(done) as u64, Relaxed);
        }
        polled
    }
}

macro_rules! each {
    ($io:expr, $stream:ident => $call:expr) => {
        match $io {
            Io::Tcp($stream) => $call,
            Io::Unix($stream) => $call,
            Io::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for NodeStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = each!(&mut this.io, s => Pin::new(s).poll_read(cx, buf));
        let read = buf.filled().len() - before;
        Self::note(&this.traffic.read, polled, |()| read)
    }
}

impl AsyncWrite for NodeStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = each!(&mut this.io, s => Pin::new(s).poll_write(cx, buf));
        Self::note(&this.traffic.written, polled, |n| *n)
    }
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = each!(&mut this.io, s => Pin::new(s).poll_write_vectored(cx, bufs));
        Self::note(&this.traffic.written, polled, |n| *n)
    }
    fn is_write_vectored(&self) -> bool {
        each!(&self.io, s => s.is_write_vectored())
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().io, s => Pin::new(s).poll_flush(cx))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.get_mut().io, s => Pin::new(s).poll_shutdown(cx))
    }
}
