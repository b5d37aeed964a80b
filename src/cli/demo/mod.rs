//! `homing demo`: a small stateful application on several nodes, a conf for the proxy in front of it, and the
//! words to print. The proxy itself is started by the caller, from `Plan::conf`.

mod answer;
mod app;
mod control;
mod page;
mod run;
mod sessions;
#[cfg(test)]
mod tests;

pub use super::show::{complain, print};
use app::Demo;
pub use control::{DemoControl, DemoNode};
pub use run::run;

use std::fmt::Write;
use std::io::{self, BufRead};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

/// How many further ports are tried when the wanted one is taken.
const FURTHER_PORTS: u16 = 20;
/// The port of the operator's window, where verbs look for it if nothing is said.
const ADMIN_PORT: u16 = 9900;

/// All that a demo needs, its nodes already running.
pub struct DemoPlan {
    /// The proxy's conf file, as text.
    pub conf: String,
    /// The nodes; they end when the last holder lets go.
    pub demo: Arc<Demo>,
    /// What to print before the proxy runs.
    pub banner: String,
}

/// Starts the nodes and finds a port for the proxy: this one, or the next free one.
pub fn plan(nodes: usize, port: u16) -> io::Result<DemoPlan> {
    let demo = Arc::new(Demo::start(nodes)?);
    // both are held until both are found
    let (proxy, admin) = (free(port)?, free(ADMIN_PORT)?);
    let (port, admin) = (proxy.local_addr()?.port(), admin.local_addr()?.port());
    let addresses = demo.addresses();
    Ok(DemoPlan { conf: config(&addresses, port, admin), banner: banner(&addresses, port, admin), demo })
}

/// The proxy's conf: one listener, one cluster, a cookie. Its values are quick where an operator's would be
/// calm, so that a newcomer does not wait for what he came to see.
pub fn config(addresses: &[(String, SocketAddr)], port: u16, admin: u16) -> String {
    let mut conf = format!(
        r#"[server]
workers = 1
admin = "127.0.0.1:{admin}"
access-log = {{ to = "off" }}
shutdown-grace = "1s"
max-connections = 1000

[listener.demo]
bind = "127.0.0.1:{port}"

[[rule]]
cluster = "demo"

[cluster.demo]
# Readable on purpose: the jar shows which node the session is on.
affinity = {{ cookie = "HOMING", value = "route" }}
slow-start = "0s"
timeouts = {{ connect = "500ms" }}
health = {{ path = "/healthz", interval = "500ms", timeout = "500ms", rise = 1, fall = 1 }}
passive = {{ failures = 3, eject = "1s" }}

[cluster.demo.nodes]
"#
    );
    for (name, address) in addresses {
        // Writing to a String cannot fail.
        let _ = writeln!(conf, "{name} = \"http://{address}\"");
    }
    conf
}

/// The words printed at the start.
pub fn banner(addresses: &[(String, SocketAddr)], port: u16, admin: u16) -> String {
    let url = format!("http://127.0.0.1:{port}/");
    let page = format!("http://127.0.0.1:{admin}");
    let there = if admin == ADMIN_PORT { String::new() } else { format!(" --admin {page}") };
    let mut text = format!(
        "Homing demo: {} nodes, one address, every session stays on its node.\n\n  proxy  {url}\n",
        addresses.len()
    );
    let _ = writeln!(text, "  page   {page}/");
    for (name, address) in addresses {
        let _ = writeln!(text, "  {name:<5}  http://{address}/");
    }
    text.push_str("\nTry\n");
    for (command, what) in [
        (format!("curl -c jar -b jar {url}"), "the same node again and again, and its counter counts"),
        (format!("curl {url}"), "no jar, no session: placed anew each time"),
        (format!("open {url}"), "in a browser, and in a private window beside it"),
        (format!("homing explain --last{there}"), "why the last request went where it went"),
        (format!("homing top{there}"), "the nodes, live; the page shows the same"),
    ] {
        let _ = writeln!(text, "  {command:<44}  {what}");
    }
    text.push_str("\nA node's number and Enter kills it, or revives it. Ctrl-C ends it all.\n");
    text
}

/// Reads nodes' numbers from standard input on a thread of its own, until its end. The end of input does not
/// end the demo: it also runs without a terminal.
pub fn keys(demo: Arc<Demo>) {
    let reader = move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if let Some(news) = toggle(&demo, &line) {
                print(&format!("{news}\n"));
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("demo-keys".into()).spawn(reader) {
        complain(&format!("no keys: {error}"));
    }
}

/// Kills the node with that number or name if it is alive, revives it otherwise; what to print, if anything.
fn toggle(demo: &Demo, line: &str) -> Option<String> {
    let word = line.trim();
    if word.is_empty() {
        return None;
    }
    let Some((node, alive)) =
        demo.states().into_iter().find(|(node, _)| node == word || node.strip_prefix('n') == Some(word))
    else {
        return Some(format!("no node {word}"));
    };
    Some(match alive {
        true if demo.kill(&node) => {
            format!("{node} is dead: its sessions are gone, its users are moved once")
        }
        false if demo.revive(&node) => {
            format!("{node} is alive again: new sessions find it, moved ones stay where they are")
        }
        _ => format!("{node} did not follow; try again"),
    })
}

/// The first free port from this one on, or any. It could be taken again before the proxy binds it; then the
/// proxy says so.
fn free(wanted: u16) -> io::Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let near = (wanted..=wanted.saturating_add(FURTHER_PORTS)).find_map(|port| bind(port).ok());
    near.map_or_else(|| bind(0), Ok)
}
