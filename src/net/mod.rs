//! Client connections: sockets, TLS, and one task a connection.

pub mod client_io;
pub mod connection;
mod date;
pub mod doors;
pub mod http1;
pub mod http2;
pub mod listen;
pub mod stream;
pub mod threads;
pub mod tls;
mod uploads;
