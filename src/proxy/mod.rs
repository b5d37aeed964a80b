//! proxy

pub mod template;
