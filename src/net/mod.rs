//! net
pub mod listen;
pub mod stream;
pub mod tls;
