//! A small HTTP/1.1 server for the control thread: everything about it is bounded, and a client that is slow
//! keeps nobody but itself.

mod body;
mod control_listener;
mod error;
mod places;
pub mod problem;
mod write_timeout;

pub use body::Body;
use body::Sent;
pub use control_listener::{ControlListener, ControlOptions, ControlPlan};
pub use error::{ControlError, TokenFileError};
pub use places::{ControlPlace, ControlPlaces, PlaceLimits};

use crate::base::log_throttle::LogThrottle;
use crate::base::tasks::kept;
use crate::listen::tls::SharedTls;
use crate::listen::{AcceptSocket, BoundSocket, Peer};
use crate::transport::stream::Stream;
use crate::transport::watched::WatchedStream;
use crate::upstream::loop_marks;
use crate::wire::{self, identity};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use places::{Answering, PlaceWatch};
use problem::Problem;
use serde::Serialize;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;
use write_timeout::WriteLimit;

/// The longest a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that a client may take nothing of what it is sent.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest head, and the largest body of a request.
pub const LARGEST: usize = 64 << 10;
/// What is under way when the address goes gets so long to end.
const GRACE: Duration = Duration::from_secs(5);

/// What a page may load and do: its own, and nothing written into it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// Who sends a request.
#[derive(Clone)]
pub struct Caller {
    /// Where from.
    pub peer: Peer,
    /// It comes over TLS.
    pub encrypted: bool,
    /// The user whose process it is, where it comes over a Unix socket.
    pub user: Option<u32>,
    /// The names in the certificate that was shown, which an authority of the conf vouches for.
    pub names: Option<Rc<[String]>>,
}

/// An open address; closed by drop, gracefully.
struct ControlHandle {
    closing: watch::Sender<()>,
    /// Through once it is closed.
    closed: oneshot::Receiver<()>,
}

impl ControlHandle {
    /// Closes it, and waits until it is.
    async fn close(self) {
        drop(self.closing);
        let _ = self.closed.await;
    }
}

/// What is accepted from, and after that who is told when it is closed.
struct OpenSocket {
    socket: AcceptSocket,
    _open: oneshot::Sender<()>,
}

/// Serves an address with `handler` until the handle is dropped, as many connections at one time as its
/// options say. To be called in a `LocalSet`.
fn serve<H, F>(
    socket: BoundSocket,
    options: ControlOptions,
    tls: SharedTls,
    handler: H,
) -> io::Result<ControlHandle>
where
    H: Fn(Request<ControlBody>, Caller) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    let ((open, closed), (closing, until)) = (oneshot::channel(), watch::channel(()));
    let listener = OpenSocket { socket: socket.into_tokio()?, _open: open };
    let (listener, handler) = (Rc::new(listener), Rc::new(handler));
    let accepting = move || accept(listener.clone(), options, tls.clone(), handler.clone(), until.clone());
    tokio::task::spawn_local(kept(options.key, accepting));
    Ok(ControlHandle { closing, closed })
}

async fn accept<H, F>(
    listener: Rc<OpenSocket>,
    options: ControlOptions,
    tls: SharedTls,
    handler: Rc<H>,
    mut closed: watch::Receiver<()>,
) where
    H: Fn(Request<ControlBody>, Caller) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    let (places, log) = (ControlPlaces::new(options.places), Rc::new(LogThrottle::default()));
    let until = closed.clone();
    let closing = async { drop(closed.changed().await) };
    let start = move |stream, peer, place: Option<Rc<ControlPlace>>| {
        // who has none came when the address went
        let Some(place) = place else { return };
        let tls = tls.load_full();
        let caller = Caller { peer, encrypted: tls.is_some(), user: user_of(&stream), names: None };
        let stream = WatchedStream::new(stream, PlaceWatch::new(place.clone(), WriteLimit::of(PATIENCE)));
        let (held, closed, log) = (place.clone(), until.clone(), log.clone());
        let handler = handler.clone();
        let task = tokio::task::spawn_local(async move {
            let served = Served { options, place: held.clone(), handler };
            let serving = async {
                match tls {
                    None => connection(stream, caller, served, closed).await,
                    Some(tls) => match handshake(stream, tls).await {
                        Ok((stream, names)) => {
                            connection(stream, Caller { names, ..caller }, served, closed).await
                        }
                        Err(error) => refused(options.key, peer, &error, &log),
                    },
                }
            };
            if !held.within_time(serving).await {
                tracing::debug!("{}: no request in time", options.key);
            }
        });
        place.is_served_by(task.abort_handle());
    };
    let enter = async || Some(places.enter().await);
    listener.socket.accept_until(closing, enter, start).await;
}

/// Whose process is at the other end.
fn user_of(stream: &Stream) -> Option<u32> {
    match stream {
        Stream::Unix(stream) => stream.peer_cred().ok().map(|credentials| credentials.uid()),
        _ => None,
    }
}

type Encrypted<S> = tokio_rustls::server::TlsStream<S>;

/// The handshake, and the names of whoever showed a certificate in it.
async fn handshake<S>(
    stream: S,
    tls: Arc<rustls::ServerConfig>,
) -> io::Result<(Encrypted<S>, Option<Rc<[String]>>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = TlsAcceptor::from(tls).accept(stream).await?;
    let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let names = leaf.map(|leaf| identity::names(leaf).into());
    Ok((stream, names))
}

/// Who shows a certificate that is no good, or none, finds it in the log: it is one of ours with a mistake,
/// more likely than not.
fn refused(key: &str, peer: Peer, error: &io::Error, log: &LogThrottle) {
    let from = peer.address().map_or_else(|| "this machine".to_owned(), |address| address.ip().to_string());
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(why @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) => {
            if let Some(more) = log.rest("were refused") {
                tracing::warn!("{key}: a TLS handshake from {from} is refused: {why}{more}");
            }
        }
        _ => tracing::debug!("{key}: handshake from {from}: {error}"),
    }
}

/// What every connection of an address has.
struct Served<H> {
    options: ControlOptions,
    place: Rc<ControlPlace>,
    handler: Rc<H>,
}

impl<H, F> Served<H>
where
    H: Fn(Request<ControlBody>, Caller) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    /// Answers a request. What is to answer is on the heap, where the next request finds it warm: ten thousand
    /// connections would each keep a cold place for it.
    fn answer(
        &self,
        request: Request<Incoming>,
        caller: Caller,
    ) -> Pin<Box<dyn Future<Output = Response<Body>>>> {
        self.place.has_head();
        if loop_marks::strayed(request.headers()) {
            return Box::pin(ready(stray().into_response()));
        }
        if !self.place.may_work() && !self.options.always.contains(&request.uri().path()) {
            return Box::pin(ready(crowded().into_response()));
        }
        if request.body().is_end_stream() {
            self.place.has_request();
        }
        let place = self.place.clone();
        Box::pin((self.handler)(request.map(|body| ControlBody { body, place }), caller))
    }
}

async fn connection<S, H, F>(stream: S, caller: Caller, served: Served<H>, mut closed: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<ControlBody>, Caller) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (pages, sending) = (served.options.pages, Answering(served.place.clone()));
        let answer = served.answer(request, caller.clone());
        async move {
            Ok::<_, Infallible>(sealed(answer.await, pages).map(|body| Sent { body, _sending: sending }))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(LARGEST).writev(false);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = serving.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!("connection: {error}");
            }
            return;
        }
        _ = closed.changed() => serving.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(GRACE, serving).await;
}

/// The refusal of what came through a listener of ours: it comes from this machine, and from anybody.
fn stray() -> Problem {
    let detail =
        "This came through the proxy itself. If that is meant, write own = true on the node that leads here.";
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// The refusal of one request too many; who asks whether the proxy is alive is answered all the same.
fn crowded() -> Problem {
    let detail = "Too many requests are answered at this moment: try again.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header("retry-after", "1")
}

/// What every answer carries: it is of this moment, and it is what it says it is. Where there are pages, no
/// other may show it.
fn sealed(mut response: Response<Body>, pages: bool) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !pages {
        return response;
    }
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // a form says where it comes from, to nobody but us
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// A request's body that has not been read.
pub struct ControlBody {
    body: Incoming,
    place: Rc<ControlPlace>,
}

/// A request's body, within size and time.
pub async fn body_of(body: ControlBody, largest: usize) -> Result<Bytes, Problem> {
    let ControlBody { body, place } = body;
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, largest).collect()).await {
        Ok(Ok(body)) => {
            place.has_request();
            Ok(body.to_bytes())
        }
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The body is larger than {} KiB.", largest >> 10),
        )),
        Ok(Err(error)) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("The body broke off: {error}."))),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "The body did not come within 10 seconds.")),
    }
}

/// An answer as JSON.
pub fn json(value: &impl Serialize) -> Response<Body> {
    // what is answered has nothing that JSON could not say
    let mut body = serde_json::to_string_pretty(value).unwrap_or_default();
    body.push('\n');
    kind(Response::new(Body::from(body)), "application/json")
}

/// An answer as JSON for a program, on one line.
pub fn json_line(value: &impl Serialize) -> Response<Body> {
    let mut body = serde_json::to_string(value).unwrap_or_default();
    body.push('\n');
    kind(Response::new(Body::from(body)), "application/json")
}

/// An answer in words.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    kind(response, "text/plain; charset=utf-8")
}

/// The answer as one of another kind.
pub fn kind(mut response: Response<Body>, kind: &'static str) -> Response<Body> {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The host of a `Host` header, in small letters and without its port; what is no host is known to nobody.
pub fn host_of(host: &str) -> String {
    wire::host::host_of(host).unwrap_or(host).to_ascii_lowercase()
}

/// Whether a host is an address or this machine: no page of another site can have made its own name point
/// here then.
pub fn is_plain(host: &str) -> bool {
    host == "localhost" || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
