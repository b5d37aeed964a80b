//! Trailers (RFC 9110 section 6.5): what may stand there, whichever HTTP brings them.

use super::Malformed;
use super::forwarded::Teller;
use http::{HeaderMap, HeaderName, header};

/// What would change framing or routing.
const FRAMING: [HeaderName; 3] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::HOST];

/// What concerns one connection only, and ends a stream of HTTP/2.
const HOP_BY_HOP: [HeaderName; 5] = [
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A client has none that would change framing or routing. What it says there of itself is left out: proxies say
/// that in the head, and servers that merge the two would believe it.
pub fn of_client(trailers: &mut HeaderMap) -> Result<(), Malformed> {
    if FRAMING.iter().any(|name| trailers.contains_key(name)) {
        return Err(Malformed::ForbiddenTrailer);
    }
    of_node(trailers);
    let strange = |name: &&HeaderName| Teller::of(name.as_str()) != Teller::Anybody;
    let strange: Vec<HeaderName> = trailers.keys().filter(strange).cloned().collect();
    for name in strange {
        trailers.remove(name);
    }
    Ok(())
}

/// A node's are left out where they may not stand.
pub fn of_node(trailers: &mut HeaderMap) {
    for name in FRAMING.iter().chain(&HOP_BY_HOP) {
        trailers.remove(name);
    }
}
