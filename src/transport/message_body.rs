//! The body of a message as it comes in, over whichever HTTP.

use super::MessageBodyError;
use super::body_progress::BodyProgress;
use super::http1::{H1Body, Side};
use super::receiving::Receiving;
use crate::wire::http2;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The body of a message as it comes in.
pub enum MessageBody {
    /// None.
    Empty,
    /// Over HTTP/1.
    H1(H1Body),
    /// Over HTTP/2.
    H2(H2Body),
}

/// The body on a stream of HTTP/2.
pub struct H2Body {
    stream: Receiving,
    /// Given to the reader, who has passed it on when it asks for more.
    given: usize,
    /// Of a request's: its own deadline.
    progress: Option<Rc<BodyProgress>>,
    /// As announced; the library resets a stream that does not keep to it.
    length: Option<u64>,
    side: Side,
    in_trailers: bool,
}

impl MessageBody {
    /// What follows a head with these headers on a stream. The headers were read before, so a length is one.
    pub fn stream(side: Side, headers: &HeaderMap, stream: Receiving) -> Self {
        let length = match headers.get(header::CONTENT_LENGTH) {
            Some(length) => length.to_str().ok().and_then(|length| length.parse().ok()),
            None => stream.is_end_stream().then_some(0),
        };
        Self::H2(H2Body { stream, given: 0, progress: None, length, side, in_trailers: false })
    }

    /// With a deadline of its own.
    pub fn timed_by(mut self, progress: impl FnOnce() -> Rc<BodyProgress>) -> Self {
        if let Self::H2(content) = &mut self
            && !content.stream.is_end_stream()
        {
            content.progress = Some(progress());
        }
        self
    }

    /// How it comes in, if it is a client's.
    pub fn progress(&self) -> Option<&BodyProgress> {
        match self {
            Self::Empty => None,
            Self::H1(body) => body.progress(),
            Self::H2(body) => body.progress.as_deref(),
        }
    }
}

impl H2Body {
    fn poll_timed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, MessageBodyError>>> {
        let polled = self.poll_frame(cx);
        match &self.progress {
            Some(progress) if polled.is_pending() => match progress.wait_to_be_told(cx) {
                Ok(()) => Poll::Pending,
                Err(stalled) => Poll::Ready(Some(Err(stalled.into()))),
            },
            progress => {
                progress.iter().for_each(|progress| progress.stop());
                polled
            }
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, MessageBodyError>>> {
        if !self.in_trailers {
            let given = std::mem::take(&mut self.given);
            if given > 0 {
                self.stream.passed_on(given)?;
            }
            if let Some(data) = ready!(self.stream.poll(cx)) {
                let data = data?;
                self.given = data.len();
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            self.in_trailers = true;
        }
        let Some(mut trailers) = ready!(self.stream.poll_trailers(cx))? else { return Poll::Ready(None) };
        match self.side {
            Side::Client => http2::request_trailers(&mut trailers)?,
            Side::Node => http2::answer_trailers(&mut trailers),
        }
        Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))))
    }
}

impl Body for MessageBody {
    type Data = Bytes;
    type Error = MessageBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, MessageBodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::H1(body) => Pin::new(body).poll_frame(cx),
            Self::H2(body) => body.poll_timed(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::H1(body) => body.is_end_stream(),
            Self::H2(body) => body.stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::H1(body) => body.size_hint(),
            Self::H2(body) => body.length.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
