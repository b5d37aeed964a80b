//! The real binary over real sockets: what it promises its users, each promise with a test that can fail.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "proxy/support/mod.rs"]
mod support;

#[path = "proxy/affinity.rs"]
mod affinity;
#[path = "proxy/pins.rs"]
mod pins;
