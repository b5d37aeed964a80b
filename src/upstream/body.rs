//! The body of a request on its way to a node.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// How far a streamed body has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// A part of it was taken from the client: it cannot be sent again.
    pub begun: Cell<bool>,
    /// All of it was taken.
    pub done: Cell<bool>,
    /// The client broke off.
    pub failed: Cell<bool>,
}

/// The body of a request on its way to a node.
pub enum RequestBody {
    /// None.
    Empty,
    /// Held in full, so that it can be sent again.
    Held(Option<Bytes>),
    /// From the client as it comes.
    Stream(Incoming, Rc<Progress>),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Held(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Stream(body, progress) => {
                let polled = Pin::new(body).poll_frame(cx);
                match &polled {
                    Poll::Ready(Some(Ok(_))) => progress.begun.set(true),
                    Poll::Ready(Some(Err(_))) => progress.failed.set(true),
                    Poll::Ready(None) => progress.done.set(true),
                    Poll::Pending => {}
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Held(bytes) => bytes.is_none(),
            Self::Stream(body, progress) => {
                let end = body.is_end_stream();
                if end {
                    progress.done.set(true);
                }
                end
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Held(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream(body, _) => body.size_hint(),
        }
    }
}
