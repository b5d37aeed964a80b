//! The body that comes over a connection: its reader, and what becomes of what that leaves.

use super::readers::{READ, Readers};
use super::{H1Connection, Side};
use crate::transport::MessageBodyError;
use crate::transport::body_progress::BodyProgress;
use crate::wire::http1::{BodyPart, BodyReader, Framing};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt;

/// Bodies up to this are read by way of the thread's own buffer.
const SMALL: u64 = 16 << 10;

impl H1Connection {
    /// A body framed so follows the head.
    pub fn begin_body(&self, framing: Framing, waits: bool) {
        *self.body.borrow_mut() = match self.side {
            Side::Client => BodyReader::strict(framing),
            Side::Node => BodyReader::lenient(framing),
        };
        self.waits.set(waits);
        if let Some(progress) = self.progress() {
            progress.stop();
            progress.may_pause(false);
        }
    }

    fn progress(&self) -> Option<&BodyProgress> {
        self.pace.as_deref().map(|pace| &pace.body)
    }

    /// The body that was begun is through.
    pub fn is_body_done(&self) -> bool {
        self.body.borrow().is_done()
    }

    /// The client waits for leave to send its body, and was not given it.
    pub fn is_waiting(&self) -> bool {
        self.waits.get()
    }

    fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, MessageBodyError>>> {
        if self.waits.replace(false) {
            self.queue(|out| out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
        if self.side == Side::Client && self.has_output() && !self.body.borrow().is_done() {
            // what it waits for must go out, whoever else writes
            let _ = self.poll_flush(cx)?;
        }
        let mut body = self.body.borrow_mut();
        let mut input = self.input.borrow_mut();
        loop {
            match body.take(&mut input)? {
                BodyPart::Data(data) => {
                    if input.is_empty() && body.is_done() {
                        *input = BytesMut::new();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                BodyPart::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                BodyPart::End => {
                    if input.is_empty() {
                        *input = BytesMut::new();
                    }
                    return Poll::Ready(None);
                }
                BodyPart::More => {}
            }
            let more = match self.closed.get() {
                true => Poll::Ready(Ok(false)),
                false => self.poll_more(cx, body.expects(), &mut input),
            };
            if let Some(progress) = self.progress() {
                if more.is_pending() { progress.wait() } else { progress.stop() }
            }
            if !ready!(more)? {
                self.closed.set(true);
                return Poll::Ready(if body.close() {
                    None
                } else {
                    Some(Err("the connection was closed within the body".into()))
                });
            }
            if let Some(pace) = &self.pace {
                pace.received();
            }
        }
    }

    /// Reads more of a body. False: the connection was closed.
    fn poll_more(&self, cx: &mut Context<'_>, expects: u64, input: &mut BytesMut) -> Poll<io::Result<bool>> {
        if expects <= SMALL {
            return self
                .poll_read_scratch(cx, |read| input.extend_from_slice(read))
                .map_ok(|read| read.is_some());
        }
        // what was passed on is free by now, and its place is taken again
        let reach = self.reach.get();
        input.reserve(reach.min(usize::try_from(expects).unwrap_or(reach)));
        let mut socket = self.socket.borrow_mut();
        let read = ready!(pin!(socket.read_buf(input)).poll(cx))?;
        if read >= reach {
            self.reach.set((reach * 2).min(READ.1));
        }
        self.heard.set(true);
        Poll::Ready(Ok(read > 0))
    }

    /// Somebody reads the body.
    pub fn has_reader(&self) -> bool {
        self.readers.incoming.get()
    }

    /// It is known already that the body will not be read to its end: the client waits to be asked for it, or
    /// nobody reads it and more than `most` bytes are to come.
    pub fn is_body_unwanted(&self, most: usize) -> bool {
        self.waits.get()
            || (!self.has_reader() && self.body.borrow().length().is_some_and(|left| left > most as u64))
    }

    /// Waits until the body is through, as long as somebody reads it; once nobody does, it is read and
    /// forgotten. False: it will not be through, since the client waits to be asked for it or breaks off, or
    /// more than `left` bytes were forgotten.
    pub fn poll_rest(&self, cx: &mut Context<'_>, left: &mut usize) -> Poll<bool> {
        while !self.is_body_done() {
            if self.closed.get() || self.waits.get() || *left == 0 {
                return Poll::Ready(false);
            }
            if self.has_reader() {
                Readers::wait(&self.readers.next, cx);
                return Poll::Pending;
            }
            match ready!(self.poll_body(cx)) {
                Some(Ok(frame)) => *left = left.saturating_sub(frame.data_ref().map_or(1, Bytes::len)),
                Some(Err(_)) => return Poll::Ready(false),
                None => {}
            }
        }
        Poll::Ready(true)
    }

    /// The body will not be read to its end: whoever reads it is told that it broke off.
    pub fn abandon_body(&self) {
        if !self.is_body_done() {
            self.closed.set(true);
            self.input.borrow_mut().clear();
            if let Some(reader) = self.readers.reader.take() {
                reader.wake();
            }
        }
    }

    /// Reads and forgets some of what still comes, whatever it is. False: the other side has closed.
    pub fn poll_forget(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.input.borrow_mut().clear();
        self.poll_read_scratch(cx, |_| ()).map(|read| matches!(read, Ok(Some(()))))
    }
}

/// The body that comes over a connection.
pub struct H1Body(Rc<H1Connection>);

impl H1Body {
    /// That which was begun last.
    pub fn new(connection: Rc<H1Connection>) -> Self {
        connection.readers.incoming.set(true);
        Self(connection)
    }

    /// How it comes in, if it is a client's.
    pub fn progress(&self) -> Option<&BodyProgress> {
        self.0.progress()
    }
}

impl Drop for H1Body {
    fn drop(&mut self) {
        let readers = &self.0.readers;
        readers.incoming.set(false);
        readers.reader.take();
        self.0.progress().into_iter().for_each(BodyProgress::stop);
        if let Some(next) = readers.next.take() {
            next.wake();
        }
    }
}

impl Body for H1Body {
    type Data = Bytes;
    type Error = MessageBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, MessageBodyError>>> {
        let polled = self.0.poll_body(cx);
        if polled.is_pending() {
            Readers::wait(&self.0.readers.reader, cx);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_body_done()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.borrow().length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
