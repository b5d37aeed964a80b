//! One HTTP/1 connection, to a client or to a node: heads and bodies in, bytes out. It never waits by itself, and between two
//! messages it holds no buffer.

use super::content::ContentError;
use super::pace::Pace;
use super::spare;
use super::stream::Stream;
use crate::wire::http1::{BodyReader, Framing, HeadScan, Malformed, Part};
use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What is read of a large body at once: the less at first, and twice as much whenever that much was there.
const READ: (usize, usize) = (32 << 10, 256 << 10);
/// Bodies up to this are read by way of the thread's own buffer.
const SMALL: u64 = 16 << 10;
/// What a client may send ahead of the answer to its last request.
const MOST_AHEAD: usize = 64 << 10;

/// One HTTP/1 connection. Shared by those who read its bodies and those who write to it, all of them on one thread.
pub struct Connection {
    socket: RefCell<Stream>,
    input: RefCell<BytesMut>,
    /// To be written before anything else.
    output: RefCell<Vec<u8>>,
    /// So many bytes of `output` are written.
    written: Cell<usize>,
    /// TLS has bytes that are not on the wire yet.
    unflushed: Cell<bool>,
    scan: Cell<HeadScan>,
    body: RefCell<BodyReader>,
    /// Which way it was opened.
    side: Side,
    /// The client waits for leave to send its body.
    waits: Cell<bool>,
    closed: Cell<bool>,
    heard: Cell<bool>,
    told: Cell<u64>,
    /// What is read of a large body next time.
    reach: Cell<usize>,
    pace: Option<Rc<Pace>>,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A client, read strictly.
    Client,
    /// A node, read leniently.
    Node,
}

/// Why no head came.
#[derive(Debug)]
pub enum NoHead {
    /// The connection was closed between two messages.
    Closed,
    /// It was closed within a head.
    Broken,
    /// It failed.
    Failed(io::Error),
    /// What came is no head.
    Malformed(Malformed),
}

impl Connection {
    /// A connection of which `early` was read before.
    pub fn new(side: Side, socket: Stream, early: BytesMut, pace: Option<Rc<Pace>>) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(socket),
            input: RefCell::new(early),
            output: RefCell::default(),
            written: Cell::new(0),
            unflushed: Cell::new(false),
            scan: Cell::new(scan(side)),
            body: RefCell::new(BodyReader::lenient(Framing::None)),
            side,
            waits: Cell::new(false),
            closed: Cell::new(false),
            heard: Cell::new(false),
            told: Cell::new(0),
            reach: Cell::new(READ.0),
            pace,
        })
    }

    /// Whether it is in TLS.
    pub fn is_tls(&self) -> bool {
        matches!(*self.socket.borrow(), Stream::Tls(_))
    }

    /// A new message to the node begins: whether anything of it was sent, or anything heard, is asked of it alone.
    pub fn begin(&self) {
        self.heard.set(false);
        self.told.set(0);
    }
    /// Bytes came since [`Connection::begin`].
    pub fn has_heard(&self) -> bool {
        self.heard.get()
    }
    /// Bytes written since [`Connection::begin`].
    pub fn told(&self) -> u64 {
        self.told.get()
    }
    /// A head has begun and is not there in full.
    pub fn is_in_head(&self) -> bool {
        self.scan.get().has_begun(&self.input.borrow())
    }
    /// The body that was begun is through.
    pub fn is_body_done(&self) -> bool {
        self.body.borrow().is_done()
    }
    /// Nothing is under way in either direction.
    pub fn is_at_rest(&self) -> bool {
        self.is_body_done() && !self.closed.get() && self.input.borrow().is_empty() && !self.has_output()
    }
    fn has_output(&self) -> bool {
        !self.output.borrow().is_empty() || self.unflushed.get()
    }

    /// The other side has closed an idle connection, or says what nobody asked for.
    pub fn is_stale(&self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        self.closed.get() || !self.input.borrow().is_empty() || self.poll_read_scratch(&mut nobody, |_| ()).is_ready()
    }

    /// The next head, of no more than `most` bytes. Nothing is lost if it is not asked for again.
    pub fn poll_head(&self, cx: &mut Context<'_>, most: usize) -> Poll<Result<Bytes, NoHead>> {
        let mut input = self.input.borrow_mut();
        let mut scan = self.scan.get();
        if !input.is_empty() {
            let found = scan.find(&input);
            self.scan.set(scan);
            if let Some(head) = found.map_err(NoHead::Malformed)? {
                self.scan.set(self::scan(self.side));
                let whole = input.split_to(head.end).freeze();
                if input.is_empty() {
                    *input = BytesMut::new();
                }
                let head = whole.slice(head);
                return Poll::Ready(if head.len() > most { Err(NoHead::Malformed(Malformed::TooLarge)) } else { Ok(head) });
            }
        }
        loop {
            if input.len() > most {
                return Poll::Ready(Err(NoHead::Malformed(Malformed::TooLarge)));
            }
            let read = self.poll_read_scratch(cx, |read| {
                if input.is_empty() {
                    // the usual case: all of it at once, and copied to where its values will be
                    let found = scan.find(read)?;
                    if let Some(head) = found.clone() {
                        input.extend_from_slice(&read[head.end..]);
                        scan = self::scan(self.side);
                        return Ok(Some(Bytes::copy_from_slice(&read[head])));
                    }
                    input.extend_from_slice(read);
                    return Ok(None);
                }
                input.extend_from_slice(read);
                let found = scan.find(&input)?;
                Ok(found.map(|head| {
                    scan = self::scan(self.side);
                    input.split_to(head.end).freeze().slice(head)
                }))
            });
            let read = ready!(read).map_err(NoHead::Failed)?;
            self.scan.set(scan);
            match read {
                None if input.is_empty() => return Poll::Ready(Err(NoHead::Closed)),
                None => return Poll::Ready(Err(NoHead::Broken)),
                Some(Err(why)) => return Poll::Ready(Err(NoHead::Malformed(why))),
                Some(Ok(Some(head))) if head.len() > most => return Poll::Ready(Err(NoHead::Malformed(Malformed::TooLarge))),
                Some(Ok(Some(head))) => return Poll::Ready(Ok(head)),
                Some(Ok(None)) => {}
            }
        }
    }

    /// Reads into the thread's buffer. `None`: the connection was closed.
    fn poll_read_scratch<T>(&self, cx: &mut Context<'_>, with: impl FnOnce(&[u8]) -> T) -> Poll<io::Result<Option<T>>> {
        spare::scratch(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *self.socket.borrow_mut()).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                self.closed.set(true);
                return Poll::Ready(Ok(None));
            }
            self.heard.set(true);
            Poll::Ready(Ok(Some(with(buffer.filled()))))
        })
    }

    /// A body framed so follows the head.
    pub fn begin_body(&self, framing: Framing, waits: bool) {
        *self.body.borrow_mut() = match self.side {
            Side::Client => BodyReader::strict(framing),
            Side::Node => BodyReader::lenient(framing),
        };
        self.waits.set(waits);
    }

    fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
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
                Part::Data(data) => {
                    if input.is_empty() && body.is_done() {
                        *input = BytesMut::new();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Part::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Part::End => {
                    if input.is_empty() {
                        *input = BytesMut::new();
                    }
                    return Poll::Ready(None);
                }
                Part::More => {}
            }
            if self.closed.get() || !ready!(self.poll_more(cx, body.expects(), &mut input))? {
                self.closed.set(true);
                return Poll::Ready(if body.close() { None } else { Some(Err("the connection was closed within the body".into())) });
            }
            if let Some(pace) = &self.pace {
                pace.moves();
            }
        }
    }

    /// Reads more of a body. False: the connection was closed.
    fn poll_more(&self, cx: &mut Context<'_>, expects: u64, input: &mut BytesMut) -> Poll<io::Result<bool>> {
        if expects <= SMALL {
            return self.poll_read_scratch(cx, |read| input.extend_from_slice(read)).map_ok(|read| read.is_some());
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

    /// Ready when the client is gone; what it sends ahead is kept. Not to be asked while its body is read.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.closed.get() {
            return Poll::Ready(());
        }
        if !self.is_body_done() {
            return Poll::Pending;
        }
        let mut input = self.input.borrow_mut();
        while input.len() < MOST_AHEAD {
            match ready!(self.poll_read_scratch(cx, |read| input.extend_from_slice(read))) {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// The body will not be read to its end: whoever reads it is told that it broke off.
    pub fn abandon_body(&self) {
        if !self.is_body_done() {
            self.closed.set(true);
            self.input.borrow_mut().clear();
        }
    }

    /// Takes what is there of a body that nobody wants, up to so many bytes. True if it is through.
    pub fn drain_body(&self, mut most: usize) -> bool {
        self.waits.set(false);
        let mut nobody = Context::from_waker(Waker::noop());
        while most > 0 && !self.is_body_done() {
            match self.poll_body(&mut nobody) {
                Poll::Ready(Some(Ok(frame))) => most = most.saturating_sub(frame.data_ref().map_or(1, Bytes::len)),
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
            }
        }
        self.is_body_done()
    }

    /// The client waits for leave to send its body, and was not given it.
    pub fn is_waiting(&self) -> bool {
        self.waits.get()
    }

    /// Something to be written.
    pub fn queue(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut output = self.output.borrow_mut();
        if output.capacity() == 0 {
            *output = spare::take();
        }
        write(&mut output);
    }

    /// Bytes that wait to be written.
    pub fn queued(&self) -> usize {
        self.output.borrow().len() - self.written.get()
    }

    /// Writes what is queued, and `data` behind it.
    pub fn poll_send(&self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<io::Result<()>> {
        let mut socket = self.socket.borrow_mut();
        let mut output = self.output.borrow_mut();
        loop {
            let queued = &output[self.written.get()..];
            let polled = match (queued.is_empty(), data.is_empty()) {
                (true, true) => break,
                (false, false) if socket.is_write_vectored() => {
                    Pin::new(&mut *socket).poll_write_vectored(cx, &[IoSlice::new(queued), IoSlice::new(data)])
                }
                (false, _) => Pin::new(&mut *socket).poll_write(cx, queued),
                (true, false) => Pin::new(&mut *socket).poll_write(cx, data),
            };
            if let Some(pace) = &self.pace {
                pace.wrote(polled.is_ready());
            }
            let wrote = ready!(polled)?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.told.set(self.told.get() + wrote as u64);
            self.unflushed.set(matches!(*socket, Stream::Tls(_)));
            let head = wrote.min(queued.len());
            self.written.set(self.written.get() + head);
            data.advance(wrote - head);
        }
        self.written.set(0);
        if output.capacity() > 0 {
            spare::give(std::mem::take(&mut *output));
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is queued, to the wire.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx, &mut Bytes::new()))?;
        if self.unflushed.get() {
            let polled = Pin::new(&mut *self.socket.borrow_mut()).poll_flush(cx);
            if let Some(pace) = &self.pace {
                pace.wrote(polled.is_ready());
            }
            ready!(polled)?;
            self.unflushed.set(false);
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more will be written.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut *self.socket.borrow_mut()).poll_shutdown(cx)
    }

    /// Reads and forgets until the other side has closed.
    pub fn poll_linger(&self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        self.input.borrow_mut().clear();
        while *left > 0 {
            match ready!(self.poll_read_scratch(cx, <[u8]>::len)) {
                Ok(Some(read)) => *left = left.saturating_sub(read),
                Ok(None) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

fn scan(side: Side) -> HeadScan {
    match side {
        Side::Client => HeadScan::strict(),
        Side::Node => HeadScan::lenient(),
    }
}

/// The body that comes over a connection.
pub struct Incoming(Rc<Connection>);

impl Incoming {
    /// That which was begun last.
    pub fn new(connection: Rc<Connection>) -> Self {
        Self(connection)
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
        self.0.poll_body(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_body_done()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.borrow().length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A connection that has switched to another protocol: bytes both ways.
pub struct Upgraded(Rc<Connection>);

impl Upgraded {
    /// Over a connection whose heads are exchanged.
    pub fn new(connection: Rc<Connection>) -> Self {
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
