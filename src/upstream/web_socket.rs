//! WebSockets to nodes over HTTP/2 (RFC 8441), where a node offers them.

use super::answer::{ConnectionGuard, NodeAnswer};
use super::failure::{Cause, ExchangeFailure, SendError};
use super::http2::translate;
use super::interim;
use super::limits::{ConnectionUse, ExchangeLimits};
use super::link::Link;
use super::pool::Pool;
use super::stream_exchange::{StreamExchange, Taken, taken};
use crate::transport::h2::Tunnel;
use crate::transport::http1::Side;
use crate::transport::message_body::MessageBody;
use crate::transport::receiving::Receiving;
use crate::wire::{http2 as wire, websocket};
use bytes::Bytes;
use h2::SendStream;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use std::future::Ready;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

/// Asks for one, and answers as a node of HTTP/1.1 would. Nothing is asked of a node that does not offer it,
/// or does not speak HTTP/2 after all: it may switch over HTTP/1.1.
pub(super) async fn send(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    head: &Parts,
    limits: &ExchangeLimits<'_>,
) -> Option<Result<NodeAnswer, SendError>> {
    if pool.streams(link).takes_web_sockets() == Some(false) {
        return None;
    }
    let limits = ExchangeLimits { over: ConnectionUse::Sure, ..*limits };
    match taken(pool, link, &limits).await {
        Ok(taken) if taken.place.connection().takes_web_sockets() == Some(true) => {
            Some(open(pool, link, head.clone(), taken, limits.response).await)
        }
        Ok(_) => None,
        Err(error) => ends_it(&error).then_some(Err(error)),
    }
}

/// Whether a node would not be reached over HTTP/1.1 either, or not without waiting as long again.
fn ends_it(error: &SendError) -> bool {
    match &*error.cause {
        Cause::NoConnection(why) => !why.is_taken(),
        _ => error.kind == ExchangeFailure::Full,
    }
}

async fn open(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    mut head: Parts,
    taken: Taken,
    limit: Duration,
) -> Result<NodeAnswer, SendError> {
    let key = head.headers.remove(header::SEC_WEBSOCKET_KEY);
    translate(&mut head, link, None);
    head.method = Method::CONNECT;
    head.extensions.insert(h2::ext::Protocol::from_static("websocket"));
    let (answer, mut send) = taken.send(pool, link, Request::from_parts(head, ()), false)?;
    // there is no body to send
    let mut exchange = StreamExchange::<Ready<Result<(), h2::Error>>>::new(answer, None, limit);
    let heard = |cx: &mut Context<'_>| exchange.poll(cx);
    let answer = interim::until_final(heard, None, async |_| {}).await;
    let (mut head, stream) = answer.map_err(|why| why.told(link, &taken.place, None, limit))?.into_parts();
    let Taken { place, connect_ms, queued } = taken;
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
    Ok(NodeAnswer { response: Response::from_parts(head, content), lease, connect_ms, queued })
}

/// Nothing will be said to a node that has not agreed.
fn give_up(send: &mut SendStream<Bytes>) {
    // refused where the node has ended the stream
    let _ = send.send_data(Bytes::new(), true);
}
