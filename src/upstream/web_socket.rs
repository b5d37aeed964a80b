//! WebSockets to nodes over HTTP/2 (RFC 8441), where a node offers them.

use super::answer::{ConnectionGuard, NodeAnswer};
use super::failure::{ExchangeFailure, SendError};
use super::http2::{broken, translate};
use super::interim::InterimCount;
use super::limits::{ConnectionUse, ExchangeLimits};
use super::link::Link;
use super::pool::Pool;
use super::streams::StreamSlot;
use crate::base::clock;
use crate::transport::h2::Tunnel;
use crate::transport::http1::Side;
use crate::transport::message_body::MessageBody;
use crate::transport::receiving::Receiving;
use crate::transport::shared_deadline::Timeout;
use crate::wire::{http2 as wire, websocket};
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Asks for one, and answers as a node of HTTP/1.1 would. Nothing is asked of a node that does not offer it,
/// or cannot be reached so: it may switch over HTTP/1.1.
pub(super) async fn send(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    head: &Parts,
    limits: &ExchangeLimits<'_>,
) -> Option<Result<NodeAnswer, SendError>> {
    let limits = ExchangeLimits { over: ConnectionUse::Sure, ..*limits };
    let (place, _) = pool.streams(link).take(&limits).await.ok()?;
    let offered = place.connection().sender().is_extended_connect_protocol_enabled();
    if !offered {
        return None;
    }
    Some(open(pool, link, head.clone(), Rc::new(place), limits.response).await)
}

async fn open(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    mut head: Parts,
    place: Rc<StreamSlot>,
    patience: Duration,
) -> Result<NodeAnswer, SendError> {
    let key = head.headers.remove(header::SEC_WEBSOCKET_KEY);
    translate(&mut head, link, None);
    head.method = Method::CONNECT;
    head.extensions.insert(h2::ext::Protocol::from_static("websocket"));
    let sent = place.connection().sender().send_request(Request::from_parts(head, ()), false);
    let (answer, mut send) =
        sent.map_err(|error| SendError::new(ExchangeFailure::Unsent, error.to_string()))?;
    let (mut head, stream) = answered(link, &place, answer, patience).await?.into_parts();
    place.idle.iter().for_each(|idle| link.record_reuse(*idle));
    place.answered();
    wire::answer(&mut head.headers);
    let receiving = Receiving::new(stream, Some(place.clone()));
    let (content, lease) = match head.status.is_success() {
        true => {
            head.status = StatusCode::SWITCHING_PROTOCOLS;
            head.headers.remove(header::CONTENT_LENGTH);
            if let Some(key) = &key {
                head.headers.insert(header::SEC_WEBSOCKET_ACCEPT, websocket::accept(key.as_bytes()));
            }
            (MessageBody::Empty, ConnectionGuard::tunnel(pool, link, Tunnel::new(send, receiving)))
        }
        false => {
            give_up(&mut send);
            let content = MessageBody::stream(Side::Node, &head.headers, receiving);
            (content, ConnectionGuard::stream(pool, link, place, None))
        }
    };
    Ok(NodeAnswer { response: Response::from_parts(head, content), lease, connect_ms: 0.0, queued: None })
}

/// Nothing will be said to a node that has not agreed.
fn give_up(send: &mut SendStream<Bytes>) {
    // refused where the node has ended the stream
    let _ = send.send_data(Bytes::new(), true);
}

async fn answered(
    link: &Link,
    place: &StreamSlot,
    mut answer: ResponseFuture,
    limit: Duration,
) -> Result<Response<RecvStream>, SendError> {
    let (mut patience, mut interims) = (Timeout::new(None, clock::instant(), limit), InterimCount::default());
    poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(_))) = answer.poll_informational(cx) {
            if let Err(endless) = interims.another() {
                return Poll::Ready(Err(SendError::new(ExchangeFailure::BadAnswer, endless.to_string())));
            }
        }
        match Pin::new(&mut answer).poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer.map_err(|error| broken(link, place, None, &error))),
            Poll::Pending if patience.is_over(cx) => {
                let why = format!("no answer within {limit:?}");
                Poll::Ready(Err(SendError::new(ExchangeFailure::Timeout, why)))
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
