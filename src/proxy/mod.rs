//! proxy

pub mod headers;
pub mod template;
