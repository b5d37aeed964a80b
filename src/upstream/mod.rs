//! One link to a node: dial, keep idle connections of one worker, send a request.

pub mod addresses;
pub mod answer;
mod backoff;
pub mod body;
pub mod client_network;
pub mod dial;
pub mod failure;
mod http1;
pub mod http2;
pub mod interim;
pub mod limits;
pub mod link;
pub mod loop_marks;
pub mod node_certificate;
pub mod own_addresses;
pub mod pool;
pub mod send;
mod shared;
mod stream_exchange;
mod streams;
pub mod tls;
pub mod trust;
pub mod usage;
mod web_socket;
