//! Nodes that announce themselves, with the real binary over sockets; each test is named after the
//! requirement it shows (A1 to E9: what systems with a load-balancing cluster of their own ask of a proxy).

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "heartbeat/again.rs"]
mod again;
#[path = "heartbeat/disk.rs"]
mod disk;
#[path = "heartbeat/elsewhere.rs"]
mod elsewhere;
#[path = "heartbeat/files.rs"]
mod files;
#[path = "heartbeat/fleet.rs"]
mod fleet;
#[path = "heartbeat/forgetting.rs"]
mod forgetting;
#[path = "heartbeat/joining.rs"]
mod joining;
#[path = "heartbeat/list.rs"]
mod list;
#[path = "heartbeat/placement.rs"]
mod placement;
#[path = "heartbeat/places.rs"]
mod places;
#[path = "heartbeat/port.rs"]
mod port;
#[path = "proxy/support/mod.rs"]
mod support;
#[path = "heartbeat/tls.rs"]
mod tls;
#[allow(dead_code, reason = "the window's own tests use the rest")]
#[path = "admin/window.rs"]
mod window;
