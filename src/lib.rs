//! Homing: a layer-7 sticky-session reverse proxy.
//!
//! The map of the house, in import order: a module imports only from modules above it in this list, and from its own folder.

pub mod base;
pub mod wire;
pub mod config;
pub mod affinity;
pub mod balance;
pub mod table;
pub mod control;
pub mod upstream;
pub mod proxy;
pub mod net;
pub mod feed;
pub mod cli;
