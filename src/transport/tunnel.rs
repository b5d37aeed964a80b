//! The ends of tunnels, over whichever HTTP they were opened, and what carries bytes between them.

use super::spare;
use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// One end of a tunnel: a connection that has switched, or a stream of HTTP/2.
pub type End = Box<dyn Duplex>;

/// Carries bytes one way. It holds none while nothing is under way.
#[derive(Default)]
pub struct Pump {
    /// What was read and is not written yet.
    pending: Bytes,
    unflushed: bool,
    ended: bool,
}

impl Pump {
    /// Everything that was read is written.
    pub fn is_through(&self) -> bool {
        self.pending.is_empty() && !self.unflushed
    }

    /// Carries what comes, and shows it to `see`. Ready when `from` is at its end and `to` was told, or when
    /// either fails.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut End,
        to: &mut End,
        mut see: impl FnMut(&[u8]),
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.pending.is_empty() {
                let wrote = ready!(Pin::new(&mut *to).poll_write(cx, &self.pending))?;
                self.pending.advance(wrote);
            }
            if self.unflushed {
                ready!(Pin::new(&mut *to).poll_flush(cx))?;
                self.unflushed = false;
            }
            if self.ended {
                return Pin::new(&mut *to).poll_shutdown(cx);
            }
            let read = spare::scratch(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                match ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer)) {
                    // TLS that ends without a word ends nevertheless
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                    read => read?,
                }
                let mut data = buffer.filled();
                self.ended = data.is_empty();
                self.unflushed = !self.ended;
                see(data);
                while !data.is_empty() {
                    match Pin::new(&mut *to).poll_write(cx, data)? {
                        Poll::Ready(wrote) => data = &data[wrote..],
                        Poll::Pending => {
                            self.pending = Bytes::copy_from_slice(data);
                            break;
                        }
                    }
                }
                Poll::Ready(Ok::<_, io::Error>(()))
            });
            ready!(read)?;
        }
    }
}
