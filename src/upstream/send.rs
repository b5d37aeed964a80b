//! Sends one request to one node and brings the head of its answer, over whatever protocol the link speaks.

use super::answer::NodeAnswer;
use super::body::RequestBody;
use super::failure::{ExchangeFailure, SendError};
use super::interim::Interim;
use super::limits::{ConnectionUse, ExchangeLimits};
use super::link::Link;
use super::pool::Pool;
use super::{http1, http2, web_socket};
use crate::wire::protocol::NodeProtocol;
use http::request::Parts;
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

/// Sends a request, and tells `on_interim` of the answers before the final one.
pub async fn send(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    head: Cow<'_, Parts>,
    body: RequestBody,
    limits: &ExchangeLimits<'_>,
    on_interim: impl AsyncFn(Interim),
) -> Result<NodeAnswer, SendError> {
    match (link.protocol, limits.over) {
        (NodeProtocol::Http2, ConnectionUse::Switching) => {
            if let Some(sent) = web_socket::send(pool, link, &head, limits).await {
                return sent;
            }
            let hint = "the node offers no WebSockets over HTTP/2 (RFC 8441) and did not switch over HTTP/1.1: its port has to take one \
                        of them, or its cluster needs http2 = false";
            http1::send(pool, link, &head, body, limits, on_interim)
                .await
                .map_err(|error| unspoken(error, hint))
        }
        (NodeProtocol::Http2, ConnectionUse::Http1) => {
            let hint = "the node wants the request over HTTP/1.1 and does not speak it on this port: its cluster may need http2 = false";
            let sent = http1::send(pool, link, &head, body, limits, on_interim).await;
            sent.map_err(|error| {
                if matches!(error.kind, ExchangeFailure::Declined | ExchangeFailure::BadAnswer) {
                    unspoken(error, hint)
                } else {
                    error
                }
            })
        }
        (NodeProtocol::Http2, _) => {
            http2::send(pool, link, head.into_owned(), body, limits, on_interim).await
        }
        (NodeProtocol::Http1, _) => http1::send(pool, link, &head, body, limits, on_interim).await,
    }
}

/// A node that speaks HTTP/2 was asked over HTTP/1.1, which it need not speak at all: only that it cannot be
/// reached counts.
fn unspoken(error: SendError, hint: &str) -> SendError {
    match error.kind {
        ExchangeFailure::Connect
        | ExchangeFailure::Unreached
        | ExchangeFailure::Client
        | ExchangeFailure::Stalled => error,
        _ => SendError::new(ExchangeFailure::Unswitched, format!("{hint} ({})", error.cause)),
    }
}
