//! Opens connections to nodes.

use super::link::Link;
use crate::config::address::Scheme;
use crate::transport::stream::{Early, Stream};
use bytes::Bytes;
use std::io;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

/// What a connection is to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1, and what it switches to.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Opens a connection within the time given, TLS handshake included.
pub async fn dial(link: &Link, speaks: Speaks, within: Duration) -> io::Result<Stream> {
    tokio::time::timeout(within, open(link, speaks))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {within:?}")))?
}

async fn open(link: &Link, speaks: Speaks) -> io::Result<Stream> {
    if let (Scheme::Unix, Some(path)) = (link.url.scheme, &link.url.unix) {
        return Ok(Stream::Unix(UnixStream::connect(path).await?));
    }
    let tcp = open_tcp(link).await?;
    let (Some(config), Some(name)) = (&link.tls, &link.server_name) else { return Ok(Stream::Tcp(tcp)) };
    let clear = Early::new(Bytes::new(), Stream::Tcp(tcp));
    Ok(Stream::Tls(Box::new(TlsStream::from(TlsConnector::from(config.to_speak(speaks).clone()).connect(name.clone(), clear).await?))))
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
