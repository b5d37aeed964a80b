//! Homing: a layer-7 sticky-session reverse proxy.
//!
//! The map of the house, in import order: a module stands on those before it.
//!
//! - [`base`]: units, diagnostics, the clock
//! - [`wire`]: codecs, bytes to values and back
//! - [`transport`]: connections and streams to clients and nodes: bodies and bytes over either HTTP
//! - [`config`]: the conf file, from text to checked data
//! - [`listen`]: where this process listens: addresses, sockets, PROXY protocol, TLS
//! - [`heartbeat`]: what nodes say of themselves, every dialect read into one value
//! - [`upstream`]: one link to a node: dial, keep connections, send
//! - [`balance`]: which node a new session is given
//! - [`affinity`]: how a session is recognised and marked
//! - [`ledger`]: the live sessions of a cluster, and who follows their changes
//! - [`table`]: the immutable picture the data plane reads, and the live cells that outlive it
//! - [`control`]: the one writer of the table
//! - [`telemetry`]: what is written down of requests: record, access log, latest decisions, spans
//! - [`proxy`]: the life of a request; read `proxy::exchange` first
//! - [`net`]: client connections and the threads that serve them
//! - [`serve`]: a small HTTP server for what the control thread answers itself
//! - [`feed`]: checks, heartbeats, names, files: what the network and the disk tell
//! - [`admin`]: the operator's window: page, API, metrics, events
//! - [`app`]: wires everything: components that follow the table, and the loop that changes it
//! - [`cli`]: the command line

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod admin;
pub mod affinity;
pub mod app;
pub mod balance;
pub mod base;
pub mod cli;
pub mod config;
pub mod control;
pub mod feed;
pub mod heartbeat;
pub mod ledger;
pub mod listen;
pub mod net;
pub mod proxy;
pub mod serve;
pub mod table;
pub mod telemetry;
pub mod transport;
pub mod upstream;
pub mod wire;
