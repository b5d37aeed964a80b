//! The bytes of one client connection: clear or TLS, watched for progress, and guarded against ambiguous requests.

use super::stream::Stream;
use crate::proxy::interim::Outbox;
use crate::proxy::watch::Watch;
use crate::wire::framing::RequestGuard;
use bytes::{Buf, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
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
    read: Bytes,
    stream: Stream,
}

impl Early {
    /// The bytes read, and where the rest comes from.
    pub fn new(read: Bytes, stream: Stream) -> Self {
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
    /// Interim answers to be written, and the one whose writing has begun: it goes before everything else.
    outbox: Arc<Outbox>,
    interim: Bytes,
}

/// What hyper is given in place of bytes that must not pass: no request is valid with it, wherever it stands, so that hyper
/// answers 400 and closes.
const POISON: &[u8] = b"\0\r\n\r\n";

impl ClientIo {
    /// `guarded`: HTTP/1.
    pub fn new(transport: Transport, guarded: bool, watch: Arc<Watch>, outbox: Arc<Outbox>) -> Self {
        Self { transport, guard: guarded.then(RequestGuard::new), watch, closed: false, outbox, interim: Bytes::new() }
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

impl Transport {
    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin + Send)> {
        match self {
            Self::Clear(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }
}

impl ClientIo {
    /// Writes the rest of an interim answer that was begun. Not to be interrupted: every write comes through here.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            let polled = self.transport.writer().poll_write(cx, &self.interim);
            self.watch.wrote(polled.is_ready());
            match ready!(polled)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.interim.advance(n),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_interim(cx))?;
        let polled = this.transport.writer().poll_write(cx, data);
        this.watch.wrote(polled.is_ready());
        polled
    }
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_interim(cx))?;
        let polled = this.transport.writer().poll_write_vectored(cx, data);
        this.watch.wrote(polled.is_ready());
        polled
    }
    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Clear(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper flushes when it has written all it has, and nothing of an answer while its exchange is still under way: this
        // is the end of the answer before
        if this.interim.is_empty()
            && let Some(head) = this.outbox.take()
        {
            this.interim = head.into();
        }
        ready!(this.poll_interim(cx))?;
        this.transport.writer().poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_interim(cx))?;
        this.transport.writer().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::interim::Interim;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    const HINT: &str = "HTTP/1.1 103 Early Hints\r\n\r\n";

    /// Interim answers stand between answers, whatever of the answer before is still to be written.
    #[tokio::test]
    async fn interim_answers_stand_between_answers() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let outbox = Arc::new(Outbox::default());
        let early = Early::new(Bytes::new(), Stream::Unix(ours));
        let mut io = ClientIo::new(Transport::Clear(early), true, Arc::new(Watch::new(true)), outbox.clone());
        let mut io = Pin::new(&mut io);
        let hint = Interim { status: http::StatusCode::EARLY_HINTS, headers: http::HeaderMap::new() };
        let mut want = Vec::new();
        let mut filler = 0;
        // the answer before, until the socket takes no more
        let piece = [b'a'; 1000];
        let full = |io: &mut Pin<&mut ClientIo>, cx: &mut Context<'_>, filler: &mut usize| {
            while let Poll::Ready(wrote) = io.as_mut().poll_write(cx, &piece) {
                *filler += wrote.unwrap();
            }
            Poll::Ready(())
        };
        poll_fn(|cx| full(&mut io, cx, &mut filler)).await;
        outbox.put(&hint);
        // hyper goes on with the answer before: not its end yet
        let mut read = vec![0; filler];
        theirs.read_exact(&mut read).await.unwrap();
        let wrote = poll_fn(|cx| io.as_mut().poll_write(cx, b"its end")).await.unwrap();
        assert_eq!(wrote, 7);
        want.extend(b"its end");
        poll_fn(|cx| io.as_mut().poll_flush(cx)).await.unwrap();
        want.extend(HINT.bytes());
        assert!(outbox.take().is_none(), "it is on its way");
        let mut read = vec![0; want.len()];
        theirs.read_exact(&mut read).await.unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), String::from_utf8(want).unwrap());
        // an interim answer that the socket does not take goes before everything after it
        filler = 0;
        poll_fn(|cx| full(&mut io, cx, &mut filler)).await;
        outbox.put(&hint);
        assert!(poll_fn(|cx| Poll::Ready(io.as_mut().poll_flush(cx).is_pending())).await);
        assert!(outbox.take().is_none(), "it is begun");
        assert!(poll_fn(|cx| Poll::Ready(io.as_mut().poll_write(cx, b"the answer").is_pending())).await);
        let mut read = vec![0; filler];
        theirs.read_exact(&mut read).await.unwrap();
        poll_fn(|cx| io.as_mut().poll_write(cx, b"the answer")).await.unwrap();
        let mut read = vec![0; HINT.len() + 10];
        theirs.read_exact(&mut read).await.unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), format!("{HINT}the answer"));
    }
}
