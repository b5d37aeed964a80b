//! A request over a stream of HTTP/2, from the place that it takes to the head of its answer.

use super::body::Upload;
use super::failure::{ExchangeFailure, SendError};
use super::interim::{Endless, Interim, InterimCount, InterimEvent};
use super::limits::ExchangeLimits;
use super::link::Link;
use super::pool::Pool;
use super::streams::StreamSlot;
use crate::base::clock::{self, Now};
use crate::transport::shared_deadline::Timeout;
use crate::wire::http2 as wire;
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response, StatusCode};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A place for a stream, and what it took to have it.
pub(super) struct Taken {
    pub(super) place: Rc<StreamSlot>,
    /// Milliseconds it took to connect; 0 on a connection that was there.
    pub(super) connect_ms: f64,
    /// How long a stream of such a connection was waited for.
    pub(super) queued: Option<Duration>,
}

/// Takes a place for a request.
pub(super) async fn taken(
    pool: &Pool,
    link: &Arc<Link>,
    limits: &ExchangeLimits<'_>,
) -> Result<Taken, SendError> {
    let start = Now::look();
    let (place, waited) = pool.streams(link).take(limits).await?;
    let spent = if waited { Now::look().since(start) } else { Duration::ZERO };
    let (connect_ms, queued) =
        if place.reused { (0.0, waited.then_some(spent)) } else { (spent.as_secs_f64() * 1000.0, None) };
    Ok(Taken { place: Rc::new(place), connect_ms, queued })
}

impl Taken {
    /// Sends a head; `end`: there is no body.
    pub(super) fn send(
        &self,
        pool: &Pool,
        link: &Link,
        request: Request<()>,
        end: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), SendError> {
        let reused = self.place.reused;
        if reused {
            pool.usage(link).mine().reused();
        }
        // the connection may have ended since
        self.place.connection().sender().send_request(request, end).map_err(|e| SendError {
            race: reused && !e.is_reset(),
            ..SendError::new(ExchangeFailure::Unsent, e.to_string())
        })
    }
}

/// Why a stream ended without an answer.
pub(super) enum NoStreamAnswer {
    Late,
    Endless(Endless),
    Broken(h2::Error),
}

pub(super) type StreamAnswer = Result<Response<RecvStream>, NoStreamAnswer>;

/// A request on its way over a stream, and its answer.
pub(super) struct StreamExchange<S> {
    pub(super) sending: Option<Pin<Box<S>>>,
    answer: ResponseFuture,
    interims: InterimCount,
    patience: Timeout<'static>,
}

impl<S: Future<Output = Result<(), h2::Error>>> StreamExchange<S> {
    /// Of a request that was just sent, but for its body; the node may take so long to answer.
    pub(super) fn new(answer: ResponseFuture, sending: Option<Pin<Box<S>>>, limit: Duration) -> Self {
        let patience = Timeout::new(None, clock::instant(), limit);
        Self { sending, answer, interims: InterimCount::default(), patience }
    }

    /// What the node says next.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<InterimEvent<StreamAnswer>> {
        let failed = |why| Poll::Ready(InterimEvent::Final(Err(why)));
        if self.sending.as_mut().is_some_and(|sending| sending.as_mut().poll(cx).is_ready()) {
            self.sending = None;
            self.patience.renew();
        }
        if let Poll::Ready(Some(Ok(interim))) = self.answer.poll_informational(cx) {
            if interim.status() == StatusCode::SWITCHING_PROTOCOLS {
                // RFC 9113 section 8.6: there is no such thing
                return failed(NoStreamAnswer::Broken(Reason::PROTOCOL_ERROR.into()));
            }
            match self.interims.another() {
                Err(endless) => return failed(NoStreamAnswer::Endless(endless)),
                Ok(false) if self.sending.is_none() && self.patience.is_over(cx) => {
                    return failed(NoStreamAnswer::Late);
                }
                // others have their turn
                Ok(false) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(true) => {
                    let (mut head, ()) = interim.into_parts();
                    wire::answer(&mut head.headers);
                    return Poll::Ready(InterimEvent::Interim(Interim {
                        status: head.status,
                        headers: head.headers,
                    }));
                }
            }
        }
        match Pin::new(&mut self.answer).poll(cx) {
            Poll::Ready(answer) => Poll::Ready(InterimEvent::Final(answer.map_err(NoStreamAnswer::Broken))),
            // a body that is under way has limits of its own
            Poll::Pending if self.sending.is_none() && self.patience.is_over(cx) => {
                failed(NoStreamAnswer::Late)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl NoStreamAnswer {
    /// What it means for the request, and for the connection that it was on.
    pub(super) fn told(
        self,
        link: &Link,
        place: &StreamSlot,
        upload: Option<&Upload>,
        limit: Duration,
    ) -> SendError {
        match self {
            Self::Late => {
                // who has not answered may never answer: the next request opens another connection and will see
                place.connection().retire();
                SendError::new(ExchangeFailure::Timeout, format!("no answer within {limit:?}"))
            }
            Self::Endless(why) => SendError::new(ExchangeFailure::BadAnswer, why.to_string()),
            Self::Broken(error) => broken(link, place, upload, &error),
        }
    }
}

/// What it means that a stream ended without an answer.
fn broken(link: &Link, place: &StreamSlot, upload: Option<&Upload>, error: &h2::Error) -> SendError {
    // a connection that the node ends may have crossed the request; one that we end for what came over it has
    // not, and a stream that is reset was answered, if not kindly
    let race = place.reused && (error.is_io() || error.is_go_away() && error.is_remote());
    if let (true, Some(idle)) = (race, place.idle) {
        link.record_closed(idle);
    }
    let kind = match upload.and_then(ExchangeFailure::of_client) {
        Some(failure) => failure,
        None if error.is_remote() && error.reason() == Some(Reason::HTTP_1_1_REQUIRED) => {
            ExchangeFailure::WantsHttp1
        }
        // RFC 9113 sections 8.7 and 6.8: not processed in any way
        None if error.is_remote()
            && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM)) =>
        {
            ExchangeFailure::Declined
        }
        // what is refused of it ends this stream alone
        None if !error.is_io() && !error.is_go_away() && !error.is_remote() => ExchangeFailure::BadAnswer,
        None => ExchangeFailure::NoAnswer,
    };
    SendError { race: race && kind != ExchangeFailure::WantsHttp1, ..SendError::new(kind, error.to_string()) }
}
