//! proxy

pub mod access_log;
pub mod headers;
pub mod log_writer;
pub mod rewrite;
pub mod template;
