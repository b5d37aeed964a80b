//! The bypass: a value that leads to one named node whatever its state. Sealed with the keys of the pins, so
//! that it is good at every proxy that has them, and never mistaken for a pin.

use super::seal::{KeyRing, Sealed};
use crate::base::hash::hash64;
use crate::wire::cookies;
use http::header::{HeaderMap, HeaderName};
use std::sync::Arc;

/// The header's name.
static HEADER: HeaderName = HeaderName::from_static("homing-bypass");
/// The cookie's name.
pub const COOKIE_NAME: &str = "homing-bypass";

/// Gives out and opens the bypass values of one cluster.
#[derive(Debug)]
pub struct BypassIssuer {
    ring: Arc<KeyRing>,
    aad: Box<[u8]>,
}

impl BypassIssuer {
    /// For the nodes of a cluster.
    pub fn new(ring: Arc<KeyRing>, cluster: &str) -> Self {
        // no cookie has a name that is empty, so no pin has these words
        Self { ring, aad: format!("\0bypass\0{cluster}").into_bytes().into() }
    }

    /// A value that leads to the node until then (unix seconds).
    pub fn issue(&self, node: &str, until: u64) -> Option<String> {
        let pass = Sealed { node: hash64(node.as_bytes()), boot: None, session: until, first: 0, last: 0 };
        String::from_utf8(self.ring.seal(&pass, &self.aad)?.to_vec()).ok()
    }

    /// The hash of the name of the node that the value leads to, if it is ours and not too old.
    pub fn open(&self, value: &[u8], now: u64) -> Option<u64> {
        let (pass, _) = self.ring.open(value, &self.aad)?;
        (now < pass.session).then_some(pass.node)
    }
}

/// The value that a request carries, in the header or else in the cookie, if its cookies mention that.
pub fn carried(headers: &HeaderMap, mentioned: bool) -> Option<&[u8]> {
    match headers.get(&HEADER) {
        Some(value) => Some(value.as_bytes()),
        None if mentioned => cookies::values(headers, COOKIE_NAME.as_bytes()).next(),
        None => None,
    }
}

/// Takes it out of the request: no node is to see it.
pub fn hide(headers: &mut HeaderMap) {
    headers.remove(&HEADER);
    cookies::remove(headers, COOKIE_NAME.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_leads_to_one_node_of_one_cluster_for_a_while() {
        let ring = Arc::new(KeyRing::generate());
        let shop = BypassIssuer::new(ring.clone(), "shop");
        let value = shop.issue("n1", 1000).unwrap();
        assert_eq!(shop.open(value.as_bytes(), 999), Some(hash64(b"n1")));
        assert_eq!(shop.open(value.as_bytes(), 1000), None, "too old");
        assert_eq!(
            BypassIssuer::new(ring.clone(), "bank").open(value.as_bytes(), 1),
            None,
            "another cluster"
        );
        assert_eq!(
            BypassIssuer::new(Arc::new(KeyRing::generate()), "shop").open(value.as_bytes(), 1),
            None,
            "other keys"
        );
        let pin = ring.seal(&Sealed::new(hash64(b"n1"), u64::MAX, None, 1), b"HOMING\0shop").unwrap();
        assert_eq!(shop.open(&pin, 1), None, "a pin is no bypass");
        for wrong in ["", "x", &value[1..], &format!("{value}A")] {
            assert_eq!(shop.open(wrong.as_bytes(), 1), None, "{wrong}");
        }
    }

    #[test]
    fn it_is_found_in_header_and_cookie_and_hidden() {
        for (name, line, found, left) in [
            ("homing-bypass", "V", Some("V"), None),
            ("cookie", "a=1; homing-bypass=V; b=2", Some("V"), Some("a=1; b=2")),
            ("cookie", "homing-bypass=V", Some("V"), None),
            ("cookie", "a=homing-bypass", None, Some("a=homing-bypass")),
            ("cookie", "a=1", None, Some("a=1")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, line.parse().unwrap());
            assert_eq!(carried(&headers, true), found.map(str::as_bytes), "{line}");
            hide(&mut headers);
            assert_eq!(headers.values().next().map(|value| value.to_str().unwrap()), left, "{line}");
        }
    }
}
