//! A small application server to put behind the proxy: `cargo run --example origin -- 127.0.0.1:9001 n1
//! [ROUTE]`. It prints its address and answers `/visit`, `/headers`, `/slow?ms=500`, `/big?n=1000`, `/ws` and
//! more; with a ROUTE it marks sessions with `JSESSIONID=<id>.<route>`. The integration tests start it where
//! they need a process to kill.

#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    reason = "it shares the tests' code, and uses a part of it"
)]

#[path = "../tests/proxy/support/app.rs"]
mod app;
#[path = "../tests/proxy/support/origin.rs"]
mod origin;
#[path = "../tests/proxy/support/port.rs"]
mod port;
#[path = "../tests/proxy/support/wait.rs"]
mod wait;
#[path = "../tests/proxy/support/wire.rs"]
mod wire;
#[path = "../tests/proxy/support/ws.rs"]
mod ws;

use origin::{Sessions, serve_forever};

fn main() {
    let mut args = std::env::args().skip(1);
    let addr = args.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let name = args.next().unwrap_or_else(|| "n1".into());
    serve_forever(&addr, &name, args.next().map_or(Sessions::None, Sessions::Jvm));
}
