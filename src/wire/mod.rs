//! Codecs: bytes to values and back. No sockets.

pub mod cookies;
pub mod http1;
pub mod identity;
pub mod pem;
pub mod proxy_protocol;
pub mod request_id;
pub mod template;
pub mod traceparent;
