//! Nodes come, drain and go, with the real binary: the requirements of the systems that have such clusters,
//! each test named after its own (A1 to E9; those that ask about heartbeats and the list of nodes are in
//! `tests/heartbeat`).
//!
//! What is out of a proxy's reach, or not yet in it, and what is shown in its place:
//! - C3, a notice to the users of a draining node: a proxy cannot write into an application's pages. With
//!   `tell-state` the application reads `Homing-State: draining` in each request and tells them itself; that,
//!   and the rest of the timeline, is tested.
//! - D8, AJP 1.3 with its secret, CPING and `JK_LB_ACTIVATION`: AJP nodes are refused with "not yet". Over
//!   HTTP `tell-state` is what `JK_LB_ACTIVATION` is there; that is tested.
//! - E5, importing an haproxy.cfg: `homing convert` is to come. WEBDEV's sample (`cookie … insert indirect
//!   nocache`), written as our conf, is tested to behave alike.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "lifecycle/busy.rs"]
mod busy;
#[path = "lifecycle/chaos.rs"]
mod chaos;
#[path = "lifecycle/checks.rs"]
mod checks;
#[path = "lifecycle/clients.rs"]
mod clients;
#[path = "lifecycle/drain.rs"]
mod drain;
#[path = "lifecycle/earlier.rs"]
mod earlier;
#[path = "lifecycle/eased.rs"]
mod eased;
#[allow(dead_code, reason = "the heartbeats' own tests use the rest")]
#[path = "heartbeat/fleet.rs"]
mod fleet;
#[path = "lifecycle/hung.rs"]
mod hung;
#[path = "lifecycle/idle.rs"]
mod idle;
#[path = "lifecycle/leave.rs"]
mod leave;
#[path = "lifecycle/limits.rs"]
mod limits;
#[path = "lifecycle/named_files.rs"]
mod named_files;
#[path = "lifecycle/outage.rs"]
mod outage;
#[path = "lifecycle/roles.rs"]
mod roles;
#[path = "lifecycle/seeds.rs"]
mod seeds;
#[path = "lifecycle/sockets.rs"]
mod sockets;
#[path = "lifecycle/succession.rs"]
mod succession;
#[path = "proxy/support/mod.rs"]
mod support;
#[path = "lifecycle/switched.rs"]
mod switched;
#[allow(dead_code, reason = "each test binary uses its own part of it")]
#[path = "admin/window.rs"]
mod window;
