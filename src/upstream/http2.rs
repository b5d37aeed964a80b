//! HTTP/2 to a node: each exchange a stream, many at a time over the connections of a worker.

use super::body::{self, RequestBody};
use super::interim::{self, Heard, Interim, MOST};
use super::link::Link;
use super::pool::Pool;
use super::send::{Answer, Failure, Lease, Limits, SendError};
use crate::base::clock::{self, Now};
use crate::transport::alarm::Patience;
use crate::transport::content::Content;
use crate::transport::h2::send_body;
use crate::transport::http1::Side;
use crate::transport::receiving::Receiving;
use crate::wire::http2 as wire;
use h2::Reason;
use http::request::Parts;
use http::{Request, StatusCode, Uri, Version, header};
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
    limits: &Limits<'_>,
    on_interim: impl AsyncFn(Interim),
) -> Result<Answer, SendError> {
    let start = Now::look();
    let (place, waited) = pool.streams(link).take(limits).await?;
    let (place, spent) = (Rc::new(place), if waited { Now::look().since(start) } else { Duration::ZERO });
    if place.reused {
        pool.usage(link).mine().reused();
    }
    let (connect_ms, queued) = if place.reused { (0.0, waited.then_some(spent)) } else { (spent.as_secs_f64() * 1000.0, None) };
    absolute(&mut head, link);
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        head.headers.remove(name);
    }
    // a conf's values may be made of what others say
    wire::trim(&mut head.headers);
    let (upload, end) = (body.upload().cloned(), body.is_end_stream());
    if let Some(length) = body.size_hint().exact().filter(|_| !end) {
        head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    if let Some(upload) = &upload {
        upload.keep(limits.keep);
    }
    let sent = place.connection().sender().send_request(Request::from_parts(head, ()), end);
    // the connection may have ended since
    let (mut answer, stream) =
        sent.map_err(|e| SendError { race: place.reused && !e.is_reset(), ..SendError::new(Failure::Unsent, e.to_string()) })?;
    let mut sending = (!end).then(|| Box::pin(send_body(body, stream, limits.response)));
    let mut left = MOST;
    let mut patience = Patience::new(None, clock::instant(), limits.response);
    let heard = |cx: &mut Context<'_>| {
        if sending.as_mut().is_some_and(|s| s.as_mut().poll(cx).is_ready()) {
            sending = None;
            patience.renew();
        }
        while let Poll::Ready(Some(Ok(interim))) = answer.poll_informational(cx) {
            if interim.status() == StatusCode::SWITCHING_PROTOCOLS {
                // RFC 9113 section 8.6: there is no such thing
                return Poll::Ready(Heard::Final(Some(Err(Reason::PROTOCOL_ERROR.into()))));
            }
            if left > 0 {
                left -= 1;
                let (mut head, ()) = interim.into_parts();
                wire::answer(&mut head.headers);
                return Poll::Ready(Heard::Interim(Interim { status: head.status, headers: head.headers }));
            }
        }
        match Pin::new(&mut answer).poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Heard::Final(Some(answer))),
            // a body that is under way has limits of its own
            Poll::Pending if sending.is_none() && patience.is_over(cx) => Poll::Ready(Heard::Final(None)),
            Poll::Pending => Poll::Pending,
        }
    };
    match interim::until_final(heard, upload.as_deref(), on_interim).await {
        None => {
            // who has not answered may never answer: the next request opens another connection and will see
            place.connection().retire();
            Err(SendError::new(Failure::Timeout, format!("no answer within {:?}", limits.response)))
        }
        Some(Ok(response)) => {
            place.idle.iter().for_each(|idle| link.prove(*idle));
            place.answered();
            let rest = sending.map(|rest| {
                let place = place.clone();
                async move {
                    let _ = rest.await;
                    drop(place);
                }
            });
            body::answered(upload.as_ref(), rest);
            let (mut head, stream) = response.into_parts();
            wire::answer(&mut head.headers);
            let content = Content::stream(Side::Node, &head.headers, Receiving::new(stream, Some(place.clone())));
            let lease = Lease::stream(pool, link, place, upload);
            Ok(Answer { response: http::Response::from_parts(head, content), lease, connect_ms, queued })
        }
        Some(Err(error)) => {
            // a connection that the node ends may have crossed the request; one that we end for what came over it has not, and a
            // stream that is reset was answered, if not kindly
            let race = place.reused && (error.is_io() || error.is_go_away() && error.is_remote());
            if let (true, Some(idle)) = (race, place.idle) {
                link.disprove(idle);
            }
            let kind = match upload.and_then(|upload| Failure::of_client(&upload)) {
                Some(failure) => failure,
                None if error.is_remote() && error.reason() == Some(Reason::HTTP_1_1_REQUIRED) => Failure::WantsHttp1,
                // RFC 9113 sections 8.7 and 6.8: not processed in any way
                None if error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM)) => Failure::Declined,
                // what is refused of it ends this stream alone
                None if !error.is_io() && !error.is_go_away() && !error.is_remote() => Failure::BadAnswer,
                None => Failure::NoAnswer,
            };
            Err(SendError { race: race && kind != Failure::WantsHttp1, ..SendError::new(kind, error.to_string()) })
        }
    }
}

/// HTTP/2 wants scheme and authority in the URI; a request that names no host is for the node's own.
fn absolute(head: &mut Parts, link: &Link) {
    head.version = Version::HTTP_2;
    let host = head.headers.remove(header::HOST).filter(|host| !host.is_empty()).unwrap_or_else(|| link.authority.clone());
    let path = head.uri.path_and_query().cloned();
    let authority = http::uri::Authority::try_from(host.as_bytes());
    if let (Some(path), Ok(authority)) = (path, authority) {
        let scheme = if link.tls.is_some() { "https" } else { "http" };
        if let Ok(uri) = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build() {
            head.uri = uri;
        }
    }
}
