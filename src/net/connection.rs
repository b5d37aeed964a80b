//! One client connection, from accept to close: PROXY header, TLS, which HTTP, time limits, graceful end.

use super::client_io::ClientIo;
use super::{http1, http2};
use crate::base::clock;
use crate::listen::{Peer, proxy_header};
use crate::proxy::client::{Client, NewConnection, TlsFacts};
use crate::proxy::worker::Worker;
use crate::table::Listener;
use crate::transport::http1::{H1Connection, Side};
use crate::transport::stream::{Rewind, Stream};
use crate::wire::Malformed;
use crate::wire::protocol::ClientProtocol;
use bytes::BytesMut;
use std::cell::Cell;
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;

/// How HTTP/2 begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a request may take to come whole once the proxy ends: it is a round trip away, or it is not
/// coming.
const LAST_HEAD: Duration = Duration::from_secs(1);

/// A connection that was just accepted.
pub struct Accepted {
    /// Its listener's index.
    pub listener: usize,
    /// The listener as it was when its address was opened: it may be gone from the conf by now, and who came to
    /// it is served all the same.
    pub opened: Rc<Option<Arc<Listener>>>,
    /// The port it came to; 0 over a Unix socket.
    pub port: u16,
    /// The connection.
    pub stream: Stream,
    /// Who is at its other end.
    pub peer: Peer,
    /// The listener's TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Serves a connection until it ends; `held` is let go then. Its errors are the client's and go to the debug
/// log only.
pub fn serve<H>(worker: Rc<Worker>, accepted: Accepted, held: H) -> impl Future<Output = ()> {
    // what is needed at the beginning only is on the heap, so that an idle connection holds no room for it
    let begun = Box::pin(begin(worker, accepted));
    async move {
        match begun.await {
            Some((client, Speaks::H1(connection))) => serve_h1(client, connection).await,
            Some((client, Speaks::H2(io))) => Box::pin(serve_h2(client, io)).await,
            None => {}
        }
        drop(held);
    }
}

/// What a client speaks, and over what.
enum Speaks {
    H1(Rc<H1Connection>),
    H2(ClientIo),
}

/// Finds out who the client is and what it speaks; whoever has not said so when the proxy ends is not waited
/// for.
async fn begin(worker: Rc<Worker>, accepted: Accepted) -> Option<(Rc<Client>, Speaks)> {
    let mut draining = worker.draining.subscribe();
    let ending = async {
        // a worker that is gone takes its connections with it
        let _ = draining.wait_for(|draining| *draining).await;
        tokio::time::sleep(LAST_HEAD).await;
    };
    tokio::select! {
        biased;
        begun = greet(worker, accepted) => begun,
        () = ending => None,
    }
}

/// Finds out who the client is and what it speaks, within the time that a head may take.
async fn greet(worker: Rc<Worker>, accepted: Accepted) -> Option<(Rc<Client>, Speaks)> {
    let Accepted { listener, opened, port, mut stream, peer, tls } = accepted;
    let conf = worker.table().listeners.get(listener).cloned().flatten();
    let conf = conf.or_else(|| (*opened).clone())?;
    let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let direct = peer.address().unwrap_or(unknown);
    let mut early = BytesMut::new();
    let mut proxied = None;
    let header_timeout = conf.conf.header_timeout.get();
    if conf.conf.proxy_protocol {
        let why =
            match tokio::time::timeout(header_timeout, proxy_header::read(&mut stream, &mut early)).await {
                Ok(Ok(source)) => {
                    proxied = source;
                    None
                }
                Ok(Err(why)) => Some(why.to_string()),
                Err(_) => Some(format!("no PROXY header within {header_timeout:?}")),
            };
        if let Some(why) = why {
            tracing::debug!("connection from {direct} closed: {why}");
            tracing::warn!(
                "listener {} closed a connection: {why}; does the proxy before it send the PROXY protocol?",
                conf.name
            );
            return None;
        }
    }
    let opened = tokio::time::timeout(header_timeout, open(stream, tls, early)).await.ok()??;
    let new = NewConnection {
        listener,
        opened: conf,
        direct,
        proxied,
        port,
        tls: opened.facts,
        protocol: opened.protocol,
    };
    let client = Rc::new(Client::new(worker, new));
    let pace = client.timers.pace.clone();
    let speaks = match opened.protocol {
        ClientProtocol::Http2 => {
            Speaks::H2(ClientIo::new(Rewind::new(opened.early.freeze(), opened.stream), pace))
        }
        ClientProtocol::Http1 => {
            Speaks::H1(H1Connection::new(Side::Client, opened.stream, opened.early, Some(pace)))
        }
    };
    Some((client, speaks))
}

struct Opened {
    stream: Stream,
    early: BytesMut,
    facts: Option<TlsFacts>,
    protocol: ClientProtocol,
}

/// TLS handshake if there is TLS, and which HTTP is spoken.
async fn open(
    mut stream: Stream,
    tls: Option<Arc<rustls::ServerConfig>>,
    mut early: BytesMut,
) -> Option<Opened> {
    let Some(config) = tls else {
        let protocol = preface(&mut stream, &mut early).await?;
        return Some(Opened { stream, early, facts: None, protocol });
    };
    let stream = TlsAcceptor::from(config).accept(Rewind::new(early.freeze(), stream)).await.ok()?;
    let session = stream.get_ref().1;
    let protocol = ClientProtocol::agreed(session.alpn_protocol());
    let facts = TlsFacts::of(session);
    Some(Opened {
        stream: Stream::Tls(Box::new(stream.into())),
        early: BytesMut::new(),
        facts: Some(facts),
        protocol,
    })
}

/// Reads until it is clear whether HTTP/2 is spoken with prior knowledge.
async fn preface(stream: &mut Stream, early: &mut BytesMut) -> Option<ClientProtocol> {
    loop {
        let seen = early.len().min(PREFACE.len());
        if early[..seen] != PREFACE[..seen] {
            return Some(ClientProtocol::Http1);
        }
        if seen == PREFACE.len() {
            return Some(ClientProtocol::Http2);
        }
        if stream.read_buf(early).await.ok()? == 0 {
            return (!early.is_empty()).then_some(ClientProtocol::Http1);
        }
    }
}

/// Runs a connection under its time limits, and tells it when the worker drains. `None`: it took too long and
/// is cut.
async fn drive<T>(client: &Client, mut step: impl FnMut(&mut Context<'_>, bool) -> Poll<T>) -> Option<T> {
    let timers = &client.timers;
    let limits = || {
        let table = client.worker.table();
        let conf = &client.listener_in(&table).conf;
        (conf.header_timeout.get(), conf.idle_timeout.get())
    };
    let mut draining = client.worker.draining.subscribe();
    let mut drained = *draining.borrow();
    let told = Cell::new(drained.then(clock::instant));
    let deadline = || {
        let (header, idle) = limits();
        let by = timers.deadline(header, idle);
        let last = told.get().and_then(|told| timers.last_head(told, LAST_HEAD));
        last.map_or(by, |last| by.min(last))
    };
    let mut alarm = pin!(tokio::time::sleep_until(deadline().into()));
    loop {
        let progress = poll_fn(|cx| match step(cx, drained) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => {
                // a head that came whole is an exchange by now, and costs no timer
                let sooner = match timers.is_in_head() {
                    true => Some(deadline()),
                    false => timers.alarm.by(),
                };
                if let Some(sooner) = sooner.filter(|by| *by < alarm.deadline().into_std()) {
                    alarm.as_mut().reset(sooner.into());
                }
                alarm.as_mut().poll(cx).map(|()| None)
            }
        });
        tokio::select! {
            biased;
            progress = progress => match progress {
                Some(ended) => return Some(ended),
                None => {
                    timers.cut_stalled(limits().1);
                    let rung = timers.alarm.ring(clock::instant());
                    let next = deadline();
                    if next <= clock::instant() && !rung {
                        return None;
                    }
                    alarm.as_mut().reset(next.into());
                }
            },
            _ = draining.changed(), if !drained => {
                drained = true;
                told.set(Some(clock::instant()));
                alarm.as_mut().reset(deadline().into());
            }
        }
    }
}

async fn serve_h1(client: Rc<Client>, connection: Rc<H1Connection>) {
    let ending = Cell::new(false);
    let mut serving = pin!(http1::serve(connection.clone(), client.clone(), &ending));
    let served = drive(&client, |cx, drained| {
        ending.set(drained);
        serving.as_mut().poll(cx)
    });
    if served.await.is_none() && client.timers.is_in_head() {
        Box::pin(http1::refuse(&connection, &client, Malformed::Late)).await;
    }
    // whoever still sends its last body on to a node would hold it open
    connection.abandon_body();
}

async fn serve_h2(client: Rc<Client>, io: ClientIo) {
    let opened = tokio::time::timeout(
        client.opened.conf.header_timeout.get(),
        http2::ClientConnection::open(io, &client.opened, client.clone()),
    );
    let Ok(Ok(mut connection)) = opened.await else { return };
    let mut told = false;
    let ended = drive(&client, |cx, drained| {
        if drained && !std::mem::replace(&mut told, drained) {
            connection.graceful_shutdown();
        }
        Pin::new(&mut connection).poll(cx)
    });
    if let Some(Err(error)) = ended.await {
        tracing::debug!("HTTP/2 connection: {error}");
    }
}
