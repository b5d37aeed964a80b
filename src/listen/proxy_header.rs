//! The PROXY protocol's header at the beginning of a connection: who the client is, as the proxy in front
//! says.

use crate::transport::stream::Stream;
use crate::wire::proxy_protocol::{self, Header};
use bytes::BytesMut;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;

/// Why there is none.
#[derive(Debug)]
pub enum NoHeader {
    /// The connection begins with something else.
    NotProxy,
    /// It is wrong.
    Invalid(&'static str),
    /// The connection was closed before it was there.
    Closed,
    /// The connection failed.
    Failed(io::Error),
}

impl fmt::Display for NoHeader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotProxy => out.write_str("it does not begin with a PROXY header"),
            Self::Invalid(why) => write!(out, "bad PROXY header: {why}"),
            Self::Closed => out.write_str("closed before the PROXY header was there"),
            Self::Failed(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for NoHeader {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::NotProxy | Self::Invalid(_) | Self::Closed => None,
        }
    }
}

/// Reads the header; the client, if it says so. What came behind it stays in `early`.
pub async fn read(stream: &mut Stream, early: &mut BytesMut) -> Result<Option<SocketAddr>, NoHeader> {
    loop {
        match proxy_protocol::parse(early) {
            Header::Parsed { len, source, .. } => {
                let _ = early.split_to(len);
                return Ok(source);
            }
            Header::Incomplete => {}
            Header::NotProxy => return Err(NoHeader::NotProxy),
            Header::Invalid(why) => return Err(NoHeader::Invalid(why)),
        }
        match stream.read_buf(early).await {
            Ok(0) => return Err(NoHeader::Closed),
            Ok(_) => {}
            Err(error) => return Err(NoHeader::Failed(error)),
        }
    }
}
