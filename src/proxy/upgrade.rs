//! Upgrades: WebSocket and any other protocol over HTTP/1.1, and WebSocket over HTTP/2 (RFC 8441).

use super::answer::{Refused, Trail};
use super::client::Client;
use super::exchange::Reply;
use super::headers;
use super::tunnel;
use crate::table::Cluster;
use base64::Engine;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use rand::RngCore;
use std::rc::Rc;
use std::sync::Arc;

/// An upgrade that the client asks for.
pub struct Wanted {
    protocol: HeaderValue,
    client: OnUpgrade,
    /// Asked for by an extended CONNECT: the key that WebSocket over HTTP/1.1 needs and HTTP/2 has not.
    key: Option<HeaderValue>,
}

/// The upgrade that this request asks for, if any.
pub fn wanted(client: &Client, parts: &Parts) -> Option<Wanted> {
    let on_upgrade = parts.extensions.get::<OnUpgrade>()?.clone();
    if parts.method == Method::CONNECT {
        let protocol = parts.extensions.get::<hyper::ext::Protocol>()?;
        let mut nonce = [0; 16];
        client.worker.rng.borrow_mut().fill_bytes(&mut nonce);
        let key = base64::engine::general_purpose::STANDARD.encode(nonce);
        return Some(Wanted {
            protocol: HeaderValue::try_from(protocol.as_str()).ok()?,
            client: on_upgrade,
            key: HeaderValue::try_from(key).ok(),
        });
    }
    let protocol = HeaderValue::try_from(headers::upgrade_of(&parts.headers)?).ok()?;
    Some(Wanted { protocol, client: on_upgrade, key: None })
}

impl Wanted {
    /// Asks the node for it.
    pub fn ask(&self, parts: &mut Parts) {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, self.protocol.clone());
        if let Some(key) = &self.key {
            parts.method = Method::GET;
            parts.headers.insert(header::SEC_WEBSOCKET_KEY, key.clone());
        }
    }
}

/// The node has switched: the client is told, and a tunnel carries bytes from then on.
pub fn switch(
    client: &Rc<Client>,
    cluster: &Arc<Cluster>,
    wanted: Option<Wanted>,
    protocol: Option<HeaderValue>,
    mut response: Response<Incoming>,
    trail: &mut Box<Trail>,
) -> Result<Reply, Refused> {
    let Some(wanted) = wanted else {
        return Err(Refused::new(StatusCode::BAD_GATEWAY, "The server switched protocols unasked.").note("unasked-upgrade"));
    };
    let node = hyper::upgrade::on(&mut response);
    let over_h2 = wanted.key.is_some();
    let websocket = wanted.protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
    let (parts, _) = response.into_parts();
    let mut answer = Response::from_parts(parts, Bytes::new());
    if over_h2 {
        *answer.status_mut() = StatusCode::OK;
        answer.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
    } else {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        answer.headers_mut().insert(header::UPGRADE, protocol.unwrap_or(wanted.protocol));
        client.watch.become_tunnel();
    }
    let line = trail.hand_over(answer.status().as_u16());
    let (worker, idle) = (client.worker.clone(), cluster.conf.timeouts.tunnel_idle.get());
    tokio::task::spawn_local(async move {
        let _open = worker.hold_open();
        let mut line = line;
        match tokio::join!(wanted.client, node) {
            (Ok(client), Ok(node)) => {
                let (sent, end) = tunnel::run(&worker, client, node, idle, websocket).await;
                line.record.bytes = sent;
                line.record.note = end.word().into();
            }
            _ => line.record.note = "upgrade-broken-off".into(),
        }
    });
    Ok(Reply::Own(answer))
}
