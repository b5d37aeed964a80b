//! The life of a request. Read `exchange.rs` first; `resolve`, `choose`, `outbound`, `place`, `finish` and
//! `answer` are its phases.

pub mod answer;
mod choose;
pub mod client;
mod context;
pub mod exchange;
mod finish;
pub mod flights;
mod forwarded;
mod hand_off;
pub mod headers;
pub mod interim;
pub mod open_request;
mod outbound;
pub mod own_cookie;
mod place;
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
