//! Client connections: sockets, TLS, and one task a connection.

pub mod client_io;
pub mod connection;
pub mod doors;
pub mod http2;
pub mod listen;
pub mod stream;
pub mod threads;
pub mod tls;
