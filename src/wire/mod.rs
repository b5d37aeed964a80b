//! The HTTP wire, byte by byte.

pub mod cookies;
