//! Heartbeats in the languages of others, with the real binary over sockets: Apache's mod_heartbeat and
//! Tomcat's HeartbeatListener, HAProxy's agent-check.

#![allow(missing_docs, clippy::unwrap_used, reason = "test code: a failure should stop it at once")]

#[path = "dialects/agents.rs"]
mod agents;
#[path = "dialects/mod_heartbeat.rs"]
mod mod_heartbeat;
#[path = "proxy/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "admin/window.rs"]
mod window;
