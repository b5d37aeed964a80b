//! HTTP/2 to a node: each exchange a stream, many at a time over the connections of a worker.

use super::answer::{ConnectionGuard, NodeAnswer};
use super::body::{self, RequestBody, Upload};
use super::failure::{ExchangeFailure, SendError};
use super::interim::{self, Endless, Interim, InterimCount, InterimEvent};
use super::limits::ExchangeLimits;
use super::link::Link;
use super::pool::Pool;
use super::streams::StreamSlot;
use crate::base::clock::{self, Now};
use crate::transport::h2::send_body;
use crate::transport::http1::Side;
use crate::transport::message_body::MessageBody;
use crate::transport::receiving::Receiving;
use crate::transport::shared_deadline::Timeout;
use crate::wire::http2 as wire;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri, Version, header};
use http_body::Body;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Sends a request, and tells `on_interim` of the answers before the final one.
pub(super) async fn send(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    mut head: Parts,
    body: RequestBody,
    limits: &ExchangeLimits<'_>,
    on_interim: impl AsyncFn(Interim),
) -> Result<NodeAnswer, SendError> {
    let start = Now::look();
    let (place, waited) = pool.streams(link).take(limits).await?;
    let (place, spent) = (Rc::new(place), if waited { Now::look().since(start) } else { Duration::ZERO });
    if place.reused {
        pool.usage(link).mine().reused();
    }
    let (connect_ms, queued) =
        if place.reused { (0.0, waited.then_some(spent)) } else { (spent.as_secs_f64() * 1000.0, None) };
    let (upload, end) = (body.upload().cloned(), body.is_end_stream());
    translate(&mut head, link, body.size_hint().exact().filter(|_| !end));
    if let Some(upload) = &upload {
        upload.keep(limits.keep);
    }
    let sent = place.connection().sender().send_request(Request::from_parts(head, ()), end);
    // the connection may have ended since
    let (answer, stream) = sent.map_err(|e| SendError {
        race: place.reused && !e.is_reset(),
        ..SendError::new(ExchangeFailure::Unsent, e.to_string())
    })?;
    let mut exchange = StreamExchange {
        sending: (!end).then(|| Box::pin(send_body(body, stream, limits.response))),
        answer,
        interims: InterimCount::default(),
        patience: Timeout::new(None, clock::instant(), limits.response),
    };
    let heard = |cx: &mut Context<'_>| exchange.poll(cx);
    match interim::until_final(heard, upload.as_deref(), on_interim).await {
        Err(NoStreamAnswer::Late) => {
            // who has not answered may never answer: the next request opens another connection and will see
            place.connection().retire();
            Err(SendError::new(ExchangeFailure::Timeout, format!("no answer within {:?}", limits.response)))
        }
        Ok(response) => {
            place.idle.iter().for_each(|idle| link.record_reuse(*idle));
            place.answered();
            let rest = exchange.sending.take().map(|rest| {
                let place = place.clone();
                async move {
                    let _ = rest.await;
                    drop(place);
                }
            });
            body::answered(upload.as_ref(), rest);
            let (mut head, stream) = response.into_parts();
            wire::answer(&mut head.headers);
            let content =
                MessageBody::stream(Side::Node, &head.headers, Receiving::new(stream, Some(place.clone())));
            let lease = ConnectionGuard::stream(pool, link, place, upload);
            Ok(NodeAnswer { response: Response::from_parts(head, content), lease, connect_ms, queued })
        }
        Err(NoStreamAnswer::Endless(why)) => Err(SendError::new(ExchangeFailure::BadAnswer, why.to_string())),
        Err(NoStreamAnswer::Broken(error)) => Err(broken(link, &place, upload.as_deref(), &error)),
    }
}

/// Why a stream ended without an answer.
enum NoStreamAnswer {
    Late,
    Endless(Endless),
    Broken(h2::Error),
}

type StreamAnswer = Result<Response<RecvStream>, NoStreamAnswer>;

/// A request on its way over a stream, and its answer.
struct StreamExchange<S> {
    sending: Option<Pin<Box<S>>>,
    answer: ResponseFuture,
    interims: InterimCount,
    patience: Timeout<'static>,
}

impl<S: Future<Output = Result<(), h2::Error>>> StreamExchange<S> {
    /// What the node says next.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<InterimEvent<StreamAnswer>> {
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

/// What it means that a stream ended without an answer.
pub(super) fn broken(
    link: &Link,
    place: &StreamSlot,
    upload: Option<&Upload>,
    error: &h2::Error,
) -> SendError {
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

/// The head as HTTP/2 wants it, of a request whose body has this length, if that is known.
pub(super) fn translate(head: &mut Parts, link: &Link, length: Option<u64>) {
    absolute(head, link);
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        head.headers.remove(name);
    }
    // a conf's values may be made of what others say
    wire::trim(&mut head.headers);
    if let Some(length) = length {
        head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}

/// HTTP/2 wants scheme and authority in the URI; a request that names no host is for the node's own.
fn absolute(head: &mut Parts, link: &Link) {
    head.version = Version::HTTP_2;
    let host = head
        .headers
        .remove(header::HOST)
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| link.authority.clone());
    let path = head.uri.path_and_query().cloned();
    let authority = http::uri::Authority::try_from(host.as_bytes());
    if let (Some(path), Ok(authority)) = (path, authority) {
        let scheme = if link.tls.is_some() { "https" } else { "http" };
        if let Ok(uri) = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build() {
            head.uri = uri;
        }
    }
}
