//! A request's slot at a node: counted while it lasts, waited for when the node has as many requests as it
//! may.

use crate::base::clock::Now;
use crate::base::wait_guard::WaitGuard;
use crate::table::{Cluster, ClusterLive, Node, NodeLive};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A request's slot at a node; given up by drop.
pub struct RequestSlot {
    node: Arc<Node>,
    cluster: Arc<ClusterLive>,
    counted: bool,
    /// Requests that waited for a slot before this one.
    pub behind: u32,
    /// How long it had to wait, if it had to.
    pub waited: Option<Duration>,
    /// When it was left.
    left: Option<Now>,
}

impl RequestSlot {
    /// Takes a slot. At a full node a pinned request waits here instead of being moved: losing the session
    /// costs more than the delay. `None` when `queue-timeout` passed. Whoever has it tells the board
    /// ([`RequestSlot::rescore`]): the time may have passed.
    pub async fn take(cluster: &Cluster, node: &Arc<Node>, within: Duration) -> Option<Self> {
        let (mut behind, mut waited) = (0, None);
        if !node.live.limit.try_enter() {
            let waiting = WaitGuard::behind(&node.live.waiting);
            behind = waiting.behind;
            let since = Now::look();
            let mut waits = AbandonedWait { cluster, node, let_in: false };
            tokio::time::timeout(within, node.live.limit.enter()).await.ok()?;
            waits.let_in = true;
            waited = Some(Now::look().since(since));
        }
        node.live.requests.fetch_add(1, Relaxed);
        cluster.live.traffic.slot_taken();
        let counted = cluster.roster.counts_requests;
        Some(Self { node: node.clone(), cluster: cluster.live.clone(), counted, behind, waited, left: None })
    }

    /// The node it is at.
    pub fn live(&self) -> &Arc<NodeLive> {
        &self.node.live
    }

    /// Gives it up.
    pub fn leave(mut self, now: Now) {
        self.left = Some(now);
    }

    /// Brings the board up to date, where requests count there.
    pub fn rescore(&self, now: Now) {
        if self.counts() {
            self.cluster.rescore(self.node.live.slot, now);
        }
    }

    /// A node that limits itself, or was limited meanwhile, is full by its requests whatever the method
    /// counts.
    fn counts(&self) -> bool {
        self.counted || self.node.live.limit.is_set()
    }
}

impl Drop for RequestSlot {
    fn drop(&mut self) {
        self.node.live.limit.leave();
        self.cluster.traffic.slot_left();
        if self.counts() {
            self.cluster.rescore(self.node.live.slot, self.left.unwrap_or_else(Now::look));
        }
    }
}

/// Who waits and leaves may have been let in a moment before, so that the node has room again.
struct AbandonedWait<'a> {
    cluster: &'a Cluster,
    node: &'a Node,
    let_in: bool,
}

impl Drop for AbandonedWait<'_> {
    fn drop(&mut self) {
        if !self.let_in {
            self.cluster.live.rescore(self.node.live.slot, Now::look());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affinity::KeyRing;
    use crate::config;
    use crate::table::compile::{TableContext, adopt, compile};
    use crate::table::{Health, Rise, Table};
    use std::path::Path;

    /// A node that takes one request.
    fn table() -> Table {
        let text = "[listener.web]\nbind = '127.0.0.1:0'\n[cluster.c.nodes]\nn = { url = 'http://127.0.0.1:1', max-requests = 1 }";
        let loaded = config::parse_str(text, Path::new("homing.toml")).unwrap();
        let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
        let table = compile(Arc::new(loaded.config), &context, None).unwrap();
        adopt(&table, Now::look());
        table
    }

    #[tokio::test]
    async fn who_is_let_in_and_has_left_keeps_nobody_out() {
        let table = table();
        let (cluster, now) = (&table.clusters[0], Now::look());
        let node = cluster.node(0).unwrap();
        node.live.set_health(Health::Up, "", Rise::Alone, now);
        cluster.live.rescore(0, now);
        let place = || cluster.roster.placement.peek(None, &[], &mut rand::rng()).map(|(slot, _)| slot);
        assert_eq!(place(), Some(0));
        let take = || Box::pin(RequestSlot::take(cluster, node, Duration::from_secs(60)));
        let first = take().await.unwrap();
        first.rescore(now);
        let mut second = take();
        let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(second.as_mut().poll(&mut nobody).is_pending());
        drop(first);
        assert_eq!((place(), node.live.limit.in_use()), (None, 1), "the place is given on");
        drop(second);
        assert_eq!((place(), node.live.limit.in_use()), (Some(0), 0));
    }

    #[tokio::test]
    async fn who_waits_knows_how_many_wait_before() {
        let table = table();
        let cluster = &table.clusters[0];
        let node = cluster.node(0).unwrap();
        let take = || Box::pin(RequestSlot::take(cluster, node, Duration::from_secs(60)));
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
