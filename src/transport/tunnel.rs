//! The ends of tunnels, over whichever HTTP they were opened, and what carries bytes between them.

use super::h2::Tunnel;
use super::http1::Upgraded;
use super::spare;
use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end of a tunnel.
pub enum End {
    /// A connection that has switched.
    H1(Upgraded),
    /// A stream of HTTP/2.
    H2(Tunnel),
}

macro_rules! each {
    ($end:expr, $stream:ident => $call:expr) => {
        match $end {
            End::H1($stream) => $call,
            End::H2($stream) => $call,
        }
    };
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), s => Pin::new(s).poll_write(cx, data))
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_flush(cx))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_shutdown(cx))
    }
}

/// Carries bytes one way. It holds none while nothing is under way.
#[derive(Default)]
pub struct Pump {
    /// What was read and is not written yet.
    pending: Bytes,
    unflushed: bool,
    ended: bool,
}

impl Pump {
    /// Carries what comes, and shows it to `see`. Ready when `from` is at its end and `to` was told, or when either fails.
    pub fn poll(&mut self, cx: &mut Context<'_>, from: &mut End, to: &mut End, mut see: impl FnMut(&[u8])) -> Poll<io::Result<()>> {
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
                ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
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
