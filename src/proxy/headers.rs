//! Headers that end at a proxy, and headers by which a proxy says who asked.

use crate::base::units::Network;
use crate::config::model::ForwardedStyle;
use crate::wire::request_id::RequestId;
use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const SERVER: HeaderName = HeaderName::from_static("x-forwarded-server");

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

/// What is said of the client.
const FORWARDED: [HeaderName; 6] = [FOR, PROTO, HOST, PORT, SERVER, header::FORWARDED];

/// Whether a name is one of [`FORWARDED`].
fn is_forwarded(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "forwarded"
        || name
            .strip_prefix("x-forwarded-")
            .is_some_and(|rest| matches!(rest, "for" | "proto" | "host" | "port" | "server"))
}

/// Headers that no `Connection` line may make us drop: a client could otherwise hide who it is, or change
/// what is asked.
const END_TO_END: [&str; 14] = [
    "authorization",
    "cache-control",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "set-cookie",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Removes what concerns one connection only (RFC 9110 7.6.1), of a request or of an answer.
///
/// `te: trailers` stays, `trailer` and `proxy-authenticate` are end to end. An upgrade is taken off too: read
/// it with [`upgrade_of`] first.
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
            named.extend(HeaderName::from_bytes(token.as_bytes()).ok());
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

/// The protocol asked for by a valid upgrade, e.g. `websocket`. Never `h2c`, which would carry requests past
/// every rule; nor a WebSocket without its key, which no server may agree to (RFC 6455 section 4.2.1).
pub fn upgrade_of(headers: &HeaderMap) -> Option<&str> {
    let asked = headers.get(header::UPGRADE)?.to_str().ok()?.trim();
    let named = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(tokens)
        .any(|token| token.eq_ignore_ascii_case("upgrade"));
    let one = headers.get_all(header::UPGRADE).iter().count() == 1;
    let asks = |name: &str| {
        asked
            .split(',')
            .any(|token| token.split('/').next().unwrap_or_default().trim().eq_ignore_ascii_case(name))
    };
    let keyless = || headers.get(header::SEC_WEBSOCKET_KEY).is_none_or(|key| key.is_empty());
    (named && one && !asked.is_empty() && !asks("h2c") && !(asks("websocket") && keyless())).then_some(asked)
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

/// What a node is told of the client.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The address the connection comes from.
    pub client: IpAddr,
    /// The same as text.
    pub client_text: &'a HeaderValue,
    /// True when that address is one whose forwarded headers are believed.
    pub trusted: bool,
    /// "http" or "https".
    pub scheme: &'static str,
    /// The host as asked for, with port if there was one.
    pub host: Option<&'a HeaderValue>,
    /// The port the listener was reached on.
    pub port: &'a HeaderValue,
}

/// Tells the node who asked. What strangers say of it is replaced; what trusted proxies say is kept and added
/// to.
pub fn forwarded(headers: &mut HeaderMap, style: ForwardedStyle, origin: &Origin<'_>) {
    let said = headers.keys().any(is_forwarded);
    if said && !origin.trusted {
        for name in &FORWARDED {
            headers.remove(name);
        }
    }
    let said = said && origin.trusted;
    if matches!(style, ForwardedStyle::XForwarded | ForwardedStyle::Both) {
        match said {
            true => append(headers, FOR, origin.client_text.as_bytes()),
            false => drop(headers.insert(FOR, origin.client_text.clone())),
        }
        let mut keep_or = |name: HeaderName, value: HeaderValue| {
            if !said || !headers.contains_key(&name) {
                headers.insert(name, value);
            }
        };
        keep_or(PROTO, HeaderValue::from_static(origin.scheme));
        if let Some(host) = origin.host.filter(|host| !host.is_empty()) {
            keep_or(HOST, host.clone());
        }
        keep_or(PORT, origin.port.clone());
    }
    if matches!(style, ForwardedStyle::Forwarded | ForwardedStyle::Both) {
        let client = match origin.client.to_canonical() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("\"[{ip}]\""),
        };
        let host = origin.host.and_then(|host| host.to_str().ok()).unwrap_or("");
        let host: String = host.chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
        append(
            headers,
            header::FORWARDED,
            format!("for={client};host=\"{host}\";proto={}", origin.scheme).as_bytes(),
        );
    }
}

/// Adds to a list header, keeping it one line: many servers read only the first.
fn append(headers: &mut HeaderMap, name: HeaderName, member: &[u8]) {
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

/// The client behind trusted proxies: the rightmost address that is not one of them. From a stranger it is
/// the peer, whatever it says.
pub fn real_client(headers: &HeaderMap, peer: IpAddr, trusted: &[Network]) -> IpAddr {
    let believed = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    let mut client = peer.to_canonical();
    if !believed(client) {
        return client;
    }
    let hop = |text: &str, client: &mut IpAddr| match address(text) {
        Some(ip) => {
            *client = ip.to_canonical();
            believed(*client)
        }
        // Past what nobody can read, nothing can be believed.
        None => false,
    };
    if headers.contains_key(&FOR) {
        let mut hops = headers.get_all(&FOR).iter().rev_lines().flat_map(|line| line.rsplit(','));
        while hops.next().is_some_and(|text| hop(text, &mut client)) {}
    } else {
        let mut hops =
            headers.get_all(header::FORWARDED).iter().rev_lines().flat_map(|line| line.rsplit(','));
        while hops.next().is_some_and(|member| hop(forwarded_for(member), &mut client)) {}
    }
    client
}

/// Lines from the last to the first; one that is not text counts as unreadable.
trait RevLines<'a>: DoubleEndedIterator<Item = &'a HeaderValue> + Sized {
    fn rev_lines(self) -> impl Iterator<Item = &'a str> {
        self.rev().map(|line| line.to_str().unwrap_or("?"))
    }
}

impl<'a, I: DoubleEndedIterator<Item = &'a HeaderValue>> RevLines<'a> for I {}

fn forwarded_for(member: &str) -> &str {
    let pairs = member.split(';').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map_or("", |(_, value)| value)
}

/// An address as these headers write it: bare, quoted, in brackets, with or without port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    if let Some(inner) = text.strip_prefix('[') {
        return inner.split(']').next()?.parse().ok();
    }
    let ip = text.parse().ok();
    ip.or_else(|| {
        text.rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .and_then(|(host, _)| host.parse().ok())
    })
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
