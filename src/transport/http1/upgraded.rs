//! A connection that has switched protocols.

use super::H1Connection;
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that has switched to another protocol: bytes both ways.
pub struct Upgraded(Rc<H1Connection>);

impl Upgraded {
    /// Over a connection whose heads are exchanged.
    pub fn new(connection: Rc<H1Connection>) -> Self {
        Self(connection)
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut input = self.0.input.borrow_mut();
        if input.is_empty() {
            return Pin::new(&mut *self.0.socket.borrow_mut()).poll_read(cx, buf);
        }
        let part = input.len().min(buf.remaining());
        buf.put_slice(&input[..part]);
        input.advance(part);
        if input.is_empty() {
            *input = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.0.poll_send(cx, &mut Bytes::new()))?;
        Pin::new(&mut *self.0.socket.borrow_mut()).poll_write(cx, data)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.socket.borrow_mut()).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.socket.borrow_mut()).poll_shutdown(cx)
    }
}
