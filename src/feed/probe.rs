//! One health check: a connection, with TLS where the node speaks it, and for HTTP a question and the head of the answer.

use crate::base::clock;
use crate::config;
use crate::config::model::{Health, HealthKind};
use crate::table::Link;
use crate::transport::stream::Stream;
use crate::upstream::dial::{self, NoConnection};
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// The largest head of an answer that is read.
const HEAD_LIMIT: usize = 16 << 10;

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In the operator's words.
    pub why: String,
    /// How much it says about the node.
    pub meaning: Meaning,
}

/// What a failed check says about the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nobody listens.
    Refused,
    /// It does not serve.
    Definite,
    /// It did not answer in time.
    Silent,
    /// Nothing: this machine ran out of something.
    Ours,
}

impl Failure {
    fn definite(why: impl Into<String>) -> Self {
        Self { why: why.into(), meaning: Meaning::Definite }
    }
    fn refused(why: impl Into<String>) -> Self {
        Self { why: why.into(), meaning: Meaning::Refused }
    }
    fn silent(within: Duration) -> Self {
        Self { why: format!("no answer within {}", crate::base::units::Duration(within)), meaning: Meaning::Silent }
    }
}

/// What a good check saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// In words: "check 200 in 3 ms", "connects in 1 ms".
    pub words: String,
    /// The node asks to be drained.
    pub drains: bool,
}

/// Checks once.
pub async fn probe(link: &Link, health: &Health) -> Result<Seen, Failure> {
    let from = clock::monotonic_ms();
    let limit = health.timeout.get();
    let seen = tokio::time::timeout(limit, look(link, health)).await.unwrap_or_else(|_| Err(Failure::silent(limit)))?;
    let ms = clock::monotonic_ms().saturating_sub(from);
    Ok(match seen {
        Some((status, drains)) => Seen { words: format!("check {status} in {ms} ms"), drains },
        None => Seen { words: format!("connects in {ms} ms"), drains: false },
    })
}

/// Asks for an answer where the conf asks for none: any will do, whatever it says.
pub async fn ask_for_any(link: &Link, health: &Health, limit: Duration) -> Result<Seen, Failure> {
    let kind = Some(HealthKind::Http);
    let asked = Health { kind, status: "100-599".into(), draining: None, timeout: crate::base::units::Duration(limit), ..health.clone() };
    probe(link, &asked).await.or_else(|failure| match failure.meaning {
        Meaning::Definite => Ok(Seen { words: failure.why, drains: false }),
        Meaning::Silent | Meaning::Refused | Meaning::Ours => Err(failure),
    })
}

/// The status, if one was asked for, and whether it is a wish to be drained.
async fn look(link: &Link, health: &Health) -> Result<Option<(u16, bool)>, Failure> {
    let limit = health.timeout.get();
    let stream = dial::dial(link, link.speaks(), limit).await.map_err(|why| unreachable(link, &why, limit))?;
    if health.kind() != HealthKind::Http {
        return Ok(None);
    }
    let http2 = match &stream {
        Stream::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        _ => link.http2,
    };
    let status = ask(stream, http2, link, health).await?;
    let says = |ranges: &str| Ok(config::status_ranges(ranges).map_err(Failure::definite)?.iter().any(|range| range.contains(&status)));
    let drains = health.draining.as_deref().map_or(Ok(false), says)?;
    match drains || says(&health.status)? {
        true => Ok(Some((status, drains))),
        false => Err(Failure::definite(format!("status {status}"))),
    }
}

/// What it says of a node that no connection opens.
fn unreachable(link: &Link, why: &NoConnection, limit: Duration) -> Failure {
    match (why, &link.url.unix) {
        (NoConnection::Socket(error), Some(path)) if error.kind() == ErrorKind::NotFound => {
            Failure::refused(format!("no socket at {}", path.display()))
        }
        // the kernel gave up on a silent node before we did
        (NoConnection::Socket(error), _) if error.kind() == ErrorKind::TimedOut => Failure::silent(limit),
        (NoConnection::Late(_), _) => Failure::silent(limit),
        (NoConnection::Socket(error), _) if dial::is_ours(error) => Failure { why: words(error), meaning: Meaning::Ours },
        (NoConnection::Socket(error), _) => Failure::refused(words(error)),
        (NoConnection::Tls(error), _) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => Failure::definite(format!("TLS: {tls}")),
            None => Failure::definite(format!("TLS: {}", words(error))),
        },
        (NoConnection::Unresolved(_) | NoConnection::Forbidden(_), _) => Failure::refused(why.to_string()),
    }
}

/// Asks for the path; reads no further than the head of the answer.
async fn ask(stream: Stream, http2: bool, link: &Link, health: &Health) -> Result<u16, Failure> {
    let path = health.path.as_deref().unwrap_or("/");
    let host = health.host.as_deref().or(link.authority.to_str().ok()).unwrap_or("localhost");
    let request = Request::get(if http2 { format!("{}://{host}{path}", scheme(link)) } else { path.to_owned() });
    let request = if http2 { request } else { request.header("host", host).header("connection", "close") };
    let request = request.header("user-agent", "homing-check").header("accept", "*/*");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| Failure::definite(format!("the check cannot be asked: {error}")))?;
    let io = TokioIo::new(stream);
    let answer = if http2 {
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder.max_header_list_size(HEAD_LIMIT as u32);
        let (mut sender, connection) = builder.handshake(io).await.map_err(|error| misfit(&error))?;
        drive(sender.send_request(request), connection).await
    } else {
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(HEAD_LIMIT);
        let (mut sender, connection) = builder.handshake(io).await.map_err(|error| misfit(&error))?;
        drive(sender.send_request(request), connection).await
    };
    answer.map(|answer| answer.status().as_u16()).map_err(|error| misfit(&error))
}

fn scheme(link: &Link) -> &'static str {
    if link.tls.is_some() { "https" } else { "http" }
}

/// Runs a connection until its one answer is there.
async fn drive<T>(answer: impl Future<Output = T>, connection: impl Future) -> T {
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // a connection that ended has settled its question, one way or the other
        _ = connection => answer.await,
    }
}

fn misfit(error: &hyper::Error) -> Failure {
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match io {
        Some(io) => Failure::definite(words(io)),
        None if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => {
            Failure::definite("closes the connection without an answer")
        }
        None if error.is_parse_too_large() => Failure::definite("answers with a head over 16 KiB"),
        None if error.is_parse() => Failure::definite("answers, but not in HTTP"),
        None => Failure::definite(error.to_string()),
    }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".into(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "connection reset".into(),
        ErrorKind::UnexpectedEof => "closes the connection without an answer".into(),
        ErrorKind::HostUnreachable => "no route to the host".into(),
        ErrorKind::NetworkUnreachable => "no route to the network".into(),
        ErrorKind::PermissionDenied => "no permission to connect".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests;
