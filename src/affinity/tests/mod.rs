//! Whole exchanges through an affinity: what the node sees, where the request goes, what the client gets.

mod haproxy;
mod learned;
mod others;
mod props;
mod routes;
mod sealed;

use super::*;
use crate::config::model;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use http::{Method, StatusCode, Uri};
use std::sync::Arc;

/// The moment of the captured examples.
pub const NOW: u64 = 1_795_258_798;

pub fn conf(toml: &str) -> model::Affinity {
    model::Affinity::Table(Box::new(toml::from_str(toml).unwrap_or_else(|error| panic!("{toml}: {error}"))))
}

pub fn member<'a>(slot: u32, name: &'a str, route: &'a str) -> Member<'a> {
    Member { slot, name, route, address: format!("10.0.0.{}:8080", 11 + slot).parse().ok() }
}

/// s1 and s2 with the routes a1 and a2; `spare` has none.
pub fn affinity_with(toml: &str, keys: &Arc<KeyRing>) -> Affinity {
    let members = [member(1, "s1", "a1"), member(2, "s2", "a2"), member(3, "spare", "")];
    Affinity::compile(Some(&conf(toml)), "shop", &members, keys.clone()).unwrap()
}

pub fn affinity(toml: &str) -> Affinity {
    affinity_with(toml, &Arc::new(KeyRing::generate()))
}

/// A request and what the node answers.
#[derive(Clone)]
pub struct Visit<'a> {
    pub method: Method,
    pub uri: &'a str,
    pub cookie: Vec<&'a str>,
    pub set_cookie: Vec<&'a str>,
    /// Where it goes when nothing says so.
    pub balanced: u32,
    pub now: u64,
    pub secure: bool,
    pub release: bool,
}

impl Default for Visit<'_> {
    fn default() -> Self {
        Self {
            method: Method::GET,
            uri: "/",
            cookie: vec![],
            set_cookie: vec![],
            balanced: 1,
            now: NOW,
            secure: false,
            release: false,
        }
    }
}

/// What became of it.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub slot: u32,
    pub cookie: Vec<String>,
    pub set_cookie: Vec<String>,
    pub outcome: PinOutcome,
    pub cache: Vec<String>,
    pub session: Option<u64>,
}

fn texts(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Vec<String> {
    headers.get_all(name).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

pub fn request_headers(cookies: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in cookies {
        headers.append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers
}

pub fn read<'t>(affinity: &'t Affinity, uri: &str, cookies: &[&str], now: u64) -> PinLookup<'t> {
    let (headers, uri) = (request_headers(cookies), uri.parse::<Uri>().unwrap());
    affinity.read(&PinRequest {
        method: &Method::GET,
        uri: &uri,
        headers: &headers,
        client: [192, 0, 2, 7].into(),
        hearsay: false,
        now,
    })
}

impl Visit<'_> {
    pub fn go(&self, affinity: &Affinity) -> Seen {
        let mut headers = request_headers(&self.cookie);
        let uri: Uri = self.uri.parse().unwrap();
        let request = PinRequest {
            method: &self.method,
            uri: &uri,
            headers: &headers,
            client: [192, 0, 2, 7].into(),
            hearsay: false,
            now: self.now,
        };
        let own = affinity.read(&request);
        // as if the ledger knew nobody
        let other = matches!(own.found, FoundPin::Ledger { .. })
            .then(|| affinity.read_other(&own, &request))
            .flatten();
        let reading = other.unwrap_or(own);
        let (slot, honoured) = match reading.found {
            FoundPin::Pin { slots, .. } => (slots[0], true),
            _ => (self.balanced, false),
        };
        affinity.prepare(&mut headers);
        let cookie = texts(&headers, COOKIE);
        let mut headers = HeaderMap::new();
        for line in &self.set_cookie {
            headers.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
        }
        if self.release {
            headers.insert(RELEASE, HeaderValue::from_static("1"));
        }
        let answer = PinResponse {
            method: &self.method,
            secure: self.secure,
            now: self.now,
            slot,
            boot: None,
            honoured,
            stamp: reading.stamp,
            session: reading.session.unwrap_or(4711),
            status: StatusCode::OK,
        };
        let outcome = affinity.finish(&answer, &mut headers);
        assert!(!headers.contains_key(RELEASE));
        let (set_cookie, cache) = (texts(&headers, SET_COOKIE), texts(&headers, "cache-control"));
        Seen { slot, cookie, set_cookie, outcome, cache, session: reading.session }
    }
}
