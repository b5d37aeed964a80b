//! The bytes of one client connection: clear or TLS, watched for progress, and guarded against ambiguous requests.

use super::stream::Stream;
use crate::proxy::watch::Watch;
use crate::wire::framing::RequestGuard;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// Clear or TLS.
pub enum Transport {
    /// Clear text.
    Clear(Early),
    /// TLS.
    Tls(Box<TlsStream<Early>>),
}

/// A connection whose first bytes were read already, to see what it speaks.
pub struct Early {
    read: bytes::Bytes,
    stream: Stream,
}

impl Early {
    /// The bytes read, and where the rest comes from.
    pub fn new(read: bytes::Bytes, stream: Stream) -> Self {
        Self { read, stream }
    }
}

impl AsyncRead for Early {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let part = this.read.split_to(this.read.len().min(buf.remaining()));
        buf.put_slice(&part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Early {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, data)
    }
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, data)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// What hyper reads and writes.
pub struct ClientIo {
    transport: Transport,
    /// For HTTP/1 only: HTTP/2's framing is hyper's to check.
    guard: Option<RequestGuard>,
    watch: Arc<Watch>,
    closed: bool,
}

/// What hyper is given in place of bytes that must not pass: no request is valid with it, wherever it stands, so that hyper
/// answers 400 and closes.
const POISON: &[u8] = b"\0\r\n\r\n";

impl ClientIo {
    /// `guarded`: HTTP/1.
    pub fn new(transport: Transport, guarded: bool, watch: Arc<Watch>) -> Self {
        Self { transport, guard: guarded.then(RequestGuard::new), watch, closed: false }
    }

    fn inspect(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let Some(guard) = self.guard.as_mut().filter(|_| !self.watch.is_tunnel()) else { return };
        if let Err((good, why)) = guard.feed(&buf.filled()[before..]) {
            self.watch.refuse(why);
            self.closed = true;
            buf.set_filled(before + good);
            let room = buf.remaining().min(POISON.len());
            buf.put_slice(&POISON[..room]);
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closed {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = match &mut this.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        };
        match polled {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        if buf.filled().len() > before {
            this.watch.read();
            this.inspect(buf, before);
        }
        Poll::Ready(Ok(()))
    }
}

impl ClientIo {
    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.watch.wrote(polled.is_ready());
        polled
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = match &mut this.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_write(cx, data),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, data),
        };
        this.wrote(polled)
    }
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = match &mut this.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, data),
        };
        this.wrote(polled)
    }
    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Clear(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
