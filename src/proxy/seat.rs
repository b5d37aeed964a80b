//! A request's place at a node: counted while it lasts, waited for when the node is full.

use crate::table::{Cluster, ClusterLive, Node};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A request's place at a node; given up by drop.
pub struct Seat {
    node: Arc<Node>,
    cluster: Arc<ClusterLive>,
    counted: bool,
    limited: bool,
}

impl Seat {
    /// Takes a place. At a full node a pinned request waits here instead of being moved: losing the session costs more than the
    /// delay. `None` when `queue-timeout` passed.
    pub async fn take(cluster: &Cluster, node: &Arc<Node>, within: Duration) -> Option<Self> {
        let limited = node.max_requests().is_some();
        if limited {
            let permit = match node.live.places.try_acquire() {
                Ok(permit) => permit,
                Err(_) => tokio::time::timeout(within, node.live.places.acquire()).await.ok()?.ok()?,
            };
            permit.forget();
        }
        node.live.in_flight.fetch_add(1, Relaxed);
        node.live.requests.fetch_add(1, Relaxed);
        let seat = Self { node: node.clone(), cluster: cluster.live.clone(), counted: cluster.roster.counts_requests, limited };
        seat.rescore();
        Some(seat)
    }

    fn rescore(&self) {
        if self.counted {
            self.cluster.rescore(self.node.live.slot);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.node.live.in_flight.fetch_sub(1, Relaxed);
        if self.limited {
            self.node.live.places.add_permits(1);
        }
        self.rescore();
    }
}
