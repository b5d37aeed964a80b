//! The POST around mod_heartbeat's message, as Tomcat's HeartbeatListener writes it: HTTP/1.0 without Host,
//! and behind the body a line end that its length does not count. Any path will do.

use super::datagram::{self, LONGEST};
use http::StatusCode;
use std::ops::Range;

/// The largest head of a request.
const HEAD: usize = 2048;
/// The most lines in it.
const HEADERS: usize = 32;

/// Why there is no message in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostRefusal {
    /// It is not HTTP.
    Garbled(httparse::Error),
    /// Its head goes on and on.
    LargeHead,
    /// It posts nothing.
    NotPosted,
    /// It does not say how long its body is.
    NoLength,
    /// It says so twice, or not in digits.
    OddLength,
    /// It is longer than a message can be.
    TooLong,
}

impl PostRefusal {
    /// What it is answered with.
    pub fn answer(self) -> String {
        let (status, why) = match self {
            Self::Garbled(error) => return answer(StatusCode::BAD_REQUEST, &error.to_string()),
            Self::LargeHead => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large"),
            Self::NotPosted => (StatusCode::METHOD_NOT_ALLOWED, "heartbeats are posted"),
            Self::NoLength => (StatusCode::LENGTH_REQUIRED, "Content-Length is missing"),
            Self::OddLength => (StatusCode::BAD_REQUEST, "Content-Length is not one number"),
            Self::TooLong => {
                return answer(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    &datagram::DatagramRefusal::TooLong.to_string(),
                );
            }
        };
        answer(status, why)
    }
}

/// Where the message is in a request, once the head of it has arrived; the message itself may not have.
pub fn read(received: &[u8]) -> Result<Option<Range<usize>>, PostRefusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(&received[..received.len().min(HEAD)]).map_err(PostRefusal::Garbled)? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial if received.len() >= HEAD => return Err(PostRefusal::LargeHead),
        httparse::Status::Partial => return Ok(None),
    };
    if request.method != Some("POST") {
        return Err(PostRefusal::NotPosted);
    }
    let mut lengths =
        request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next().ok_or(PostRefusal::NoLength)?;
    let digits = std::str::from_utf8(length.value).unwrap_or_default();
    if lengths.next().is_some() || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PostRefusal::OddLength);
    }
    match digits.parse::<usize>() {
        Ok(length) if length <= LONGEST => Ok(Some(head..head + length)),
        _ => Err(PostRefusal::TooLong),
    }
}

/// An answer that Tomcat can read: with a reason phrase and a length, and the connection's end.
pub fn answer(status: StatusCode, text: &str) -> String {
    let reason = status.canonical_reason().unwrap_or("Refused");
    let allow = if status == StatusCode::METHOD_NOT_ALLOWED { "Allow: POST\r\n" } else { "" };
    let (code, length) = (status.as_u16(), text.len());
    format!(
        "HTTP/1.1 {code} {reason}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n{text}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOMCAT: &[u8] =
        b"POST /HeartbeatListener HTTP/1.0\r\nContent-Length: 31\r\nUser-Agent: HeartbeatListener/1.0\r\n\
        Connection: Keep-Alive\r\n\r\nv=1&ready=190&busy=10&port=8009\r\n";

    #[test]
    fn tomcats_own_bytes_are_read() {
        let at = read(TOMCAT).unwrap().unwrap();
        assert_eq!(&TOMCAT[at.clone()], b"v=1&ready=190&busy=10&port=8009");
        for cut in 0..TOMCAT.len() {
            assert_eq!(read(&TOMCAT[..cut]), Ok((cut >= at.start).then_some(at.clone())), "{cut}");
        }
    }

    #[test]
    fn what_is_not_a_heartbeat_is_answered_so() {
        let large = format!("POST / HTTP/1.0\r\nX: {}\r\nContent-Length: 1\r\n\r\n", "x".repeat(HEAD));
        for (request, status) in [
            ("GET / HTTP/1.0\r\n\r\n", "405 Method Not Allowed"),
            ("POST / HTTP/1.0\r\n\r\n", "411 Length Required"),
            ("POST / HTTP/1.0\r\nContent-Length: 1001\r\n\r\n", "413 Payload Too Large"),
            ("POST / HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n", "413 Payload Too Large"),
            ("POST / HTTP/1.0\r\nContent-Length: +1\r\n\r\n", "400 Bad Request"),
            ("POST / HTTP/1.0\r\nContent-Length:\r\n\r\n", "400 Bad Request"),
            ("POST / HTTP/1.0\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n", "400 Bad Request"),
            ("\u{1}\u{2} / HTTP/1.0\r\n\r\n", "400 Bad Request"),
            (&large, "431 Request Header Fields Too Large"),
        ] {
            let answer = read(request.as_bytes()).expect_err(request).answer();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
        }
    }

    #[test]
    fn the_answer_is_what_tomcat_can_read() {
        let expected =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";
        assert_eq!(answer(StatusCode::OK, "OK"), expected);
    }
}
