//! The same message in a POST: HTTP/1.0 without Host, as Tomcat's HeartbeatListener writes it.
//!
//! Read by hand because of two things that Tomcat does: behind the body comes a line end that its length does not count, and
//! whoever closes the connection before that is read takes the answer away with it; and without an answer its timer thread waits
//! for ever. So every connection gets one answer, soon, and is closed in order.

use super::{Deaf, Ear};
use crate::control::members;
use crate::heartbeat::datagram::{self, LONGEST};
use crate::net::listen::{Listener, is_exhausted};
use crate::net::stream::Stream;
use http::StatusCode;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tracing::debug;

/// Connections at one time; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 128;
/// The longest a request may take, and its answer.
const LIMIT: Duration = Duration::from_secs(5);
/// How long the sender has to close once it is answered.
const LINGER: Duration = Duration::from_secs(1);
/// The largest head of a request.
const HEAD: usize = 2048;
/// The most lines in it.
const HEADERS: usize = 32;

pub(super) async fn accept(listener: Listener, ear: Rc<Ear>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(from) = peer.address().map(|peer| peer.ip()).filter(|from| ear.admits(*from)) {
                    let ear = ear.clone();
                    tokio::task::spawn_local(async move {
                        connection(stream, from, &ear).await;
                        drop(place);
                    });
                }
            }
            Err(error) => {
                debug!("server.mod-heartbeat: {error}");
                tokio::time::sleep(Duration::from_millis(if is_exhausted(&error) { 50 } else { 1 })).await;
            }
        }
    }
}

async fn connection(mut stream: Stream, from: IpAddr, ear: &Ear) {
    let served = tokio::time::timeout(LIMIT, async {
        let answer = match message(&mut stream).await {
            Ok(body) => match ear.hear(datagram::read_post(&body, from), from).await {
                Ok(()) => Answer::new(StatusCode::OK, "OK"),
                Err(deaf) => Answer::to(&deaf),
            },
            Err(answer) => answer,
        };
        stream.write_all(&answer.bytes()).await?;
        stream.shutdown().await
    });
    if let Ok(Ok(())) = served.await {
        // what was sent and not read makes the kernel reset the connection, and the answer with it
        let mut rest = [0; 512];
        let _ = tokio::time::timeout(LINGER, async { while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {} }).await;
    }
}

/// The body of the one request on a connection.
async fn message(stream: &mut Stream) -> Result<Vec<u8>, Answer> {
    let bad = |why: &str| Answer::new(StatusCode::BAD_REQUEST, why);
    let mut received = Vec::with_capacity(512);
    let (head, length) = loop {
        if let Some(found) = head(&received)? {
            break found;
        }
        if received.len() > HEAD {
            return Err(Answer::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large"));
        }
        more(stream, &mut received).await.ok_or_else(|| bad("the request broke off"))?;
    };
    while received.len() < head + length {
        more(stream, &mut received).await.ok_or_else(|| bad("the body broke off"))?;
    }
    Ok(received[head..head + length].to_vec())
}

/// Reads on; `None` at the end.
async fn more(stream: &mut Stream, received: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 1024];
    let length = stream.read(&mut part).await.ok().filter(|length| *length > 0)?;
    received.extend_from_slice(&part[..length]);
    Some(())
}

/// The lengths of head and body, once the head is there.
fn head(received: &[u8]) -> Result<Option<(usize, usize)>, Answer> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(received) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(Answer::new(StatusCode::BAD_REQUEST, &error.to_string())),
    };
    if request.method != Some("POST") {
        return Err(Answer::new(StatusCode::METHOD_NOT_ALLOWED, "heartbeats are posted"));
    }
    let mut lengths = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-length"));
    match (lengths.next(), lengths.next()) {
        (Some(length), None) => match std::str::from_utf8(length.value).ok().and_then(|text| text.trim().parse().ok()) {
            Some(length) if length <= LONGEST => Ok(Some((head, length))),
            Some(_) => Err(Answer::new(StatusCode::PAYLOAD_TOO_LARGE, &datagram::Refusal::TooLong.to_string())),
            None => Err(Answer::new(StatusCode::BAD_REQUEST, "Content-Length is not a number")),
        },
        (None, _) => Err(Answer::new(StatusCode::LENGTH_REQUIRED, "Content-Length is missing")),
        (Some(_), Some(_)) => Err(Answer::new(StatusCode::BAD_REQUEST, "there are two Content-Length")),
    }
}

struct Answer {
    status: StatusCode,
    text: String,
}

impl Answer {
    fn new(status: StatusCode, text: &str) -> Self {
        Self { status, text: text.to_owned() }
    }

    fn to(deaf: &Deaf) -> Self {
        let status = match deaf {
            Deaf::Malformed(_) => StatusCode::BAD_REQUEST,
            Deaf::Refused(members::Refusal::Unknown(_)) => StatusCode::NOT_FOUND,
            Deaf::Refused(_) => StatusCode::CONFLICT,
        };
        Self::new(status, &deaf.to_string())
    }

    /// Tomcat wants a reason phrase and a length.
    fn bytes(&self) -> Vec<u8> {
        let reason = self.status.canonical_reason().unwrap_or("Refused");
        let allow = if self.status == StatusCode::METHOD_NOT_ALLOWED { "Allow: POST\r\n" } else { "" };
        let (code, length) = (self.status.as_u16(), self.text.len());
        format!(
            "HTTP/1.1 {code} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n{}",
            self.text
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOMCAT: &[u8] = b"POST /HeartbeatListener HTTP/1.0\r\nContent-Length: 31\r\nUser-Agent: HeartbeatListener/1.0\r\n\
        Connection: Keep-Alive\r\n\r\nv=1&ready=190&busy=10&port=8009\r\n";

    #[test]
    fn tomcats_own_bytes_are_read() {
        let (at, length) = head(TOMCAT).ok().flatten().unwrap();
        assert_eq!(&TOMCAT[at..at + length], b"v=1&ready=190&busy=10&port=8009");
        for cut in 0..at {
            assert!(head(&TOMCAT[..cut]).ok().unwrap().is_none(), "{cut}");
        }
        // the line end that the length does not count, in front of a next request
        assert!(head(&[b"\r\n", TOMCAT].concat()).ok().flatten().is_some());
    }

    #[test]
    fn what_is_not_a_heartbeat_is_answered_so() {
        for (request, status) in [
            ("GET / HTTP/1.0\r\n\r\n", 405),
            ("POST / HTTP/1.0\r\n\r\n", 411),
            ("POST / HTTP/1.0\r\nContent-Length: 1001\r\n\r\n", 413),
            ("POST / HTTP/1.0\r\nContent-Length: x\r\n\r\n", 400),
            ("POST / HTTP/1.0\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n", 400),
            ("\u{1}\u{2} / HTTP/1.0\r\n\r\n", 400),
        ] {
            let answer = head(request.as_bytes()).err().map(|answer| answer.status.as_u16());
            assert_eq!(answer, Some(status), "{request:?}");
        }
    }

    #[test]
    fn the_answer_is_what_tomcat_can_read() {
        let answer = Answer::new(StatusCode::OK, "OK").bytes();
        let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
    }
}
