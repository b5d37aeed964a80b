//! Headers that end at a proxy, and what it adds of itself.

use crate::wire::forwarded::Teller;
use crate::wire::request_id::RequestId;
use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What concerns one connection only.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::PROXY_AUTHORIZATION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    HTTP2_SETTINGS,
];

/// Whether a name is one of [`HOP_BY_HOP`]. Asked of every header of every message: by its length, most are
/// not.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "transfer-encoding"
            | "upgrade"
            | "te"
            | "proxy-authorization"
            | "keep-alive"
            | "proxy-connection"
            | "http2-settings"
    )
}

/// Headers that no `Connection` line may make us drop: a client could otherwise change what is asked. Nor those
/// that say who it is.
const END_TO_END: [&str; 8] = [
    "authorization",
    "cache-control",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "set-cookie",
    "via",
];

/// Removes what concerns one connection only (RFC 9110 7.6.1), of a request or of an answer.
///
/// `te: trailers` stays, `trailer` and `proxy-authenticate` are end to end. An upgrade is taken off too: read
/// it with [`asks_for_websocket`] first.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    if headers.contains_key(header::CONNECTION) {
        strip_named(headers);
        headers.remove(header::CONNECTION);
    }
    for name in HOP_BY_HOP.iter().filter(|name| **name != header::TE) {
        headers.remove(name);
    }
    if headers.contains_key(header::TE) {
        let trailers = headers
            .get_all(header::TE)
            .iter()
            .any(|line| tokens(line).any(|token| token.eq_ignore_ascii_case("trailers")));
        match trailers {
            true => drop(headers.insert(header::TE, HeaderValue::from_static("trailers"))),
            false => drop(headers.remove(header::TE)),
        }
    }
}

/// Removes what `Connection` names, as far as it may name it.
fn strip_named(headers: &mut HeaderMap) {
    let mut named = Vec::new();
    for token in headers.get_all(header::CONNECTION).iter().flat_map(tokens) {
        let common =
            ["keep-alive", "close", "upgrade", "te"].iter().any(|known| token.eq_ignore_ascii_case(known));
        if !common && !END_TO_END.iter().any(|known| token.eq_ignore_ascii_case(known)) {
            let name = HeaderName::from_bytes(token.as_bytes()).ok();
            named.extend(name.filter(|name| Teller::of(name.as_str()) == Teller::Anybody));
        }
    }
    for name in named {
        headers.remove(name);
    }
}

/// The members of a comma-separated line.
fn tokens(line: &HeaderValue) -> impl DoubleEndedIterator<Item = &str> {
    line.to_str().unwrap_or_default().split(',').map(str::trim).filter(|token| !token.is_empty())
}

/// Whether an upgrade to WebSocket is asked for, with the key that no server may do without (RFC 6455 section
/// 4.2.1). No other protocol is one for us: `h2c`, for one, would carry requests past every rule.
pub fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let says = |name: HeaderName, word: &str| {
        headers.get_all(name).iter().flat_map(tokens).any(|token| token.eq_ignore_ascii_case(word))
    };
    headers.contains_key(header::UPGRADE)
        && says(header::UPGRADE, "websocket")
        && says(header::CONNECTION, "upgrade")
        && headers.get(header::SEC_WEBSOCKET_KEY).is_some_and(|key| !key.is_empty())
}

/// Whether the client waits for leave to send its body.
pub fn expects_continue(headers: &HeaderMap) -> bool {
    headers.contains_key(header::EXPECT)
        && headers
            .get_all(header::EXPECT)
            .iter()
            .flat_map(tokens)
            .any(|token| token.eq_ignore_ascii_case("100-continue"))
}

/// Adds to a list header, keeping it one line: many servers read only the first.
pub(super) fn append(headers: &mut HeaderMap, name: HeaderName, member: &[u8]) {
    let mut joined = Vec::new();
    for line in headers.get_all(&name) {
        joined.extend_from_slice(line.as_bytes());
        joined.extend_from_slice(b", ");
    }
    joined.extend_from_slice(member);
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        headers.insert(name, value);
    }
}

/// The one id that this header gives the request.
pub fn request_id(headers: &HeaderMap, name: &HeaderName) -> Option<RequestId> {
    let mut lines = headers.get_all(name).iter();
    lines.next().and_then(RequestId::read).filter(|_| lines.next().is_none())
}

/// How many proxies like this one a message says that it came through.
pub fn passages(headers: &HeaderMap) -> usize {
    let ours = |member: &&str| member.split_whitespace().nth(1) == Some("homing");
    headers.get_all(header::VIA).iter().flat_map(tokens).filter(ours).count()
}

/// Adds this proxy to `Via`. The version is that of the message received.
pub fn via(headers: &mut HeaderMap, version: Version) {
    let member = match version {
        Version::HTTP_10 => "1.0 homing",
        Version::HTTP_2 => "2.0 homing",
        Version::HTTP_3 => "3.0 homing",
        _ => "1.1 homing",
    };
    append(headers, header::VIA, member.as_bytes());
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
