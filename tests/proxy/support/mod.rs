//! What every test stands on: application servers that can misbehave, the real proxy as a child process, and
//! clients that say exactly which bytes they send. Nothing here sleeps and hopes; `until` polls a condition
//! with a deadline.

#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of the harness")]

pub mod app;
pub mod certs;
pub mod client;
pub mod conf;
pub mod h2;
pub mod h2_node;
pub mod load;
pub mod log;
pub mod origin;
pub mod port;
pub mod proxy;
pub mod relay;
pub mod socket;
pub mod spawned;
pub mod wait;
pub mod wire;
pub mod ws;

pub use certs::Certs;
pub use client::Client;
pub use conf::Conf;
pub use h2_node::H2Node;
pub use load::Load;
pub use origin::{Origin, Sessions};
pub use port::free_addr;
pub use proxy::{Proxy, Reload};
pub use spawned::Spawned;
pub use wait::{DEADLINE, until, within};
