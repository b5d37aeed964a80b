//! upstream
pub mod tls;
