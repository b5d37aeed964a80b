//! The body of a request on its way to a node.

use crate::transport::MessageBodyError;
use crate::transport::body_progress::{BodyProgress, Stalled};
use crate::transport::message_body::MessageBody;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A body that is passed on as it comes from the client. It outlives the tries to send it: as long as nothing
/// of it was taken, it can go to another node.
pub struct Upload {
    source: RefCell<Option<MessageBody>>,
    begun: Cell<bool>,
    done: Cell<bool>,
    failed: Cell<bool>,
    stalled: Cell<bool>,
    hold: Cell<Hold>,
    /// Who waits for it to be released.
    reader: RefCell<Option<Waker>>,
    kept: RefCell<KeptUpload>,
}

/// What was taken of an upload, as long as it may have to be sent again.
#[derive(Default)]
struct KeptUpload {
    parts: VecDeque<UploadPart>,
    /// How many of them the try under way has sent.
    sent: usize,
    /// Bytes that may still be kept; `None` if it is not to be sent again.
    room: Option<u64>,
    /// What was announced.
    size: SizeHint,
}

#[derive(Clone)]
enum UploadPart {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl KeptUpload {
    fn next(&mut self) -> Option<Frame<Bytes>> {
        let part = match self.room {
            Some(_) => self.parts.get(self.sent).cloned()?,
            None => self.parts.pop_front()?,
        };
        self.sent += 1;
        Some(match part {
            UploadPart::Data(data) => Frame::data(data),
            UploadPart::Trailers(trailers) => Frame::trailers(trailers),
        })
    }

    /// Keeps what goes out; what is too much for that is forgotten, with all that was kept.
    fn note(&mut self, frame: &Frame<Bytes>) {
        let Some(room) = self.room else { return };
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        let part = frame
            .data_ref()
            .cloned()
            .map(UploadPart::Data)
            .or_else(|| frame.trailers_ref().cloned().map(UploadPart::Trailers));
        self.room = room.checked_sub(size);
        match self.room {
            Some(_) => self.parts.extend(part),
            None => self.parts.clear(),
        }
        self.sent = self.parts.len();
    }

    fn is_through(&self) -> bool {
        self.parts.is_empty() || (self.room.is_some() && self.sent >= self.parts.len())
    }
}

/// Whether an upload may flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// It flows.
    Released,
    /// The client waits for leave to send it (`Expect: 100-continue`).
    Back,
    /// The node answered without it; its connection lives until that answer is through.
    Withdrawn,
    /// The answer is through: the connection, which was promised a body, is of no more use.
    Over,
}

impl Upload {
    /// `held_back`: nothing of it is read before [`Upload::release`].
    pub fn new(source: MessageBody, held_back: bool) -> Rc<Self> {
        Rc::new(Self {
            source: RefCell::new(Some(source)),
            begun: Cell::new(false),
            done: Cell::new(false),
            failed: Cell::new(false),
            stalled: Cell::new(false),
            hold: Cell::new(if held_back { Hold::Back } else { Hold::Released }),
            reader: RefCell::default(),
            kept: RefCell::default(),
        })
    }

    /// It can be sent in full: nothing of it was taken from the client, or all that was is kept.
    pub fn is_intact(&self) -> bool {
        !self.begun.get() || self.kept.borrow().room.is_some()
    }
    /// Keeps what is taken, up to so much, until it is known that it need not be sent again.
    pub fn keep(&self, most: u64) {
        if !self.begun.get() {
            *self.kept.borrow_mut() =
                KeptUpload { room: Some(most), size: self.rest(), ..KeptUpload::default() };
        }
    }
    /// It need not be sent again.
    pub fn forget(&self) {
        let mut kept = self.kept.borrow_mut();
        if kept.room.take().is_some() {
            let sent = kept.sent;
            kept.parts.drain(..sent);
        }
    }
    /// It is sent from its beginning.
    pub fn rewind(&self) {
        self.kept.borrow_mut().sent = 0;
        self.progress(|progress| progress.may_pause(false));
    }
    /// All of it was taken.
    pub fn is_done(&self) -> bool {
        self.done.get()
    }
    /// The client broke off.
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }
    /// The client sent nothing more of it for too long.
    pub fn has_stalled(&self) -> bool {
        self.stalled.get()
    }
    /// The client still waits for leave to send it.
    pub fn is_held_back(&self) -> bool {
        self.hold.get() == Hold::Back
    }
    /// Lets it flow.
    pub fn release(&self) {
        self.turn(Hold::Back, Hold::Released);
    }

    /// An answer is there: a body still held back will not be read.
    pub fn withdraw(&self) {
        if self.turn(Hold::Back, Hold::Withdrawn) {
            *self.source.borrow_mut() = None;
        }
    }

    /// Nobody sends it on any more: what is left of it is the client connection's to take.
    pub fn let_go(&self) {
        *self.source.borrow_mut() = None;
    }

    /// The answer is through.
    pub fn end(&self) {
        self.turn(Hold::Withdrawn, Hold::Over);
        self.progress(|progress| progress.may_pause(false));
    }

    fn progress(&self, tell: impl FnOnce(&BodyProgress)) {
        if let Some(progress) = self.source.borrow().as_ref().and_then(MessageBody::progress) {
            tell(progress);
        }
    }

    fn turn(&self, from: Hold, to: Hold) -> bool {
        let turns = self.hold.get() == from;
        if turns {
            self.hold.set(to);
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        turns
    }

    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, MessageBodyError>>> {
        match self.hold.get() {
            Hold::Released => {}
            Hold::Back | Hold::Withdrawn => {
                *self.reader.borrow_mut() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Hold::Over => return Poll::Ready(Some(Err("the node answered without the body".into()))),
        }
        if let Some(again) = self.kept.borrow_mut().next() {
            return Poll::Ready(Some(Ok(again)));
        }
        if self.done.get() {
            return Poll::Ready(None);
        }
        let mut source = self.source.borrow_mut();
        let Some(content) = source.as_mut() else {
            return Poll::Ready((!self.done.get()).then(|| Err("nobody sends the body on".into())));
        };
        let polled = Pin::new(&mut *content).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.begun.set(true);
                self.done.set(content.is_end_stream());
                self.kept.borrow_mut().note(frame);
            }
            Poll::Ready(Some(Err(error))) => {
                self.failed.set(true);
                self.stalled.set(error.is::<Stalled>());
            }
            Poll::Ready(None) => self.done.set(true),
            Poll::Pending => {}
        }
        if self.done.get() || self.failed.get() {
            *source = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        if self.source.borrow().as_ref().is_some_and(Body::is_end_stream) {
            self.done.set(true);
        }
        self.done.get() && self.kept.borrow().is_through()
    }

    fn rest(&self) -> SizeHint {
        self.source.borrow().as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }

    fn size_hint(&self) -> SizeHint {
        let kept = self.kept.borrow();
        if kept.room.is_some() { kept.size } else { self.rest() }
    }
}

/// The body of a request on its way to a node.
pub enum RequestBody {
    /// None.
    Empty,
    /// Held in full, so that it can be sent again.
    Held(Option<Bytes>),
    /// From the client as it comes.
    Stream(Rc<Upload>),
}

impl RequestBody {
    /// The upload, if it is one.
    pub fn upload(&self) -> Option<&Rc<Upload>> {
        match self {
            Self::Stream(upload) => Some(upload),
            _ => None,
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // between two tries nobody reads it, and the client is not waited for
        if let Self::Stream(upload) = self {
            upload.progress(BodyProgress::stop);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = MessageBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, MessageBodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Held(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Stream(upload) => upload.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Held(bytes) => bytes.is_none(),
            Self::Stream(upload) => upload.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Held(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream(upload) => upload.size_hint(),
        }
    }
}

/// The answer's head is there. `rest` sends what is left of the request, for nodes that answer first and read
/// then.
pub(super) fn answered(upload: Option<&Rc<Upload>>, rest: Option<impl Future + 'static>) {
    let upload = upload.cloned();
    if let Some(upload) = &upload {
        upload.withdraw();
        upload.forget();
        upload.progress(|progress| progress.may_pause(true));
    }
    match rest {
        Some(rest) => drop(tokio::task::spawn_local(async move {
            rest.await;
            upload.iter().for_each(|upload| upload.let_go());
        })),
        None => upload.iter().for_each(|upload| upload.let_go()),
    }
}
