//! The most requests that a node is given at one time, changed while more than that keep coming.

use crate::support::{Client, Conf, Origin, until};
use crate::window::Window;
use std::sync::atomic::{AtomicBool, Ordering};

/// Clients that never stop asking.
const CLIENTS: usize = 24;

#[test]
fn a_limit_holds_from_now_on_however_busy_the_node_is() {
    let nodes = Origin::several(1);
    let affinity = r#"{ cookie = "SRV", value = "route" }"#;
    let window = Window::with(
        Conf::over(&nodes)
            .affinity(affinity)
            .cluster("queue-timeout = \"1m\"")
            .with(&nodes[0], "max-requests = 8"),
    );
    window.all_ready();
    let (over, node) = (AtomicBool::new(false), &nodes[0].state);
    std::thread::scope(|scope| {
        let ask = || {
            let mut client = Client::new(window.proxy.addr).cookie("SRV", "n1");
            while !over.load(Ordering::SeqCst) {
                assert_eq!(client.get("/slow?ms=20").status, 200);
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        // the most requests at the node while so many were begun
        let peak_of = |requests: usize| {
            let from = nodes[0].hits();
            node.peak.store(0, Ordering::SeqCst);
            until("the clients are served", || (nodes[0].hits() >= from + requests).then_some(()));
            node.peak.load(Ordering::SeqCst)
        };
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until("eight are served at one time", || (peak_of(CLIENTS) == 8).then_some(()));
            for (limit, most) in [("2", 2), ("5", 5), ("1", 1), ("off", CLIENTS), ("3", 3)] {
                let said = window.homing(&["set", "app/n1", &format!("max-requests={limit}")]);
                assert_eq!(said.code, 0, "{said:?}");
                until(&format!("at most {limit} are served at one time"), || {
                    (peak_of(2 * CLIENTS) == most).then_some(())
                });
            }
        }));
        over.store(true, Ordering::SeqCst);
        clients.into_iter().for_each(|client| client.join().unwrap());
        held.unwrap_or_else(|fault| std::panic::resume_unwind(fault));
    });
    let is_over = || (window.get("/api/clusters/app").json()["in_flight"] == 0).then_some(());
    until("every place is given back", is_over);
}
