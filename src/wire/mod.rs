//! Codecs: bytes to values and back. No sockets, no clock.

pub mod cookies;
pub mod framing;
pub mod proxy_protocol;
