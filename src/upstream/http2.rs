//! HTTP/2 to a node: each exchange a stream, many at a time over the connections of a worker.

use super::answer::{ConnectionGuard, NodeAnswer};
use super::body::{self, RequestBody};
use super::failure::SendError;
use super::interim::{self, Interim};
use super::limits::ExchangeLimits;
use super::link::Link;
use super::pool::Pool;
use super::stream_exchange::{StreamExchange, Taken, taken};
use crate::transport::h2::send_body;
use crate::transport::http1::Side;
use crate::transport::message_body::MessageBody;
use crate::transport::receiving::Receiving;
use crate::wire::http2 as wire;
use http::request::Parts;
use http::{Request, Response, Uri, Version, header};
use http_body::Body;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

/// Sends a request, and tells `on_interim` of the answers before the final one.
pub(super) async fn send(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    mut head: Parts,
    body: RequestBody,
    limits: &ExchangeLimits<'_>,
    on_interim: impl AsyncFn(Interim),
) -> Result<NodeAnswer, SendError> {
    let taken = taken(pool, link, limits).await?;
    let (upload, end) = (body.upload().cloned(), body.is_end_stream());
    translate(&mut head, link, body.size_hint().exact().filter(|_| !end));
    if let Some(upload) = &upload {
        upload.keep(limits.keep);
    }
    let (answer, stream) = taken.send(pool, link, Request::from_parts(head, ()), end)?;
    let sending = (!end).then(|| Box::pin(send_body(body, stream, limits.response)));
    let mut exchange = StreamExchange::new(answer, sending, limits.response);
    let heard = |cx: &mut Context<'_>| exchange.poll(cx);
    match interim::until_final(heard, upload.as_deref(), on_interim).await {
        Ok(response) => {
            let Taken { place, connect_ms, queued } = taken;
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
        Err(why) => Err(why.told(link, &taken.place, upload.as_deref(), limits.response)),
    }
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
