//! Codecs: bytes to values and back. No sockets.

pub mod cookies;
pub mod forwarded;
pub mod host;
pub mod http1;
pub mod http2;
pub mod identity;
pub mod keyed_chain;
mod malformed;
pub mod pem;
pub mod pem_error;
pub mod protocol;
pub mod proxy_protocol;
pub mod request_id;
pub mod target;
pub mod template;
pub mod token;
pub mod traceparent;
pub mod trailers;
pub mod websocket;

pub use malformed::Malformed;
