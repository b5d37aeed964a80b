//! WebSockets, over HTTP/1.1 and over HTTP/2 (RFC 8441). No other protocol is understood here, and what is not
//! understood would pass by every rule: it is served without the upgrade.

use super::answer::Reply;
use super::context::RequestContext;
use super::headers;
use super::refused::Refused;
use super::tunnel::{self, Socket};
use crate::telemetry::termination::Termination;
use crate::transport::message_body::MessageBody;
use crate::transport::tunnel::End;
use crate::upstream::answer::ConnectionGuard;
use base64::Engine;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Version, header};
use http_body::Body;
use rand::RngCore;
use tokio::sync::oneshot;

/// A WebSocket that the client asks for.
pub struct UpgradeRequest {
    /// The client's bytes, once it is told.
    client: UpgradeHandoff,
    /// Asked for by an extended CONNECT: the key that WebSocket over HTTP/1.1 needs and HTTP/2 has not.
    key: Option<HeaderValue>,
}

/// Where a client's connection or stream will come from, if the answer agrees to the upgrade that the request
/// asks for.
pub type UpgradeHandoff = oneshot::Receiver<End>;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

impl UpgradeRequest {
    /// The WebSocket that this request asks for, if any. One with a body asks for none: what is answered
    /// without an upgrade would be followed by it.
    pub(super) fn wanted(
        context: &RequestContext<'_>,
        body: &MessageBody,
        handoff: Option<UpgradeHandoff>,
    ) -> Option<Self> {
        let client = handoff.filter(|_| body.is_end_stream())?;
        let parts = &context.head.parts;
        if parts.method == Method::CONNECT {
            let mut nonce = [0; 16];
            context.client.worker.rng.borrow_mut().fill_bytes(&mut nonce);
            let key = base64::engine::general_purpose::STANDARD.encode(nonce);
            return Some(Self { client, key: HeaderValue::try_from(key).ok() });
        }
        // RFC 9110 section 7.8: not over HTTP/1.0; RFC 6455 section 4.1: by GET
        let asks = parts.version > Version::HTTP_10
            && parts.method == Method::GET
            && headers::asks_for_websocket(&parts.headers);
        asks.then_some(Self { client, key: None })
    }

    /// Asks the node for it.
    pub fn ask(&self, parts: &mut Parts) {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, WEBSOCKET);
        if let Some(key) = &self.key {
            parts.method = Method::GET;
            parts.headers.insert(header::SEC_WEBSOCKET_KEY, key.clone());
        }
    }
}

/// The node has switched: the client is told, and a tunnel carries bytes from then on.
pub(super) fn switch(
    context: &mut RequestContext<'_>,
    wanted: Option<UpgradeRequest>,
    protocol: Option<&HeaderValue>,
    response: Response<MessageBody>,
    lease: ConnectionGuard,
) -> Result<Reply, Refused> {
    let open = &mut context.open;
    let live = open.slot.as_ref().map(|slot| slot.live().clone());
    let wanted = wanted.filter(|_| protocol.is_none_or(|p| p.as_bytes().eq_ignore_ascii_case(b"websocket")));
    let (Some(wanted), Some(node), Some(live)) = (wanted, lease.into_upgraded(), live) else {
        return Err(Refused::new(StatusCode::BAD_GATEWAY, "The server switched protocols unasked.")
            .note("unasked-upgrade"));
    };
    let over_h2 = wanted.key.is_some();
    let (parts, _) = response.into_parts();
    let mut answer = Response::from_parts(parts, Bytes::new());
    if over_h2 {
        *answer.status_mut() = StatusCode::OK;
        answer.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
    } else {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        answer.headers_mut().insert(header::UPGRADE, WEBSOCKET);
    }
    let tunnelled = open.hand_over(answer.status().as_u16());
    let (worker, idle) = (context.client.worker.clone(), context.to.cluster.conf.timeouts.tunnel_idle.get());
    tokio::task::spawn_local(async move {
        let _open = worker.hold_open();
        let mut tunnelled = tunnelled;
        let socket = Socket::open(live, &tunnelled);
        let ended = match wanted.client.await {
            Ok(client) => Some(tunnel::run(&worker, &socket, client, node, idle).await),
            Err(_) => None,
        };
        match ended {
            Some((sent, end)) => {
                tunnelled.record.bytes = sent;
                (tunnelled.record.note, tunnelled.record.ended) = (end.word().into(), end.termination());
            }
            None => {
                (tunnelled.record.note, tunnelled.record.ended) =
                    ("upgrade-broken-off".into(), Termination::ServerData)
            }
        }
    });
    Ok(Reply::Own(answer))
}
