//! The life of a request. Read `exchange.rs` first; `resolve`, `choose`, `load`, `finish` are its steps.

pub mod access_log;
pub mod answer;
mod choose;
pub mod client;
pub mod exchange;
mod finish;
pub mod flights;
mod hand_off;
pub mod headers;
pub mod interim;
pub mod line;
mod load;
pub mod log_writer;
pub mod recent;
pub mod request_head;
pub mod resolve;
pub mod respond;
pub mod retry;
pub mod rewrite;
pub mod session;
pub mod slot;
pub mod timers;
pub mod traces;
pub mod tunnel;
pub mod upgrade;
pub mod worker;
