//! What the affinity is told of requests, answers and nodes, and what it says of an answer.

use super::pin_lookup::PinMeta;
use crate::base::hash::hash64_pair;
use crate::wire::forwarded::FOR;
use http::header::{FORWARDED, HeaderMap, USER_AGENT};
use std::net::{IpAddr, SocketAddr};

/// A node as the affinity sees it.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The node's place in the cluster.
    pub slot: u32,
    /// Its name.
    pub name: &'a str,
    /// Its name as sessions carry it; empty for a node that pins nobody.
    pub route: &'a str,
    /// Its address, if it has one; only dynamic cookies ask for it.
    pub address: Option<SocketAddr>,
}

/// What is read of a request.
#[derive(Debug, Clone, Copy)]
pub struct PinRequest<'a> {
    /// Its method.
    pub method: &'a http::Method,
    /// Its target.
    pub uri: &'a http::Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Who sent it.
    pub client: IpAddr,
    /// A peer that is not trusted says in its headers who asks.
    pub hearsay: bool,
    /// Unix seconds.
    pub now: u64,
}

/// What is known of an answer.
#[derive(Debug, Clone, Copy)]
pub struct PinResponse<'a> {
    /// The request's method.
    pub method: &'a http::Method,
    /// The client came over TLS.
    pub secure: bool,
    /// Unix seconds.
    pub now: u64,
    /// The node that answered.
    pub slot: u32,
    /// Hash of its present run, if that is known.
    pub boot: Option<u32>,
    /// It is the one that the pin named.
    pub honoured: bool,
    /// From the reading.
    pub stamp: PinMeta,
    /// The session's identity; a new one if none was read.
    pub session: u64,
    /// The answer's status.
    pub status: http::StatusCode,
}

/// What the application did with its session, and we with the pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PinOutcome {
    /// Identity of a session id that the application just set.
    pub learned: Option<u64>,
    /// The application ended the session.
    pub ended: bool,
    /// A pin was written.
    pub pinned: bool,
    /// What became of the pin cookie.
    pub cookie: PinSent,
}

/// What became of the pin cookie in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PinSent {
    /// There is none in it.
    #[default]
    None,
    /// Ours was added.
    Inserted,
    /// The client's was renewed.
    Updated,
    /// The application's goes on as it is.
    Provided,
    /// The application's was changed.
    Rewritten,
    /// The application's was taken out, or the client's was ended.
    Deleted,
}

/// Who seems to be asking: the nearest thing to an identity where nothing names the session. What a proxy
/// says that is not trusted is not believed of the address, but tells its clients from one another.
pub fn visitor(client: IpAddr, hearsay: bool, headers: &HeaderMap) -> u64 {
    let agent = headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    let seen = match client.to_canonical() {
        IpAddr::V4(ip) => hash64_pair(&ip.octets(), agent),
        IpAddr::V6(ip) => hash64_pair(&ip.octets(), agent),
    };
    if !hearsay {
        return seen;
    }
    let said = [FOR, FORWARDED].into_iter().flat_map(|name| headers.get_all(name));
    said.fold(seen, |seen, line| hash64_pair(&seen.to_le_bytes(), line.as_bytes()))
}

impl PinRequest<'_> {
    /// Who seems to be asking.
    pub(super) fn visitor(&self) -> u64 {
        visitor(self.client, self.hearsay, self.headers)
    }
}
