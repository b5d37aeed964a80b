//! The heads of answers.

use super::{Framing, has_token};
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};
use std::fmt;

/// A node's answer as far as its head tells.
#[derive(Debug)]
pub struct ResponseHead {
    /// The head.
    pub parts: Parts,
    /// Where the body ends.
    pub framing: Framing,
    /// The node takes further requests on this connection.
    pub keep_alive: bool,
}

/// What the status line says beside the number, where that is not the usual word.
#[derive(Debug, Clone)]
pub struct Reason(pub Bytes);

/// Why what a node sent is no head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadError {
    /// It cannot be read.
    Syntax(httparse::Error),
    /// It ends too early.
    CutShort,
    /// It has no status.
    NoStatus,
    /// Its status is none.
    Status(u16),
    /// What stands before a colon is no name.
    Name(String),
    /// The value under this name is none.
    Value(String),
    /// Its Content-Length is no number.
    Length,
    /// It has several lengths.
    Lengths,
    /// Its body is in another coding than chunks, of which a client would not be told.
    Coding,
}

impl fmt::Display for HeadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(out),
            Self::CutShort => out.write_str("it ends too early"),
            Self::NoStatus => out.write_str("it has no status"),
            Self::Status(code) => write!(out, "status {code}"),
            Self::Name(name) => write!(out, "header name {name:?}"),
            Self::Value(name) => write!(out, "the value of {name}"),
            Self::Length => out.write_str("its Content-Length is no number"),
            Self::Lengths => out.write_str("it has several lengths"),
            Self::Coding => out.write_str("its Transfer-Encoding is more than \"chunked\""),
        }
    }
}

impl std::error::Error for HeadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Syntax(error) => Some(error),
            _ => None,
        }
    }
}

/// Header lines that most nodes keep to; more cost an allocation.
const FEW: usize = 64;
/// Header lines that no node goes beyond.
const MOST: usize = 1000;

/// Reads a whole head, as leniently as is safe: nodes are trusted, and old.
pub fn parse(head: &Bytes, asked: &Method) -> Result<ResponseHead, HeadError> {
    let mut few = [httparse::EMPTY_HEADER; FEW];
    match parse_into(head, asked, &mut few, false) {
        Err(HeadError::Syntax(httparse::Error::TooManyHeaders | httparse::Error::HeaderName)) => {
            parse_into(head, asked, &mut vec![httparse::EMPTY_HEADER; MOST], true)
        }
        parsed => parsed,
    }
}

/// `folded`: with lines that go on in the next (RFC 9112 section 5.2).
fn parse_into<'b>(
    head: &'b Bytes,
    asked: &Method,
    room: &mut [httparse::Header<'b>],
    folded: bool,
) -> Result<ResponseHead, HeadError> {
    let mut read = httparse::Response::new(room);
    let mut config = httparse::ParserConfig::default();
    config.allow_obsolete_multiline_headers_in_responses(folded);
    if config.parse_response(&mut read, head).map_err(HeadError::Syntax)?.is_partial() {
        return Err(HeadError::CutShort);
    }
    let (Some(code), Some(minor)) = (read.code, read.version) else { return Err(HeadError::NoStatus) };
    let reason = read.reason.unwrap_or_default();
    take(head, code, minor, reason, read.headers, asked, folded)
}

fn take(
    head: &Bytes,
    code: u16,
    minor: u8,
    reason: &str,
    lines: &[httparse::Header<'_>],
    asked: &Method,
    folded: bool,
) -> Result<ResponseHead, HeadError> {
    let status = StatusCode::from_u16(code).map_err(|_| HeadError::Status(code))?;
    let mut headers = HeaderMap::with_capacity(lines.len() + 2);
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes())
            .map_err(|_| HeadError::Name(line.name.to_owned()))?;
        let value = match folded {
            false => HeaderValue::from_maybe_shared(head.slice_ref(line.value)),
            true => {
                let one = line.value.trim_ascii().iter();
                let one: Vec<u8> =
                    one.map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect();
                HeaderValue::from_maybe_shared(Bytes::from(one))
            }
        };
        headers.append(name, value.map_err(|_| HeadError::Value(line.name.to_owned()))?);
    }
    let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let named =
        |token| headers.contains_key(header::CONNECTION) && has_token(&headers, &header::CONNECTION, token);
    let keep_alive = if minor == 0 { named("keep-alive") } else { !named("close") };
    let framing = framing(status, asked, &mut headers)?;
    let mut response = Response::new(());
    (*response.status_mut(), *response.version_mut(), *response.headers_mut()) = (status, version, headers);
    let mut parts = response.into_parts().0;
    if status.canonical_reason() != Some(reason) && !reason.is_empty() {
        parts.extensions.insert(Reason(Bytes::copy_from_slice(reason.as_bytes())));
    }
    Ok(ResponseHead { parts, framing, keep_alive: keep_alive && framing != Framing::UntilClose })
}

/// RFC 9112 section 6.3.
fn framing(status: StatusCode, asked: &Method, headers: &mut HeaderMap) -> Result<Framing, HeadError> {
    let bodiless =
        status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let length = length(headers);
    if bodiless || *asked == Method::HEAD {
        if length.is_err() {
            // nothing is framed by it
            headers.remove(header::CONTENT_LENGTH);
        }
        return Ok(Framing::None);
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return coding(headers);
    }
    Ok(length?.map_or(
        Framing::UntilClose,
        |length| if length == 0 { Framing::None } else { Framing::Length(length) },
    ))
}

/// How a body in transfer codings ends: in chunks, or with the connection where `identity` alone is said, as
/// old servers do. Any other would have to be taken off here.
fn coding(headers: &HeaderMap) -> Result<Framing, HeadError> {
    let mut framing = Framing::UntilClose;
    for line in headers.get_all(header::TRANSFER_ENCODING) {
        for coding in line.to_str().map_err(|_| HeadError::Coding)?.split(',').map(str::trim) {
            match () {
                () if coding.is_empty() || coding.eq_ignore_ascii_case("identity") => {}
                () if coding.eq_ignore_ascii_case("chunked") && framing == Framing::UntilClose => {
                    framing = Framing::Chunked;
                }
                () => return Err(HeadError::Coding),
            }
        }
    }
    Ok(framing)
}

/// The Content-Length, said once however often the node says it (RFC 9110 section 8.6).
fn length(headers: &mut HeaderMap) -> Result<Option<u64>, HeadError> {
    let mut length = None;
    let mut said = 0;
    for text in headers
        .get_all(header::CONTENT_LENGTH)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
    {
        let text = std::str::from_utf8(text).unwrap_or_default().trim();
        let one = Some(text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse::<u64>().ok());
        match (one, length) {
            (None, _) => return Err(HeadError::Length),
            (one, Some(_)) if one != length => return Err(HeadError::Lengths),
            (one, _) => length = one,
        }
        said += 1;
    }
    if let Some(length) = length.filter(|_| said > 1) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(length)
}

/// Writes a head for a client.
pub fn write(out: &mut Vec<u8>, parts: &Parts, framing: Framing) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(if parts.version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(digits.format(parts.status.as_u16()).as_bytes());
    out.push(b' ');
    match parts.extensions.get::<Reason>() {
        Some(Reason(reason)) => out.extend_from_slice(reason),
        None => out.extend_from_slice(parts.status.canonical_reason().unwrap_or("Unknown").as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
    super::lines(out, &parts.headers, framing);
}
