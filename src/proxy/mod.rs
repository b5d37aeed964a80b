//! The life of a request. Read `exchange.rs` first; `resolve`, `choose`, `load`, `finish` are its steps.

pub mod answer;
mod choose;
pub mod client;
pub mod exchange;
mod finish;
pub mod flights;
mod hand_off;
pub mod headers;
pub mod interim;
mod load;
pub mod open_request;
pub mod refused;
pub mod request_head;
pub mod resolve;
pub mod respond;
pub mod retry;
pub mod rewrite;
pub mod session;
pub mod slot;
pub mod timers;
pub mod tunnel;
pub mod upgrade;
pub mod worker;
