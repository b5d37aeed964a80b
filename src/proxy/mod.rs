//! proxy

pub mod access_log;
pub mod headers;
pub mod log_writer;
pub mod template;
