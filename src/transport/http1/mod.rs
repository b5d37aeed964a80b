//! One HTTP/1 connection, to a client or to a node: heads and bodies in, bytes out. It never waits by itself,
//! and between two messages it holds no buffer.

mod incoming;
mod readers;
mod upgraded;

use super::connection_progress::ConnectionProgress;
use super::spare;
use super::stream::Stream;
use crate::wire::http1::{BodyReader, Framing, HeadScan, Malformed};
use bytes::{Buf, Bytes, BytesMut};
pub use incoming::H1Body;
use readers::{READ, Readers};
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
pub use upgraded::Upgraded;

/// What a client may send ahead of the answer to its last request.
const MOST_AHEAD: usize = 64 << 10;

/// One HTTP/1 connection. Shared by those who read its bodies and those who write to it, all of them on one
/// thread.
pub struct H1Connection {
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
    readers: Readers,
    /// Which way it was opened.
    side: Side,
    /// The client waits for leave to send its body.
    waits: Cell<bool>,
    closed: Cell<bool>,
    heard: Cell<bool>,
    sent: Cell<u64>,
    /// What is read of a large body next time.
    reach: Cell<usize>,
    pace: Option<Rc<ConnectionProgress>>,
}

/// A head of so many bytes is never too large.
const SMALL_HEAD: usize = 8 << 10;

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A client, read strictly.
    Client,
    /// A node, read leniently.
    Node,
}

/// How a client ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEnd {
    /// It sends nothing more, and may still read (RFC 9112 section 9.6).
    Closed,
    /// It is gone.
    Gone,
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

impl H1Connection {
    /// A connection of which `early` was read before.
    pub fn new(
        side: Side,
        socket: Stream,
        early: BytesMut,
        pace: Option<Rc<ConnectionProgress>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(socket),
            input: RefCell::new(early),
            output: RefCell::default(),
            written: Cell::new(0),
            unflushed: Cell::new(false),
            scan: Cell::new(scan(side)),
            body: RefCell::new(BodyReader::lenient(Framing::None)),
            readers: Readers::default(),
            side,
            waits: Cell::new(false),
            closed: Cell::new(false),
            heard: Cell::new(false),
            sent: Cell::new(0),
            reach: Cell::new(READ.0),
            pace,
        })
    }

    /// Whether it is in TLS.
    pub fn is_tls(&self) -> bool {
        matches!(*self.socket.borrow(), Stream::Tls(_))
    }

    /// A new message to the node begins: whether anything of it was sent, or anything heard, is asked of it
    /// alone.
    pub fn begin(&self) {
        self.heard.set(false);
        self.sent.set(0);
    }
    /// Bytes came since [`H1Connection::begin`].
    pub fn has_received(&self) -> bool {
        self.heard.get()
    }
    /// Bytes written since [`H1Connection::begin`].
    pub fn bytes_written(&self) -> u64 {
        self.sent.get()
    }
    /// A head has begun and is not there in full.
    pub fn is_in_head(&self) -> bool {
        self.scan.get().has_begun(&self.input.borrow())
    }
    /// Nothing is under way in either direction.
    pub fn is_reusable(&self) -> bool {
        self.is_body_done() && !self.closed.get() && self.input.borrow().is_empty() && !self.has_output()
    }
    fn has_output(&self) -> bool {
        !self.output.borrow().is_empty() || self.unflushed.get()
    }

    /// The other side has closed an idle connection, or says what nobody asked for.
    pub fn is_stale(&self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        self.closed.get()
            || !self.input.borrow().is_empty()
            || self.poll_read_scratch(&mut nobody, |_| ()).is_ready()
    }

    /// The next head, of no more than `most` bytes, which is asked of a large one only. Nothing is lost if it
    /// is not asked for again.
    pub fn poll_head(&self, cx: &mut Context<'_>, most: impl Fn() -> usize) -> Poll<Result<Bytes, NoHead>> {
        let is_too_large = |len: usize| len > SMALL_HEAD && len > most();
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
                return Poll::Ready(if is_too_large(head.len()) {
                    Err(NoHead::Malformed(Malformed::TooLarge))
                } else {
                    Ok(head)
                });
            }
        }
        loop {
            if is_too_large(input.len()) {
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
                Some(Ok(Some(head))) if is_too_large(head.len()) => {
                    return Poll::Ready(Err(NoHead::Malformed(Malformed::TooLarge)));
                }
                Some(Ok(Some(head))) => return Poll::Ready(Ok(head)),
                Some(Ok(None)) => {}
            }
        }
    }

    /// Reads into the thread's buffer. `None`: the connection was closed.
    fn poll_read_scratch<T>(
        &self,
        cx: &mut Context<'_>,
        with: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<Option<T>>> {
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

    /// Ready when nothing more comes of the client; what it sends ahead is kept. Not to be asked while its
    /// body is read.
    pub fn poll_end(&self, cx: &mut Context<'_>) -> Poll<ClientEnd> {
        if self.closed.get() {
            return Poll::Ready(if self.is_body_done() { ClientEnd::Closed } else { ClientEnd::Gone });
        }
        if !self.is_body_done() {
            return Poll::Pending;
        }
        let mut input = self.input.borrow_mut();
        while input.len() < MOST_AHEAD {
            match ready!(self.poll_read_scratch(cx, |read| input.extend_from_slice(read))) {
                Ok(Some(())) => {}
                Ok(None) => return Poll::Ready(ClientEnd::Closed),
                // TLS that ends without a word: all of the request is there
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.closed.set(true);
                    return Poll::Ready(ClientEnd::Closed);
                }
                Err(_) => return Poll::Ready(ClientEnd::Gone),
            }
        }
        Poll::Pending
    }

    /// Ready when the client takes nothing more either.
    pub fn reset(&self) -> io::Result<impl Future<Output = ()> + use<>> {
        self.socket.borrow().reset()
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
                (false, false) if socket.is_write_vectored() => Pin::new(&mut *socket)
                    .poll_write_vectored(cx, &[IoSlice::new(queued), IoSlice::new(data)]),
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
            self.sent.set(self.sent.get() + wrote as u64);
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
}

fn scan(side: Side) -> HeadScan {
    match side {
        Side::Client => HeadScan::strict(),
        Side::Node => HeadScan::lenient(),
    }
}
