//! One client connection, from accept to close: PROXY header, TLS, which HTTP, time limits, graceful end.

use super::client_io::{ClientIo, Early, Transport};
use super::http2;
use super::stream::{Peer, Stream};
use crate::proxy::client::{Client, TlsFacts};
use crate::proxy::exchange;
use crate::proxy::interim::{Interims, Outbox};
use crate::proxy::watch::Watch;
use crate::proxy::worker::Worker;
use crate::table::Listener;
use crate::wire::content::Content;
use crate::wire::proxy_protocol::{self, Header};
use bytes::BytesMut;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;

/// How HTTP/2 begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection until it ends. Its errors are the client's and go to the debug log only.
pub async fn serve(worker: Rc<Worker>, listener: usize, mut stream: Stream, peer: Peer, tls: Option<Arc<rustls::ServerConfig>>) {
    let Some(conf) = worker.table().listeners.get(listener).cloned().flatten() else { return };
    let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (direct, local) = (peer.address().unwrap_or(unknown), stream.local_address().unwrap_or(unknown));
    let mut early = BytesMut::new();
    let mut source = direct;
    let header_timeout = conf.conf.header_timeout.get();
    if conf.conf.proxy_protocol {
        match tokio::time::timeout(header_timeout, proxy_header(&mut stream, &mut early)).await {
            Ok(Ok(told)) if conf.trusted.is_empty() || conf.trusts(direct.ip()) => source = told.unwrap_or(direct),
            Ok(Ok(_)) => {}
            Ok(Err(why)) => return tracing::debug!("connection from {direct} closed: {why}"),
            Err(_) => return tracing::debug!("connection from {direct} closed: no PROXY header within {header_timeout:?}"),
        }
    }
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    let opened = tokio::time::timeout(header_timeout, open(stream, tls, early)).await;
    let Ok(Some(opened)) = opened else { return };
    let watch = Arc::new(Watch::new(!opened.h2));
    let client =
        Rc::new(Client::new(worker.clone(), listener, conf.clone(), direct, source, local, opened.facts, watch.clone(), opened.h2));
    let outbox = Arc::new(Outbox::default());
    let io = ClientIo::new(opened.transport, !opened.h2, watch.clone(), outbox.clone());
    match opened.h2 {
        true => serve_h2(&worker, &conf, io, client, &watch).await,
        false => serve_h1(&worker, &conf, io, client, &watch, outbox).await,
    }
}

struct Opened {
    transport: Transport,
    facts: Option<TlsFacts>,
    h2: bool,
}

/// TLS handshake if there is TLS, and which HTTP is spoken.
async fn open(stream: Stream, tls: Option<Arc<rustls::ServerConfig>>, mut early: BytesMut) -> Option<Opened> {
    let Some(config) = tls else {
        let mut stream = stream;
        let h2 = preface(&mut stream, &mut early).await?;
        return Some(Opened { transport: Transport::Clear(Early::new(early.freeze(), stream)), facts: None, h2 });
    };
    let stream = TlsAcceptor::from(config).accept(Early::new(early.freeze(), stream)).await.ok()?;
    let session = stream.get_ref().1;
    let h2 = session.alpn_protocol() == Some(b"h2");
    let facts = TlsFacts::of(session);
    Some(Opened { transport: Transport::Tls(Box::new(stream)), facts: Some(facts), h2 })
}

/// Reads until it is clear whether HTTP/2 is spoken with prior knowledge.
async fn preface(stream: &mut Stream, early: &mut BytesMut) -> Option<bool> {
    loop {
        let seen = early.len().min(PREFACE.len());
        if early[..seen] != PREFACE[..seen] {
            return Some(false);
        }
        if seen == PREFACE.len() {
            return Some(true);
        }
        if stream.read_buf(early).await.ok()? == 0 {
            return (!early.is_empty()).then_some(false);
        }
    }
}

/// The PROXY protocol header: who the client is, if it says so.
async fn proxy_header(stream: &mut Stream, early: &mut BytesMut) -> Result<Option<SocketAddr>, String> {
    loop {
        match proxy_protocol::parse(early) {
            Header::Parsed { len, source, .. } => {
                let _ = early.split_to(len);
                return Ok(source);
            }
            Header::Incomplete => {}
            Header::NotProxy => return Err("it does not begin with a PROXY header".into()),
            Header::Invalid(why) => return Err(format!("bad PROXY header: {why}")),
        }
        match stream.read_buf(early).await {
            Ok(0) => return Err("closed before the PROXY header was there".into()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Runs a connection under its time limits, and ends it gracefully when the worker drains.
macro_rules! drive {
    ($connection:ident, $worker:ident, $conf:ident, $watch:ident) => {{
        let (header, idle) = ($conf.conf.header_timeout.get(), $conf.conf.idle_timeout.get());
        let mut draining = $worker.draining.subscribe();
        let mut drained = *draining.borrow();
        if drained {
            $connection.as_mut().graceful_shutdown();
        }
        let mut alarm = pin!(tokio::time::sleep_until($watch.deadline(header, idle).into()));
        loop {
            let progress = poll_fn(|cx| match $connection.as_mut().poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending => {
                    // a head that came whole is an exchange by now, and costs no timer
                    if $watch.is_in_head() {
                        let deadline = $watch.deadline(header, idle).into();
                        if deadline < alarm.deadline() {
                            alarm.as_mut().reset(deadline);
                        }
                    }
                    alarm.as_mut().poll(cx).map(|()| None)
                }
            });
            tokio::select! {
                biased;
                progress = progress => match progress {
                    Some(ended) => break ended,
                    None => {
                        let deadline = $watch.deadline(header, idle);
                        if deadline <= std::time::Instant::now() {
                            break Ok(());
                        }
                        alarm.as_mut().reset(deadline.into());
                    }
                },
                _ = draining.changed(), if !drained => {
                    drained = true;
                    $connection.as_mut().graceful_shutdown();
                }
            }
        }
    }};
}

async fn serve_h1(worker: &Rc<Worker>, conf: &Arc<Listener>, io: ClientIo, client: Rc<Client>, watch: &Arc<Watch>, outbox: Arc<Outbox>) {
    let mut builder = http1::Builder::new();
    // hyper's own header timer costs a timer a request; `Watch` measures instead
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    builder.max_buf_size((conf.conf.max_header_size.get()).max(8192));
    if conf.conf.max_headers != 100 {
        builder.max_headers(conf.conf.max_headers.into());
    }
    let serving = client.clone();
    let interims = Interims::H1(outbox);
    let service = service_fn(move |request| exchange::serve(serving.clone(), interims.clone(), request.map(Content::H1)));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service).with_upgrades());
    let ended: hyper::Result<()> = drive!(connection, worker, conf, watch);
    if let Err(error) = ended
        && (error.is_parse() || watch.refused().is_some())
    {
        let status = if error.is_parse_too_large() { 431 } else { 400 };
        let why = watch.refused().map_or_else(|| error.to_string(), |a| a.to_string());
        client.log_refused(status, &why);
    }
}

async fn serve_h2(worker: &Rc<Worker>, conf: &Arc<Listener>, io: ClientIo, client: Rc<Client>, watch: &Arc<Watch>) {
    let opened = tokio::time::timeout(conf.conf.header_timeout.get(), http2::Connection::open(io, conf, client)).await;
    let Ok(Ok(connection)) = opened else { return };
    let mut connection = pin!(connection);
    let ended: Result<(), h2::Error> = drive!(connection, worker, conf, watch);
    if let Err(error) = ended {
        tracing::debug!("HTTP/2 connection: {error}");
    }
}
