//! The life of a request. Read `exchange.rs` first.

pub mod access_log;
pub mod answer;
pub mod client;
pub mod exchange;
mod hand_off;
pub mod headers;
pub mod interim;
pub mod line;
pub mod log_writer;
pub mod recent;
pub mod respond;
pub mod retry;
pub mod rewrite;
pub mod seat;
pub mod session;
pub mod tunnel;
pub mod upgrade;
pub mod watch;
pub mod worker;
