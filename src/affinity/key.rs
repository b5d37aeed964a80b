//! A key of the request itself: a query parameter, a header, or where it comes from.

use super::error::AffinityError;
use super::{FoundPin, PinLookup, PinRequest, Via};
use crate::base::hash::hash64;
use http::header::HeaderName;
use std::hash::Hasher;
use std::net::IpAddr;

/// What the key is, and whether the ledger keeps its node.
#[derive(Debug)]
pub(super) struct KeyForm {
    pub source: KeySource,
    pub remember: bool,
}

/// Where the key is read.
#[derive(Debug)]
pub(super) enum KeySource {
    /// A query parameter.
    Query(Box<str>),
    /// A request header.
    Header(HeaderName),
    /// The client's address.
    Address,
}

impl KeySource {
    /// Reads "query:NAME", "header:NAME" or "source".
    pub(super) fn parse(text: &str) -> Result<Self, AffinityError> {
        match text.split_once(':') {
            None if text == "source" => Ok(Self::Address),
            Some(("query", name)) if !name.is_empty() => Ok(Self::Query(name.into())),
            Some(("header", name)) => HeaderName::from_bytes(name.as_bytes())
                .map(Self::Header)
                .map_err(|_| AffinityError::HeaderName(name.to_owned())),
            _ => Err(AffinityError::Key(text.to_owned())),
        }
    }
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Query(name) => write!(out, "query:{name}"),
            Self::Header(name) => write!(out, "header:{name}"),
            Self::Address => out.write_str("source"),
        }
    }
}

impl KeyForm {
    /// True when the ledger keeps each key's node.
    pub(super) fn remembers(&self) -> bool {
        self.remember
    }

    /// The key's hash; no key and an empty one are the same.
    pub(super) fn read<'t>(&'t self, request: &PinRequest<'_>) -> PinLookup<'t> {
        match self.hash(request) {
            None => PinLookup::absent(None),
            Some(hash) if self.remember => PinLookup::new(FoundPin::Ledger { via: Via::Key }, Some(hash)),
            Some(hash) => PinLookup::new(FoundPin::Key { hash }, Some(hash)),
        }
    }

    fn hash(&self, request: &PinRequest<'_>) -> Option<u64> {
        match &self.source {
            KeySource::Query(name) => {
                let mut values = query_values(request.uri.query()?, name);
                values.find(|value| !value.is_empty()).map(hash_decoded)
            }
            KeySource::Header(name) => {
                let value = request.headers.get(name)?.as_bytes().trim_ascii();
                (!value.is_empty()).then(|| hash64(value))
            }
            KeySource::Address => Some(match request.client.to_canonical() {
                IpAddr::V4(ip) => hash64(&ip.octets()),
                IpAddr::V6(ip) => hash64(&ip.octets()),
            }),
        }
    }
}

/// The values of a query parameter, as they stand there.
pub(super) fn query_values<'q>(query: &'q str, name: &'q str) -> impl Iterator<Item = &'q [u8]> {
    let pieces = query.as_bytes().split(|byte| *byte == b'&');
    pieces.filter_map(move |piece| piece.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// `hash64` of the text with its percent signs decoded once, without making that text.
pub(super) fn hash_decoded(text: &[u8]) -> u64 {
    let mut hasher = twox_hash::XxHash64::with_seed(0);
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        hasher.write(&rest[..at]);
        let digit = |place: usize| rest.get(at + place).and_then(|byte| char::from(*byte).to_digit(16));
        match (digit(1), digit(2)) {
            (Some(high), Some(low)) => {
                hasher.write(&[(high << 4 | low) as u8]);
                rest = &rest[at + 3..];
            }
            // A stray percent sign stands for itself.
            _ => {
                hasher.write(b"%");
                rest = &rest[at + 1..];
            }
        }
    }
    hasher.write(rest);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_decoded_once() {
        for (text, decoded) in
            [("a%20b", "a b"), ("%2541", "%41"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("plain", "plain")]
        {
            assert_eq!(hash_decoded(text.as_bytes()), hash64(decoded.as_bytes()), "{text}");
        }
    }
}
