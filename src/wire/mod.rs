//! Codecs: bytes to values and back. Bodies as they come. No sockets.

pub mod content;
pub mod cookies;
pub mod framing;
pub mod h2;
pub mod identity;
pub mod pem;
pub mod proxy_protocol;
pub mod template;
