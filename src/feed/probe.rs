//! One health check: a connection, with TLS where the node speaks it, and for HTTP a question and the head of
//! the answer. It goes the way that clients' requests go, so that no node passes its check and fails them, or
//! the other way round.

use crate::base::clock::{self, Now};
use crate::config;
use crate::config::model::{Health, HealthKind};
use crate::table::Link;
use crate::transport::http1::NoHead;
use crate::upstream::body::RequestBody;
use crate::upstream::client_network::ClientNetwork;
use crate::upstream::dial::{self, NoConnection};
use crate::upstream::failure::{Cause, ExchangeFailure as SendFailure, SendError};
use crate::upstream::limits::{ConnectionUse, ExchangeLimits};
use crate::upstream::pool::Pool;
use crate::upstream::send;
use crate::wire::Malformed;
use http::Request;
use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFailure {
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

impl CheckFailure {
    fn definite(why: impl Into<String>) -> Self {
        Self { why: why.into(), meaning: Meaning::Definite }
    }
    fn refused(why: impl Into<String>) -> Self {
        Self { why: why.into(), meaning: Meaning::Refused }
    }
    fn silent(within: Duration) -> Self {
        Self {
            why: format!("no answer within {}", crate::base::units::Duration(within)),
            meaning: Meaning::Silent,
        }
    }
}

/// What a good check saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckAnswer {
    /// In words: "check 200 in 3 ms", "connects in 1 ms".
    pub words: String,
    /// The node asks to be drained.
    pub drains: bool,
}

/// Checks once.
pub async fn probe(link: &Arc<Link>, health: &Health) -> Result<CheckAnswer, CheckFailure> {
    let from = clock::monotonic_ms();
    let limit = health.timeout.get();
    let seen = tokio::time::timeout(limit, look(link, health))
        .await
        .unwrap_or_else(|_| Err(CheckFailure::silent(limit)))?;
    let ms = clock::monotonic_ms().saturating_sub(from);
    Ok(match seen {
        Some((status, drains)) => CheckAnswer { words: format!("check {status} in {ms} ms"), drains },
        None => CheckAnswer { words: format!("connects in {ms} ms"), drains: false },
    })
}

/// Asks for an answer where the conf asks for none: any will do, whatever it says.
pub async fn ask_for_any(
    link: &Arc<Link>,
    health: &Health,
    limit: Duration,
) -> Result<CheckAnswer, CheckFailure> {
    let kind = Some(HealthKind::Http);
    let asked = Health {
        kind,
        status: "100-599".into(),
        draining: None,
        timeout: crate::base::units::Duration(limit),
        ..health.clone()
    };
    probe(link, &asked).await.or_else(|failure| match failure.meaning {
        Meaning::Definite => Ok(CheckAnswer { words: failure.why, drains: false }),
        Meaning::Silent | Meaning::Refused | Meaning::Ours => Err(failure),
    })
}

/// The status, if one was asked for, and whether it is a wish to be drained.
async fn look(link: &Arc<Link>, health: &Health) -> Result<Option<(u16, bool)>, CheckFailure> {
    let limit = health.timeout.get();
    if health.kind() != HealthKind::Http {
        let opened = dial::dial(link, link.protocol, limit).await;
        return opened.map(|_| None).map_err(|why| unreachable(link, &why, limit));
    }
    let status = ask(link, health).await?;
    let says = |ranges: &str| {
        Ok(config::status_ranges(ranges)
            .map_err(|why| CheckFailure::definite(why.to_string()))?
            .iter()
            .any(|range| range.contains(&status)))
    };
    let drains = health.draining.as_deref().map_or(Ok(false), says)?;
    match drains || says(&health.status)? {
        true => Ok(Some((status, drains))),
        false => Err(CheckFailure::definite(format!("status {status}"))),
    }
}

/// What it says of a node that no connection opens.
fn unreachable(link: &Link, why: &NoConnection, limit: Duration) -> CheckFailure {
    match (why, &link.url.unix) {
        (NoConnection::Socket(error), Some(path)) if error.kind() == ErrorKind::NotFound => {
            CheckFailure::refused(format!("no socket at {}", path.display()))
        }
        // the kernel gave up on a silent node before we did
        (NoConnection::Socket(error), _) if error.kind() == ErrorKind::TimedOut => {
            CheckFailure::silent(limit)
        }
        (NoConnection::Late(_), _) => CheckFailure::silent(limit),
        (NoConnection::Socket(error), _) if dial::is_ours(error) => {
            CheckFailure { why: words(error), meaning: Meaning::Ours }
        }
        (NoConnection::Socket(error), _) => CheckFailure::refused(words(error)),
        (NoConnection::Tls(error), _) => CheckFailure::definite(match error.get_ref() {
            Some(inner) if inner.is::<rustls::Error>() => why.to_string(),
            _ => format!("TLS: {}", words(error)),
        }),
        (NoConnection::Unresolved(_) | NoConnection::Forbidden(_), _) => {
            CheckFailure::refused(why.to_string())
        }
    }
}

/// Asks for the path; reads no further than the head of the answer.
async fn ask(link: &Arc<Link>, health: &Health) -> Result<u16, CheckFailure> {
    let (limit, path) = (health.timeout.get(), health.path.as_deref().unwrap_or("/"));
    let host = health.host.as_deref().or(link.authority.to_str().ok()).unwrap_or("localhost");
    let request =
        Request::get(path).header("host", host).header("user-agent", "homing-check").header("accept", "*/*");
    let request = request.header("connection", "close").body(());
    let (head, ()) = request
        .map_err(|error| CheckFailure::definite(format!("the check cannot be asked: {error}")))?
        .into_parts();
    let pool = Rc::new(Pool::apart());
    let ask = async |over| {
        let limits = ExchangeLimits {
            now: Now::look(),
            alarm: None,
            connect: limit,
            response: limit,
            max_idle: 0,
            over,
            connections: 1,
            queue: limit,
            waiting: &AtomicU32::new(0),
            client: ClientNetwork::of(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            keep: 0,
        };
        send::send(&pool, link, Cow::Borrowed(&head), RequestBody::Empty, &limits, async |_| ()).await
    };
    let sent = match ask(ConnectionUse::New).await {
        Err(error) if error.kind == SendFailure::WantsHttp1 => ask(ConnectionUse::Http1).await,
        sent => sent,
    };
    sent.map(|answer| answer.response.status().as_u16()).map_err(|error| unanswered(link, &error, limit))
}

/// What it says of a node that the check was not answered.
fn unanswered(link: &Link, error: &SendError, limit: Duration) -> CheckFailure {
    match (&*error.cause, error.kind) {
        (Cause::NoConnection(why), _) => unreachable(link, why, limit),
        (_, SendFailure::Timeout | SendFailure::Full) => CheckFailure::silent(limit),
        (Cause::NoHead(NoHead::Closed | NoHead::Broken), _) => {
            CheckFailure::definite("closes the connection without an answer")
        }
        (Cause::NoHead(NoHead::Failed(error)), _) => CheckFailure::definite(words(error)),
        (Cause::NoHead(NoHead::Malformed(Malformed::TooLarge)), _) => {
            CheckFailure::definite("answers with a head that is too large")
        }
        (Cause::NoHead(NoHead::Malformed(why)), _) => {
            CheckFailure::definite(format!("answers, but not in HTTP: {why}"))
        }
        (Cause::BadHead(why), _) => CheckFailure::definite(format!("answers, but not in HTTP: {why}")),
        (Cause::Other(why), _) => CheckFailure::definite(why),
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
