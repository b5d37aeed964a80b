//! HTTP/1.1 to a node: one exchange at a time over each of many connections.

use super::answer::{ConnectionGuard, NodeAnswer};
use super::body::{self, RequestBody, Upload};
use super::dial;
use super::failure::{Cause, ExchangeFailure, SendError};
use super::interim::{self, Endless, Interim, InterimCount, InterimEvent};
use super::limits::{ConnectionUse, ExchangeLimits};
use super::link::Link;
use super::pool::{Checkout, Pool};
use super::usage::CountedConnection;
use crate::base::clock::{self, Now};
use crate::transport::http1::{H1Body, H1Connection, NoHead, Side};
use crate::transport::message_body::MessageBody;
use crate::transport::sending::{NotSent, Sending};
use crate::transport::shared_deadline::Timeout;
use crate::wire::http1::response::HeadError;
use crate::wire::http1::{Framing, request, response};
use crate::wire::protocol::NodeProtocol;
use bytes::BytesMut;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use http_body::Body;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The largest head of an answer.
const LARGEST_HEAD: usize = 256 << 10;

/// Sends a request, and tells `on_interim` of the answers before the final one.
pub(super) async fn send(
    pool: &Rc<Pool>,
    link: &Arc<Link>,
    head: &Parts,
    body: RequestBody,
    limits: &ExchangeLimits<'_>,
    on_interim: impl AsyncFn(Interim),
) -> Result<NodeAnswer, SendError> {
    let kept = match limits.over {
        ConnectionUse::Any | ConnectionUse::Sure => pool.take(link, limits.over, limits.now),
        ConnectionUse::New | ConnectionUse::Switching | ConnectionUse::Http1 => None,
    };
    let (Checkout { connection, open, idle }, connect_ms) = match kept {
        Some(taken) => (taken, 0.0),
        None => connect(pool, link, limits).await?,
    };
    let upload = body.upload().cloned();
    let framing = match (body.is_end_stream(), body.size_hint().exact()) {
        (true, _) => Framing::None,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::Chunked,
    };
    connection.begin();
    connection.queue(|out| request::write(out, head, framing));
    // to connect took time, to take a kept connection did not
    let now = if idle.is_some() { limits.now } else { Now::look() };
    let mut exchange = Exchange {
        sending: Some(Sending::new(body, framing)),
        written: 0,
        interims: InterimCount::default(),
        method: &head.method,
        broken: None,
        patience: Timeout::new(limits.alarm, now.instant(), limits.response),
    };
    let heard = |cx: &mut Context<'_>| exchange.poll(cx, &connection);
    match interim::until_final(heard, upload.as_deref(), on_interim).await {
        Ok(head) => {
            note_keep_alive(link, &head.parts.headers);
            idle.iter().for_each(|idle| link.record_reuse(*idle));
            // RFC 9112 section 9.3: who refuses and closes wants no more of the request
            let refuses = !head.keep_alive
                && (head.parts.status.is_client_error() || head.parts.status.is_server_error());
            let rest = exchange.sending.take().filter(|_| !refuses).map(|mut rest| {
                let connection = connection.clone();
                async move { poll_fn(|cx| rest.poll(cx, &connection)).await }
            });
            body::answered(upload.as_ref(), rest);
            connection.begin_body(head.framing, false);
            let content = match head.framing {
                Framing::None => MessageBody::Empty,
                _ => MessageBody::H1(H1Body::new(connection.clone())),
            };
            let lease = ConnectionGuard::own(
                pool,
                link,
                (connection, open),
                upload,
                if head.keep_alive { limits.max_idle } else { 0 },
            );
            Ok(NodeAnswer {
                response: Response::from_parts(head.parts, content),
                lease,
                connect_ms,
                queued: None,
            })
        }
        Err(NoAnswer::Late) => {
            Err(SendError::new(ExchangeFailure::Timeout, format!("no answer within {:?}", limits.response)))
        }
        Err(error) => {
            let race = idle.filter(|_| !connection.has_received());
            if let Some(idle) = race {
                link.record_closed(idle);
            }
            let kind = failure_kind(&error, &connection, upload.as_deref());
            Err(SendError { kind, cause: Rc::new(error.cause()), race: race.is_some() })
        }
    }
}

/// Whose fault it is that there is no answer.
fn failure_kind(error: &NoAnswer, connection: &H1Connection, upload: Option<&Upload>) -> ExchangeFailure {
    match upload.and_then(ExchangeFailure::of_client) {
        Some(failure) => failure,
        None if connection.bytes_written() == 0 => ExchangeFailure::Unsent,
        None if error.is_malformed() => ExchangeFailure::BadAnswer,
        None => ExchangeFailure::NoAnswer,
    }
}

/// A request on its way, and its answer.
struct Exchange<'a> {
    sending: Option<Sending<RequestBody>>,
    /// Bytes of it that the node had taken when that was last looked at.
    written: u64,
    interims: InterimCount,
    method: &'a Method,
    /// Why no more of the request is sent; the node may have answered nevertheless.
    broken: Option<String>,
    patience: Timeout<'a>,
}

/// Why no answer came.
enum NoAnswer {
    Late,
    NoHead(NoHead),
    BadHead(HeadError),
    Endless(Endless),
    Broken(String),
}

impl NoAnswer {
    fn is_malformed(&self) -> bool {
        matches!(self, Self::BadHead(_) | Self::Endless(_) | Self::NoHead(NoHead::Malformed(_)))
    }

    fn cause(self) -> Cause {
        match self {
            Self::Late => Cause::Other("too late".into()),
            Self::NoHead(why) => Cause::NoHead(why),
            Self::BadHead(why) => Cause::BadHead(why),
            Self::Endless(why) => Cause::Other(why.to_string()),
            Self::Broken(why) => Cause::Other(why),
        }
    }
}

impl Exchange<'_> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &H1Connection,
    ) -> Poll<InterimEvent<Result<response::ResponseHead, NoAnswer>>> {
        if let Some(sending) = &mut self.sending {
            match sending.poll(cx, connection) {
                Poll::Pending if connection.bytes_written() != self.written => {
                    self.written = connection.bytes_written();
                    self.patience.renew();
                }
                Poll::Pending => {}
                Poll::Ready(Ok(())) => {
                    self.sending = None;
                    // of one that went out at once the waiting has just begun
                    if self.written != 0 {
                        self.patience.renew();
                    }
                }
                Poll::Ready(Err(NotSent::Source(error))) => {
                    return failed(NoAnswer::Broken(error.to_string()));
                }
                Poll::Ready(Err(NotSent::Connection(error))) => {
                    self.sending = None;
                    self.broken = Some(error.to_string());
                }
            }
        }
        let head = match connection.poll_head(cx, || LARGEST_HEAD) {
            Poll::Pending if self.waits_for_node(connection) && self.patience.is_over(cx) => {
                return failed(NoAnswer::Late);
            }
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(head)) => head,
            Poll::Ready(Err(why)) => return self.no_head(why),
        };
        let head = match response::parse(&head, self.method) {
            Err(why) => return failed(NoAnswer::BadHead(why)),
            Ok(head) => head,
        };
        let status = head.parts.status;
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Poll::Ready(InterimEvent::Final(Ok(head)));
        }
        match self.interims.another() {
            Err(endless) => failed(NoAnswer::Endless(endless)),
            Ok(true) => Poll::Ready(InterimEvent::Interim(Interim { status, headers: head.parts.headers })),
            Ok(false) if self.waits_for_node(connection) && self.patience.is_over(cx) => {
                failed(NoAnswer::Late)
            }
            // others have their turn
            Ok(false) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Not for the client, who has limits of his own.
    fn waits_for_node(&self, connection: &H1Connection) -> bool {
        self.sending.as_ref().is_none_or(|sending| sending.is_held_up(connection))
    }

    fn no_head<T>(&mut self, why: NoHead) -> Poll<InterimEvent<Result<T, NoAnswer>>> {
        match self.broken.take() {
            Some(broken) if !matches!(why, NoHead::Malformed(_)) => failed(NoAnswer::Broken(broken)),
            _ => failed(NoAnswer::NoHead(why)),
        }
    }
}

fn failed<T>(why: NoAnswer) -> Poll<InterimEvent<Result<T, NoAnswer>>> {
    Poll::Ready(InterimEvent::Final(Err(why)))
}

async fn connect(
    pool: &Pool,
    link: &Link,
    limits: &ExchangeLimits<'_>,
) -> Result<(Checkout, f64), SendError> {
    let start = clock::instant();
    let count = pool.usage(link).mine();
    count.attempted();
    let socket = dial::dial(link, NodeProtocol::Http1, limits.connect).await?;
    let connection = H1Connection::new(Side::Node, socket, BytesMut::new(), None);
    Ok((
        Checkout { connection, open: CountedConnection::new(count), idle: None },
        clock::since(start).as_secs_f64() * 1000.0,
    ))
}

/// `Keep-Alive: timeout=5`: the node says when it will close.
fn note_keep_alive(link: &Link, headers: &HeaderMap) {
    let Some(value) = headers.get(KEEP_ALIVE).and_then(|v| v.to_str().ok()) else { return };
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse::<u64>().ok());
    if let Some(seconds) = seconds {
        link.learn_keep_alive(seconds.saturating_mul(1000).saturating_sub(1000).max(500));
    }
}
