//! The real binary over real sockets: what it promises its users, each promise with a test that can fail.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "proxy/access.rs"]
mod access;
#[path = "proxy/addresses.rs"]
mod addresses;
#[path = "proxy/affinity.rs"]
mod affinity;
#[path = "proxy/alike.rs"]
mod alike;
#[path = "proxy/certificates.rs"]
mod certificates;
#[path = "proxy/chain.rs"]
mod chain;
#[path = "proxy/checks.rs"]
mod checks;
#[path = "proxy/early.rs"]
mod early;
#[path = "proxy/failover.rs"]
mod failover;
#[path = "proxy/forwarded.rs"]
mod forwarded;
#[path = "proxy/hygiene.rs"]
mod hygiene;
#[path = "proxy/ids.rs"]
mod ids;
#[path = "proxy/leaving.rs"]
mod leaving;
#[path = "proxy/lifecycle.rs"]
mod lifecycle;
#[path = "proxy/listeners.rs"]
mod listeners;
#[path = "proxy/memory.rs"]
mod memory;
#[path = "proxy/nodes.rs"]
mod nodes;
#[path = "proxy/pins.rs"]
mod pins;
#[path = "proxy/pressure.rs"]
mod pressure;
#[path = "proxy/refusals.rs"]
mod refusals;
#[path = "proxy/reload.rs"]
mod reload;
#[path = "proxy/room.rs"]
mod room;
#[path = "proxy/rules.rs"]
mod rules;
#[path = "proxy/streams.rs"]
mod streams;
#[path = "proxy/support/mod.rs"]
mod support;
#[path = "proxy/tls.rs"]
mod tls;
#[path = "proxy/unix_sockets.rs"]
mod unix_sockets;
#[path = "proxy/upstream.rs"]
mod upstream;
#[path = "proxy/web_sockets.rs"]
mod web_sockets;
