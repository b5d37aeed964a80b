//! What stands in a pin for a node: readable text, or a seal over the node's name.

use super::seal::{KeyRing, Sealed};
use super::{Member, dates};
use crate::base::hash::hash64;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Nodes by the text that stands for them, and back.
#[derive(Debug)]
pub(super) struct Texts {
    slots: HashMap<Box<[u8]>, Vec<u32>>,
    texts: HashMap<u32, Box<[u8]>>,
}

impl Texts {
    /// Nodes by their route.
    pub(super) fn routes(members: &[Member<'_>]) -> Self {
        Self::collect(members, |member| member.route.into())
    }

    /// Nodes by HAProxy's keyed hash of their address. A route that was given on its own wins, as `cookie` on
    /// a server line does; nodes without an address go by their route.
    pub(super) fn dynamic(members: &[Member<'_>], key: &str) -> Self {
        Self::collect(members, |member| match member.address {
            Some(address) if member.route == member.name => dynamic(key, address),
            _ => member.route.into(),
        })
    }

    fn collect(members: &[Member<'_>], text: impl Fn(&Member<'_>) -> String) -> Self {
        let mut all = Self { slots: HashMap::new(), texts: HashMap::new() };
        for member in members {
            let text: Box<[u8]> = text(member).into_bytes().into();
            if !text.is_empty() {
                all.slots.entry(text.clone()).or_default().push(member.slot);
                all.texts.insert(member.slot, text);
            }
        }
        all
    }

    /// The same, each written behind a separator.
    pub(super) fn written_behind(mut self, separator: &str) -> Self {
        for text in self.texts.values_mut() {
            *text = [separator.as_bytes(), text].concat().into();
        }
        self
    }

    /// The nodes that a text names.
    pub(super) fn slots(&self, text: &[u8]) -> Option<&[u32]> {
        self.slots.get(text).map(Vec::as_slice)
    }

    /// The nodes that a cookie names which holds nothing but the route: by itself, or behind a dot, as
    /// httpd's recipe writes it (`.ROUTE`) and others do (`NAME.ROUTE`).
    pub(super) fn slots_behind(&self, text: &[u8]) -> Option<&[u32]> {
        let behind = |dot: Option<usize>| dot.and_then(|dot| self.slots(&text[dot + 1..]));
        self.slots(text)
            .or_else(|| behind(memchr::memchr(b'.', text)))
            .or_else(|| behind(memchr::memrchr(b'.', text)))
    }

    /// The text of a node.
    pub(super) fn text(&self, slot: u32) -> Option<&[u8]> {
        self.texts.get(&slot).map(|text| &**text)
    }

    /// All texts.
    pub(super) fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.values().map(|text| &**text)
    }
}

/// HAProxy's dynamic cookie: XXH64 over key, address and port as 32 bits.
pub(super) fn dynamic(key: &str, address: SocketAddr) -> String {
    let mut text = key.as_bytes().to_vec();
    match address {
        SocketAddr::V4(v4) => text.extend_from_slice(&v4.ip().octets()),
        SocketAddr::V6(v6) => text.extend_from_slice(&v6.ip().octets()),
    }
    text.extend_from_slice(&u32::from(address.port()).to_be_bytes());
    format!("{:016x}", hash64(&text))
}

/// Seals and opens pins of one cluster under one cookie name.
#[derive(Debug)]
pub(super) struct Seals {
    ring: Arc<KeyRing>,
    aad: Box<[u8]>,
    slots: HashMap<u64, Vec<u32>>,
    nodes: HashMap<u32, u64>,
}

impl Seals {
    /// What the key is called that pins are sealed with.
    pub(super) fn key_id(&self) -> Option<String> {
        self.ring.id()
    }

    pub(super) fn new(ring: Arc<KeyRing>, cookie: &str, cluster: &str, members: &[Member<'_>]) -> Self {
        let mut all = Self {
            ring,
            aad: format!("{cookie}\0{cluster}").into_bytes().into(),
            slots: HashMap::new(),
            nodes: HashMap::new(),
        };
        for member in members {
            let node = hash64(member.name.as_bytes());
            all.slots.entry(node).or_default().push(member.slot);
            all.nodes.insert(member.slot, node);
        }
        all
    }

    /// The pin, and whether it was sealed with an old key.
    pub(super) fn open(&self, text: &[u8]) -> Option<(Sealed, bool)> {
        self.ring.open(text, &self.aad)
    }

    pub(super) fn slots(&self, node: u64) -> Option<&[u32]> {
        self.slots.get(&node).map(Vec::as_slice)
    }
}

/// The value of a pin cookie.
#[derive(Debug)]
pub(super) enum PinValue {
    /// Readable.
    Text(Texts),
    /// Sealed.
    Sealed(Seals),
}

/// What a pin is written for.
pub(super) struct PinPurpose {
    pub slot: u32,
    pub session: u64,
    pub first: Option<u32>,
    pub boot: Option<u32>,
    pub now: u64,
}

impl PinValue {
    /// What the key is called that it is sealed with, if it is.
    pub(super) fn key_id(&self) -> Option<String> {
        match self {
            Self::Sealed(seals) => seals.key_id(),
            Self::Text(_) => None,
        }
    }

    pub(super) fn is_sealed(&self) -> bool {
        matches!(self, Self::Sealed(_))
    }

    /// Appends the value that stands for the node; false when the node has none.
    pub(super) fn write(&self, out: &mut Vec<u8>, wanted: &PinPurpose) -> bool {
        match self {
            Self::Text(texts) => texts.text(wanted.slot).map(|text| out.extend_from_slice(text)).is_some(),
            Self::Sealed(seals) => {
                let Some(node) = seals.nodes.get(&wanted.slot) else { return false };
                let pin = Sealed {
                    boot: wanted.boot,
                    ..Sealed::new(*node, wanted.session, wanted.first, wanted.now)
                };
                seals.ring.seal(&pin, &seals.aad).map(|text| out.extend_from_slice(&text)).is_some()
            }
        }
    }
}

/// Appends a date stamp with its bar.
pub(super) fn write_stamp(out: &mut Vec<u8>, units: u32) {
    out.push(b'|');
    out.extend_from_slice(&dates::write(units));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_values_are_haproxys() {
        for (key, address, text) in [
            ("MYKEY", "127.0.0.1:80", "356167688c9ce987"),
            ("mysecret", "10.0.0.11:8080", "272b16914da59668"),
            ("mysecret", "[2001:db8::1]:8080", "34ee5fc25c710b37"),
            ("mysecret", "127.0.0.1:39001", "6c24a714886aba2d"),
        ] {
            assert_eq!(dynamic(key, address.parse().unwrap()), text, "{address}");
        }
    }
}
