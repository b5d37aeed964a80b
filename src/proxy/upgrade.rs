//! Upgrades: WebSocket and any other protocol over HTTP/1.1, and WebSocket over HTTP/2 (RFC 8441).

use super::answer::{Refused, Reply, Trail};
use super::client::Client;
use super::headers;
use super::tunnel;
use crate::table::Cluster;
use crate::wire::content::Content;
use crate::wire::h2::Tunnel;
use base64::Engine;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rand::RngCore;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// An upgrade that the client asks for.
pub struct Wanted {
    protocol: HeaderValue,
    client: ClientSide,
    /// Asked for by an extended CONNECT: the key that WebSocket over HTTP/1.1 needs and HTTP/2 has not.
    key: Option<HeaderValue>,
}

/// Where the client's bytes come from once it is told.
enum ClientSide {
    H1(OnUpgrade),
    H2(oneshot::Receiver<Tunnel>),
}

/// A stream of HTTP/2 that will be given over to a tunnel, if the answer agrees to it.
#[derive(Clone)]
pub struct Handover(Arc<Mutex<Option<oneshot::Receiver<Tunnel>>>>);

impl Handover {
    /// Goes along with an extended CONNECT, among its extensions.
    pub fn new() -> (oneshot::Sender<Tunnel>, Self) {
        let (give, take) = oneshot::channel();
        (give, Self(Arc::new(Mutex::new(Some(take)))))
    }
}

/// The upgrade that this request asks for, if any.
pub fn wanted(client: &Client, parts: &Parts) -> Option<Wanted> {
    if parts.method == Method::CONNECT {
        let protocol = parts.extensions.get::<h2::ext::Protocol>()?;
        let stream = parts.extensions.get::<Handover>()?.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let mut nonce = [0; 16];
        client.worker.rng.borrow_mut().fill_bytes(&mut nonce);
        let key = base64::engine::general_purpose::STANDARD.encode(nonce);
        return Some(Wanted {
            protocol: HeaderValue::try_from(protocol.as_str()).ok()?,
            client: ClientSide::H2(stream),
            key: HeaderValue::try_from(key).ok(),
        });
    }
    let client = ClientSide::H1(parts.extensions.get::<OnUpgrade>()?.clone());
    let protocol = HeaderValue::try_from(headers::upgrade_of(&parts.headers)?).ok()?;
    Some(Wanted { protocol, client, key: None })
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
    mut response: Response<Content>,
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
        let node = async { node.await.ok().map(TokioIo::new) };
        let ended = match wanted.client {
            ClientSide::H1(client) => match tokio::join!(client, node) {
                (Ok(client), Some(node)) => Some(tunnel::run(&worker, TokioIo::new(client), node, idle, websocket).await),
                _ => None,
            },
            ClientSide::H2(client) => match tokio::join!(client, node) {
                (Ok(client), Some(node)) => Some(tunnel::run(&worker, client, node, idle, websocket).await),
                _ => None,
            },
        };
        match ended {
            Some((sent, end)) => {
                line.record.bytes = sent;
                (line.record.note, line.record.ended) = (end.word().into(), end.letters());
            }
            None => (line.record.note, line.record.ended) = ("upgrade-broken-off".into(), *b"SD"),
        }
    });
    Ok(Reply::Own(answer))
}
