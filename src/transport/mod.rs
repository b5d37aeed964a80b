//! What both sides of the proxy stand on: sockets, an HTTP/1 connection over one, streams of HTTP/2, and the
//! bodies that come over either.

pub mod body_progress;
pub mod connection_progress;
pub mod h2;
pub mod http1;
pub mod message_body;
pub mod receiving;
pub mod sending;
pub mod shared_deadline;

mod spare;
pub mod stream;
pub mod tunnel;
pub mod watched;
pub mod window;

/// What goes wrong with a body.
pub type MessageBodyError = Box<dyn std::error::Error + Send + Sync>;
