//! A message's body on its way out over HTTP/1.

use super::MessageBodyError;
use super::http1::H1Connection;
use crate::wire::http1::{Framing, begin_chunk, line};
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Parts up to this are copied behind what is queued and go out in one write with it.
const COPIED: usize = 16 << 10;

/// Sends a body behind a head that is queued.
pub struct Sending<B> {
    body: Option<B>,
    framing: Framing,
    /// A large part under way.
    part: Bytes,
    /// The line end behind a chunk is still to be queued.
    in_chunk: bool,
}

/// Why a body did not get through.
#[derive(Debug)]
pub enum NotSent {
    /// Its source broke off.
    Source(MessageBodyError),
    /// The connection takes no more.
    Connection(io::Error),
}

impl<B: Body<Data = Bytes, Error = MessageBodyError> + Unpin> Sending<B> {
    /// A body to be framed so.
    pub fn new(body: B, framing: Framing) -> Self {
        let body = Some(body).filter(|_| framing != Framing::None);
        Self { body, framing, part: Bytes::new(), in_chunk: false }
    }

    /// Something of it waits for the connection to take it, not for its source.
    pub fn is_held_up(&self, connection: &H1Connection) -> bool {
        !self.part.is_empty() || connection.queued() > 0
    }

    /// Ready when everything is on the wire.
    pub fn poll(&mut self, cx: &mut Context<'_>, connection: &H1Connection) -> Poll<Result<(), NotSent>> {
        loop {
            if !self.part.is_empty() || connection.queued() >= COPIED {
                ready!(connection.poll_send(cx, &mut self.part)).map_err(NotSent::Connection)?;
            }
            if std::mem::take(&mut self.in_chunk) {
                connection.queue(|out| out.extend_from_slice(b"\r\n"));
            }
            let Some(body) = &mut self.body else {
                return connection.poll_flush(cx).map_err(NotSent::Connection);
            };
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        let end = body.is_end_stream();
                        self.queue(connection, data)?;
                        // asked once more if chunked: trailers may follow
                        if end && self.framing == Framing::Length(0) {
                            self.body = None;
                        }
                    }
                    Err(frame) => self.end(connection, frame.into_trailers().ok())?,
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(NotSent::Source(error))),
                Poll::Ready(None) => self.end(connection, None)?,
                Poll::Pending => {
                    // what is there does not wait for what is not
                    if let Poll::Ready(flushed) = connection.poll_flush(cx) {
                        flushed.map_err(NotSent::Connection)?;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn queue(&mut self, connection: &H1Connection, data: Bytes) -> Result<(), NotSent> {
        if data.is_empty() {
            return Ok(());
        }
        if let Framing::Length(left) = &mut self.framing {
            *left = left
                .checked_sub(data.len() as u64)
                .ok_or_else(|| NotSent::Source("more came than was announced".into()))?;
        }
        let chunked = self.framing == Framing::Chunked;
        let small = connection.queued() + data.len() <= COPIED;
        connection.queue(|out| {
            if chunked {
                begin_chunk(out, data.len());
            }
            if small {
                out.extend_from_slice(&data);
                if chunked {
                    out.extend_from_slice(b"\r\n");
                }
            }
        });
        if !small {
            self.part = data;
            self.in_chunk = chunked;
        }
        Ok(())
    }

    fn end(&mut self, connection: &H1Connection, trailers: Option<HeaderMap>) -> Result<(), NotSent> {
        self.body = None;
        match self.framing {
            Framing::Length(left) if left > 0 => Err(NotSent::Source("less came than was announced".into())),
            Framing::Chunked => {
                connection.queue(|out| {
                    out.extend_from_slice(b"0\r\n");
                    for (name, value) in trailers.iter().flatten() {
                        line(out, name.as_str().as_bytes(), value.as_bytes());
                    }
                    out.extend_from_slice(b"\r\n");
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
