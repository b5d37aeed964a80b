//! Client connections: the threads that accept them, and one task a connection.

pub mod client_io;
pub mod connection;
mod date;
mod housekeeping;
pub mod http1;
pub mod http2;
mod leaving;
pub mod listeners;
pub mod threads;
mod uploads;
