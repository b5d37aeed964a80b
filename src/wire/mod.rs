//! wire
pub mod framing;
pub mod proxy_protocol;
