//! HTTP/2 streams as bodies and as plain bytes both ways.

use super::receiving::Receiving;
use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use http_body::Body;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Sends a body to its end, as fast as the other side takes it; one that takes nothing for so long is given
/// up. If the body breaks off, so does the stream.
pub async fn send_body<B>(
    mut body: B,
    mut stream: SendStream<Bytes>,
    patience: Duration,
) -> Result<(), h2::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    loop {
        let frame = poll_fn(|cx| {
            if let Poll::Ready(reason) = stream.poll_reset(cx) {
                return Poll::Ready(Err(reason.map_or_else(|e| e, Into::into)));
            }
            Pin::new(&mut body).poll_frame(cx).map(Ok)
        });
        match frame.await? {
            None => return stream.send_data(Bytes::new(), true),
            Some(Err(_)) => {
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Err(Reason::INTERNAL_ERROR.into());
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let end = body.is_end_stream();
                    if !data.is_empty() {
                        let room = tokio::time::timeout(patience, poll_fn(|cx| poll_room(&mut stream, cx)));
                        if let Ok(room) = room.await {
                            room?;
                        } else {
                            stream.send_reset(Reason::CANCEL);
                            return Err(Reason::CANCEL.into());
                        }
                    }
                    stream.send_data(data, end)?;
                    if end {
                        return Ok(());
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return stream.send_trailers(trailers);
                    }
                }
            },
        }
    }
}

/// Ready when something can be sent. No more than a byte is claimed in advance: a claim takes from the window
/// of all streams, and the library claims what it is given to send by itself.
fn poll_room(stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
    if let Poll::Ready(reason) = stream.poll_reset(cx) {
        return Poll::Ready(Err(reason.map_or_else(|e| e, Into::into)));
    }
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match ready!(stream.poll_capacity(cx)) {
            Some(room) => drop(room?),
            None => return Poll::Ready(Err(Reason::STREAM_CLOSED.into())),
        }
    }
    Poll::Ready(Ok(()))
}

/// Both directions of a stream that carries another protocol (RFC 8441).
pub struct Tunnel {
    send: SendStream<Bytes>,
    receive: Receiving,
    read: Bytes,
}

impl Tunnel {
    /// Over a stream whose heads are exchanged.
    pub fn new(send: SendStream<Bytes>, receive: Receiving) -> Self {
        Self { send, receive, read: Bytes::new() }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.read.is_empty() {
            match ready!(this.receive.poll(cx)) {
                Some(data) => this.read = data.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let part = this.read.len().min(buf.remaining());
        buf.put_slice(&this.read[..part]);
        this.read.advance(part);
        this.receive.passed_on(part).map_err(io::Error::other)?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(poll_room(&mut this.send, cx)).map_err(io::Error::other)?;
        this.send.send_data(Bytes::copy_from_slice(data), false).map_err(io::Error::other)?;
        Poll::Ready(Ok(data.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // the connection sends what its streams have
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // a second end is refused by the library, and changes nothing
        let _ = self.get_mut().send.send_data(Bytes::new(), true);
        Poll::Ready(Ok(()))
    }
}
