//! The heads of requests.

use super::head::{field, lines};
use super::{Framing, Malformed, has_token};
use crate::wire::cookies;
use crate::wire::target::{self, RawTarget};
use bytes::Bytes;
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};

/// A client's request as far as its head tells.
#[derive(Debug)]
pub struct Head {
    /// The head.
    pub parts: Parts,
    /// Where the body ends.
    pub framing: Framing,
    /// The client reads further answers on this connection.
    pub keep_alive: bool,
}

/// Room in the map for what a proxy adds.
const ADDED: usize = 6;

/// Reads a whole head, strictly: no more than `most` header lines.
pub fn parse(head: &Bytes, most: usize) -> Result<Head, Malformed> {
    let mut lines = lines(head);
    let RequestLine { method, uri, raw, version } = request_line(head, lines.next().unwrap_or_default())?;
    let count = memchr::memchr_iter(b'\n', head).count();
    let mut headers = HeaderMap::with_capacity(count.min(most) + ADDED);
    let mut framed =
        Framed { version, host: false, length: None, chunked: false, connection: false, cookies: 0 };
    lines
        .try_for_each(|line| field(&mut headers, head, line, most, |name, value| framed.note(name, value)))?;
    let framing = framed.framing(&method)?;
    if framed.cookies > 1 {
        cookies::join(&mut headers);
    }
    let named = |token| framed.connection && has_token(&headers, &header::CONNECTION, token);
    let keep_alive = if version == Version::HTTP_10 { named("keep-alive") } else { !named("close") };
    let mut request = Request::new(());
    (*request.method_mut(), *request.uri_mut(), *request.version_mut(), *request.headers_mut()) =
        (method, uri, version, headers);
    raw.into_iter().for_each(|raw| drop(request.extensions_mut().insert(*raw)));
    Ok(Head { parts: request.into_parts().0, framing, keep_alive })
}

struct RequestLine {
    method: Method,
    uri: Uri,
    raw: Option<Box<RawTarget>>,
    version: Version,
}

/// Three parts between single spaces.
fn request_line(head: &Bytes, line: &[u8]) -> Result<RequestLine, Malformed> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (method, target, version) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let method = Method::from_bytes(method).map_err(|_| Malformed::BadRequestLine)?;
    let target = target.unwrap_or_default();
    // bytes above ASCII do not belong in a target, but they are read alike everywhere; a fragment is not:
    // some cut it off
    if let Some(wrong) = target.iter().find(|byte| **byte <= b' ' || **byte == 0x7f || **byte == b'#') {
        return Err(match wrong {
            0 => Malformed::Nul,
            b'\r' => Malformed::BareCr,
            _ => Malformed::BadRequestLine,
        });
    }
    let version = match version {
        Some(b"HTTP/1.1") => Version::HTTP_11,
        Some(b"HTTP/1.0") => Version::HTTP_10,
        Some(text) if text.contains(&b'\r') => return Err(Malformed::BareCr),
        Some(_) if !target.is_empty() => return Err(Malformed::BadVersion),
        _ => return Err(Malformed::BadRequestLine),
    };
    let too_long = target.len() >= usize::from(u16::MAX);
    let (uri, raw) = target::read(head, target)
        .map_err(|_| if too_long { Malformed::TargetTooLong } else { Malformed::BadRequestLine })?;
    // RFC 9112 section 3.2; what is left names a host alone
    let formed = match target.first() {
        Some(b'/') => true,
        Some(b'*') => method == Method::OPTIONS,
        _ => method == Method::CONNECT || uri.scheme().is_some_and(is_http),
    };
    if formed { Ok(RequestLine { method, uri, raw, version }) } else { Err(Malformed::BadTarget) }
}

/// Whether a scheme is one that is served here: with another, a rule and the node may not mean the same.
pub(in crate::wire) fn is_http(scheme: &Scheme) -> bool {
    *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS
}

/// What decides where the body ends: RFC 9112 section 6.3, without its leniency.
struct Framed {
    version: Version,
    host: bool,
    length: Option<u64>,
    chunked: bool,
    connection: bool,
    cookies: usize,
}

impl Framed {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), Malformed> {
        if *name == header::HOST {
            if std::mem::replace(&mut self.host, true) {
                return Err(Malformed::DuplicateHost);
            }
        } else if *name == header::CONTENT_LENGTH {
            match (self.chunked, self.length) {
                (true, _) => return Err(Malformed::LengthAndChunked),
                (false, Some(_)) => return Err(Malformed::ConflictingLength),
                (false, None) => self.length = Some(decimal(value.as_bytes())?),
            }
        } else if *name == header::TRANSFER_ENCODING {
            if self.length.is_some() {
                return Err(Malformed::LengthAndChunked);
            }
            let chunked =
                self.version == Version::HTTP_11 && value.as_bytes().eq_ignore_ascii_case(b"chunked");
            if !chunked || std::mem::replace(&mut self.chunked, true) {
                return Err(Malformed::BadTransferEncoding);
            }
        } else if *name == header::CONNECTION {
            self.connection = true;
        } else if *name == header::COOKIE {
            self.cookies += 1;
        }
        Ok(())
    }

    fn framing(&self, method: &Method) -> Result<Framing, Malformed> {
        if !self.host && self.version != Version::HTTP_10 {
            return Err(Malformed::MissingHost);
        }
        match (self.chunked, self.length) {
            (true, _) | (_, Some(1..)) if *method == Method::CONNECT => Err(Malformed::ConnectWithBody),
            (true, _) => Ok(Framing::Chunked),
            (false, Some(length)) if length > 0 => Ok(Framing::Length(length)),
            (false, _) => Ok(Framing::None),
        }
    }
}

/// The digits of the largest length that 64 bits hold.
const MAX_DIGITS: usize = 20;

/// A Content-Length.
pub(in crate::wire) fn decimal(value: &[u8]) -> Result<u64, Malformed> {
    if value.contains(&b',') {
        return Err(Malformed::ConflictingLength);
    }
    if value.is_empty() || value.len() > MAX_DIGITS {
        return Err(Malformed::BadLength);
    }
    value.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9).ok_or(Malformed::BadLength)?;
        sum.checked_mul(10).and_then(|sum| sum.checked_add(u64::from(digit))).ok_or(Malformed::BadLength)
    })
}

/// Writes a head for a node.
pub fn write(out: &mut Vec<u8>, parts: &Parts, framing: Framing) {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    // an authority's form has no path, and a query alone is no target
    if !target.starts_with('/') && target != "*" {
        out.push(b'/');
    }
    match parts.extensions.get::<RawTarget>() {
        Some(raw) => out.extend_from_slice(&raw.written(target)),
        None => out.extend_from_slice(target.as_bytes()),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    super::lines(out, &parts.headers, framing);
    let payload = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
    if framing == Framing::None && payload && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        // RFC 9110 section 8.6: said where one would be expected
        super::line(out, b"content-length", b"0");
    }
    out.extend_from_slice(b"\r\n");
}
