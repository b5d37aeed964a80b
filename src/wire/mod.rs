//! Codecs: bytes to values and back. No sockets, no clock.

pub mod cookies;
pub mod framing;
pub mod pem;
pub mod proxy_protocol;
pub mod template;
