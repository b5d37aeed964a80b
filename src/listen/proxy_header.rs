//! The PROXY protocol's header at the beginning of a connection: who the client is, as the proxy in front says.

use crate::transport::stream::Stream;
use crate::wire::proxy_protocol::{self, Header};
use bytes::BytesMut;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;

/// Reads the header; the client, if it says so. What came behind it stays in `early`.
pub async fn read(stream: &mut Stream, early: &mut BytesMut) -> Result<Option<SocketAddr>, String> {
    loop {
        match proxy_protocol::parse(early) {
            Header::Parsed { len, source, .. } => {
                let _ = early.split_to(len);
                return Ok(source);
            }
            Header::Incomplete => {}
            Header::NotProxy => return Err("it does not begin with a PROXY header".into()),
            Header::Invalid(why) => return Err(format!("bad PROXY header: {why}")),
        }
        match stream.read_buf(early).await {
            Ok(0) => return Err("closed before the PROXY header was there".into()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}
