//! Nodes come, drain and go, with the real binary: the requirements of the systems that have such clusters, each test named after
//! its own.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "lifecycle/chaos.rs"]
mod chaos;
#[path = "lifecycle/clients.rs"]
mod clients;
#[path = "lifecycle/drain.rs"]
mod drain;
#[allow(dead_code, reason = "the heartbeats' own tests use the rest")]
#[path = "heartbeat/fleet.rs"]
mod fleet;
#[path = "lifecycle/leave.rs"]
mod leave;
#[path = "lifecycle/roles.rs"]
mod roles;
#[path = "proxy/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "each test binary uses its own part of it")]
#[path = "admin/window.rs"]
mod window;
