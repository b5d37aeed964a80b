//! Homing: a layer-7 sticky-session reverse proxy.
//!
//! The map of the house, in import order: a module imports only from modules above it in this list, and from its own folder.

pub mod upstream;
pub mod affinity;
pub mod balance;
pub mod base;
pub mod cli;
pub mod config;
pub mod control;
pub mod feed;
pub mod net;
pub mod proxy;
pub mod table;
pub mod upstream;
pub mod wire;
