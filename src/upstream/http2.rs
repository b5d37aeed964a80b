//! HTTP/2 towards nodes: many requests at a time over one connection of each worker.

use super::body::{self, RequestBody};
use super::dial::{self, Speaks};
use super::interim::{self, Heard, Interim, MOST};
use super::link::Link;
use super::pool::{Pool, Shared};
use super::send::{Answer, Failure, Lease, Limits, Over, SendError, fail, unconnected};
use super::usage::Open;
use crate::transport::alarm::Patience;
use crate::transport::content::Content;
use crate::transport::h2::{STREAM_WINDOW, send_body};
use crate::transport::http1::Side;
use crate::wire::http2 as wire;
use h2::Reason;
use http::request::Parts;
use http::{Request, StatusCode, Uri, Version, header};
use http_body::Body;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// What all answers of a connection together may have under way: no bound of its own, since a client that does not read must
/// not hold back the others. The window of each stream bounds it.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// Sends a request, and tells `on_interim` of the answers before the final one.
pub(super) async fn send(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    mut head: Parts,
    body: RequestBody,
    limits: &Limits<'_>,
    on_interim: impl AsyncFn(Interim),
) -> Result<Answer, SendError> {
    let start = Instant::now();
    let (mut connection, reused) = take(pool, link, limits).await?;
    let connect_ms = if reused { 0.0 } else { start.elapsed().as_secs_f64() * 1000.0 };
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
    let (mut answer, stream) =
        connection.sender.send_request(Request::from_parts(head, ()), end).map_err(|e| fail(Failure::Unsent, e.to_string()))?;
    let mut sending = (!end).then(|| Box::pin(send_body(body, stream, limits.response)));
    let mut left = MOST;
    let mut patience = Patience::new(None, Instant::now(), limits.response);
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
        None => Err(fail(Failure::Timeout, format!("no answer within {:?}", limits.response))),
        Some(Ok(response)) => {
            body::answered(upload.as_ref(), sending);
            let (mut head, stream) = response.into_parts();
            wire::answer(&mut head.headers);
            let content = Content::stream(Side::Node, &head.headers, stream);
            let lease = Lease::shared(pool, link, upload);
            Ok(Answer { response: http::Response::from_parts(head, content), lease, connect_ms })
        }
        Some(Err(error)) => {
            let kind = match () {
                () if upload.is_some_and(|u| u.has_failed()) => Failure::Client,
                // RFC 9113 sections 8.7 and 6.8: not processed in any way
                () if error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM)) => Failure::Unsent,
                () => Failure::NoAnswer,
            };
            // a stream that was reset was answered, if not kindly; a connection that ends may have crossed the request
            Err(SendError { kind, detail: error.to_string(), race: reused && !error.is_reset() })
        }
    }
}

/// The connection to the node, or a new one; and whether it was there already.
async fn take(pool: &Rc<Pool>, link: &Arc<Link>, limits: &Limits<'_>) -> Result<(Shared, bool), SendError> {
    if let Some(Shared { sender, closed }) = pool.shared(link).filter(|_| limits.over != Over::New) {
        match sender.ready().await {
            Ok(sender) => {
                link.usage.mine().reused();
                return Ok((Shared { sender, closed }, true));
            }
            // it takes no more requests; those under way are finished
            Err(_) => pool.unshare(link),
        }
    }
    let fresh = connect(link, limits).await?;
    pool.share(link, fresh.clone());
    Ok((fresh, false))
}

async fn connect(link: &Link, limits: &Limits<'_>) -> Result<Shared, SendError> {
    let count = link.usage.mine();
    count.attempted();
    let socket = dial::dial(link, Speaks::Http2, limits.connect).await.map_err(|why| unconnected(&why))?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW).enable_push(false);
    let (sender, connection) = builder.handshake(socket).await.map_err(|e| fail(Failure::Connect, e.to_string()))?;
    let (closed, open) = (Rc::new(Cell::new(false)), Open::new(count));
    tokio::task::spawn_local({
        let closed = closed.clone();
        async move {
            // its errors reach the requests that are under way
            let _ = connection.await;
            closed.set(true);
            drop(open);
        }
    });
    Ok(Shared { sender, closed })
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
