//! A request's place at a node: counted while it lasts, waited for when the node is full.

use crate::base::clock::Now;
use crate::base::waiting::Waiting;
use crate::table::{Cluster, ClusterLive, Node, NodeLive};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A request's place at a node; given up by drop.
pub struct Seat {
    node: Arc<Node>,
    cluster: Arc<ClusterLive>,
    counted: bool,
    limited: bool,
    /// Requests that waited for a place before this one.
    pub behind: u32,
    /// How long it had to wait, if it had to.
    pub waited: Option<Duration>,
}

impl Seat {
    /// Takes a place. At a full node a pinned request waits here instead of being moved: losing the session costs more than the
    /// delay. `None` when `queue-timeout` passed.
    pub async fn take(cluster: &Cluster, node: &Arc<Node>, within: Duration) -> Option<Self> {
        let mut waited = None;
        let limited = node.max_requests().is_some();
        let mut behind = 0;
        if limited {
            let permit = match node.live.places.try_acquire() {
                Ok(permit) => permit,
                Err(_) => {
                    let waiting = Waiting::behind(&node.live.waiting);
                    behind = waiting.behind;
                    let since = Now::look();
                    let permit = tokio::time::timeout(within, node.live.places.acquire()).await.ok()?.ok()?;
                    waited = Some(Now::look().since(since));
                    permit
                }
            };
            permit.forget();
        }
        node.live.in_flight.fetch_add(1, Relaxed);
        node.live.requests.fetch_add(1, Relaxed);
        let seat =
            Self { node: node.clone(), cluster: cluster.live.clone(), counted: cluster.roster.counts_requests, limited, behind, waited };
        seat.rescore();
        Some(seat)
    }

    /// The node it is at.
    pub fn live(&self) -> &Arc<NodeLive> {
        &self.node.live
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affinity::KeyRing;
    use crate::config;
    use crate::table::compile::{Context, adopt, compile};
    use std::path::Path;

    #[tokio::test]
    async fn who_waits_knows_how_many_wait_before() {
        let text = "[listener.web]\nbind = '127.0.0.1:0'\n[cluster.c.nodes]\nn = { url = 'http://127.0.0.1:1', max-requests = 1 }";
        let loaded = config::parse_str(text, Path::new("homing.toml")).unwrap();
        let context = Context { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
        let table = compile(Arc::new(loaded.config), &context, None).unwrap();
        adopt(&table);
        let cluster = &table.clusters[0];
        let node = cluster.node(0).unwrap();
        let take = || Box::pin(Seat::take(cluster, node, Duration::from_secs(60)));
        let first = take().await.unwrap();
        let first_waited = first.behind;
        let (mut second, mut gone, mut third) = (take(), take(), take());
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        for waiting in [&mut second, &mut gone, &mut third] {
            assert!(waiting.as_mut().poll(&mut nobody).is_pending());
        }
        drop((gone, first));
        let second = second.await.unwrap();
        assert_eq!((first_waited, second.behind, node.live.waiting.load(Relaxed)), (0, 0, 1));
        drop(second);
        assert_eq!((third.await.unwrap().behind, node.live.waiting.load(Relaxed)), (2, 0));
    }
}
