//! Why a request went where it went: log, header, metric and `homing explain` say one thing, with the real
//! binary over sockets.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "explain/ask.rs"]
mod ask;
#[path = "explain/causes.rs"]
mod causes;
#[allow(dead_code, reason = "shared with the tests of heartbeats")]
#[path = "heartbeat/fleet.rs"]
mod fleet;
#[path = "explain/replay.rs"]
mod replay;
#[path = "proxy/support/mod.rs"]
mod support;
#[path = "explain/verbs.rs"]
mod verbs;
#[allow(dead_code, reason = "shared with the tests of the window itself")]
#[path = "admin/window.rs"]
mod window;
#[path = "explain/words.rs"]
mod words;
