//! What a data-plane thread does beside requests. It sleeps while there is nothing to do: an idle proxy wakes
//! no core.

use crate::base::clock::Now;
use crate::proxy::worker::Worker;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long what is to be told of a request waits for more.
const TOGETHER: Duration = Duration::from_millis(100);
/// How often is looked at what the passing of time changes.
const EVERY: Duration = Duration::from_secs(1);

/// Hands over what is to be told of requests, for ever.
pub async fn hand_over(worker: Rc<Worker>) {
    loop {
        worker.telemetry.has_news().await;
        tokio::time::sleep(TOGETHER).await;
        worker.telemetry.flush();
    }
}

/// Sweeps again and again while there is something to sweep, for ever.
pub async fn run(worker: Rc<Worker>) {
    loop {
        worker.something_is_open().await;
        tokio::time::sleep(EVERY).await;
        sweep(&worker);
    }
}

/// Closes connections to nodes that were idle for too long or whose node is gone, and tells the ledgers of
/// requests that last.
fn sweep(worker: &Worker) {
    let (table, links) = (worker.table(), worker.pool.links());
    // a node without connections costs a look and no more: there may be thousands
    let with_connections = table
        .clusters
        .iter()
        .flat_map(|cluster| cluster.nodes())
        .filter(|node| links.binary_search(&node.link.id).is_ok());
    let trusted: HashMap<u64, Duration> = with_connections
        .map(|node| (node.link.id, Duration::from_millis(node.link.reuse_ms.load(Relaxed))))
        .collect();
    worker.pool.sweep(|link| trusted.get(&link).copied());
    worker.flights.touch_sessions(&table, Now::look());
}
