//! Sends one request to one node and brings the head of its answer, over whatever protocol the link speaks.

use super::body::{RequestBody, Upload};
use super::interim::{self, Inbox, Interim};
use super::link::Link;
use super::pool::{Pool, Taken, Wire};
use super::{dial, http2};
use crate::wire::content::Content;
use http::{Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::time::{Duration, Instant};

/// What an exchange with a node may cost.
pub struct Limits {
    /// To open a connection.
    pub connect: Duration,
    /// Until the answer's head is there.
    pub response: Duration,
    /// Idle connections kept to one node.
    pub max_idle: u32,
    /// Whether the request may be sent twice without harm.
    pub repeatable: bool,
    /// A connection of its own, not from the pool: for upgrades.
    pub own: bool,
}

/// Why an exchange failed, and what that means for the request.
#[derive(Debug)]
pub struct SendError {
    /// What happened.
    pub kind: Failure,
    /// In words.
    pub detail: String,
    /// The connection had been used before and was closed by the node without an answer: most likely a race.
    pub race: bool,
}

/// How an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection: the node has seen nothing of the request.
    Connect,
    /// The request was not sent: the node has seen nothing of it.
    Unsent,
    /// The request was sent, at least in part, and no answer came.
    NoAnswer,
    /// The answer's head did not come in time.
    Timeout,
    /// The answer was no HTTP.
    BadAnswer,
    /// The client broke off while its body was read.
    Client,
}

impl Failure {
    /// Whether the node cannot have seen the request.
    pub fn is_before_sending(self) -> bool {
        matches!(self, Self::Connect | Self::Unsent)
    }
}

/// The head of an answer, and what its body needs.
pub struct Answer {
    /// The answer.
    pub response: Response<Content>,
    /// Keeps the connection until the body is through.
    pub lease: Lease,
    /// Milliseconds it took to connect; 0 on a kept connection.
    pub connect_ms: f64,
}

/// A connection in use. Given back to the pool when the answer is through; dropped before that, it is closed.
pub struct Lease {
    kept: Option<Wire>,
    link: Arc<Link>,
    pool: Rc<Pool>,
    upload: Option<Rc<Upload>>,
    max_idle: u32,
}

impl Lease {
    /// Of a connection that others use at the same time: it is not taken, and not given back.
    pub(super) fn shared(pool: &Rc<Pool>, link: &Arc<Link>, upload: Option<Rc<Upload>>) -> Self {
        Self { kept: None, link: link.clone(), pool: pool.clone(), upload, max_idle: 0 }
    }

    /// The answer is through: the connection may serve again, if the request is through as well.
    pub fn give_back(&mut self) {
        if let Some(wire) = self.kept.take()
            && self.upload.as_ref().is_none_or(|u| u.is_done())
        {
            self.pool.put(&self.link, wire, self.max_idle);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.end();
        }
    }
}

/// Sends a request, and tells `on_interim` of the answers before the final one.
pub async fn send(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    request: Request<RequestBody>,
    limits: &Limits,
    on_interim: impl AsyncFn(Interim),
) -> Result<Answer, SendError> {
    if link.http2 && !limits.own {
        return http2::send(pool, link, request, limits, on_interim).await;
    }
    let upload = request.body().upload().cloned();
    let (taken, connect_ms) = match if limits.own { None } else { ready(pool, link, limits.repeatable).await } {
        Some(taken) => (taken, 0.0),
        None => connect(link, limits).await?,
    };
    let Taken { mut wire, idle } = taken;
    let before = (wire.traffic.written.load(Relaxed), wire.traffic.read.load(Relaxed));
    let request = wire.inbox.announce(request);
    let answer = {
        let mut answer = pin!(wire.sender.try_send_request(request));
        let heard = |cx: &mut Context<'_>| wire.inbox.poll(cx, answer.as_mut());
        tokio::time::timeout(limits.response, interim::until_final(heard, upload.as_deref(), on_interim)).await
    };
    match answer {
        Err(_) => Err(fail(Failure::Timeout, format!("no answer within {:?}", limits.response))),
        Ok(Ok(response)) => {
            note_keep_alive(link, response.headers());
            idle.iter().for_each(|idle| link.prove(*idle));
            if let Some(upload) = &upload {
                upload.withdraw();
            }
            let lease = Lease { kept: Some(wire), link: link.clone(), pool: pool.clone(), upload, max_idle: limits.max_idle };
            Ok(Answer { response: response.map(Content::H1), lease, connect_ms })
        }
        Ok(Err(mut error)) => {
            let unsent = error.take_message().is_some();
            let wrote = wire.traffic.written.load(Relaxed) != before.0;
            let heard = wire.traffic.read.load(Relaxed) != before.1;
            let race = idle.is_some() && !heard;
            if let (true, Some(idle)) = (race, idle) {
                link.disprove(idle);
            }
            let error = error.into_error();
            let kind = match () {
                () if upload.is_some_and(|u| u.has_failed()) => Failure::Client,
                () if unsent || !wrote => Failure::Unsent,
                () if error.is_parse() => Failure::BadAnswer,
                () => Failure::NoAnswer,
            };
            Err(SendError { kind, detail: words(&error), race })
        }
    }
}

/// A kept connection that can take a request now.
async fn ready(pool: &Rc<Pool>, link: &Link, repeatable: bool) -> Option<Taken> {
    while let Some(mut taken) = pool.take(link, repeatable) {
        if taken.wire.sender.is_ready() {
            return Some(taken);
        }
        if let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(50), taken.wire.sender.ready()).await {
            return Some(taken);
        }
    }
    None
}

async fn connect(link: &Link, limits: &Limits) -> Result<(Taken, f64), SendError> {
    let start = Instant::now();
    let (io, traffic) = dial::dial(link, limits.connect).await.map_err(|e| fail(Failure::Connect, e.to_string()))?;
    let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(io)).await.map_err(|e| fail(Failure::Connect, words(&e)))?;
    tokio::task::spawn_local(async move {
        // its errors reach the request that is under way; between requests they only mean that it is closed
        let _ = connection.with_upgrades().await;
    });
    Ok((Taken { wire: Wire { sender, traffic, inbox: Arc::new(Inbox::default()) }, idle: None }, start.elapsed().as_secs_f64() * 1000.0))
}

/// `Keep-Alive: timeout=5`: the node says when it will close.
fn note_keep_alive(link: &Link, headers: &http::HeaderMap) {
    let Some(value) = headers.get("keep-alive").and_then(|v| v.to_str().ok()) else { return };
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse::<u64>().ok());
    if let Some(seconds) = seconds {
        link.learn_keep_alive(seconds.saturating_mul(1000).saturating_sub(1000).max(500));
    }
}

pub(super) fn fail(kind: Failure, detail: String) -> SendError {
    SendError { kind, detail, race: false }
}

fn words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
