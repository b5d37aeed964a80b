//! What comes over a stream of HTTP/2: no more of it than its reader passes on.

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Hears how what comes is taken.
pub trait Taking {
    /// So many bytes of it were passed on.
    fn took(&self, bytes: usize);
    /// Its reader waits for more, and is woken when the window has become smaller.
    fn waits(&self, reader: &Waker);
}

/// The receiving side of a stream.
pub struct Receiving {
    stream: RecvStream,
    taking: Option<Rc<dyn Taking>>,
}

impl Receiving {
    /// Of a stream whose head is there, with somebody who hears how it is taken.
    pub fn new(stream: RecvStream, taking: Option<Rc<dyn Taking>>) -> Self {
        Self { stream, taking }
    }

    /// What came next. The library tells the other side of what was taken once that is half of its window,
    /// and does not look again when the window becomes smaller: who waits asks it to, or might wait for ever.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let polled = self.stream.poll_data(cx);
        if polled.is_pending()
            && let Some(taking) = &self.taking
        {
            taking.waits(cx.waker());
            self.stream.flow_control().release_capacity(0)?;
        }
        polled
    }

    /// So many bytes of what came were passed on: only then more may come.
    pub fn passed_on(&mut self, bytes: usize) -> Result<(), h2::Error> {
        self.stream.flow_control().release_capacity(bytes)?;
        self.taking.iter().for_each(|taking| taking.took(bytes));
        Ok(())
    }

    /// What stands behind the last byte.
    pub fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
        self.stream.poll_trailers(cx)
    }

    /// Nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}
