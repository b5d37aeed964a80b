//! What the mere passing of time changes: nodes that are eased in, nodes whose pause is over, sessions that
//! fell idle.

use crate::base::clock::Now;
use crate::table::{Cluster, Current, NodeLive, State};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// Each second one of so many parts of each ledger is looked through.
const PARTS: usize = 4;

/// The tick of a second.
pub struct Housekeeping {
    /// Nodes that were set aside at the last tick, by the address of their live cells: these stay put while
    /// in use, and a reused one costs a needless rescore at worst.
    ejected: HashSet<usize>,
    part: usize,
}

impl Housekeeping {
    /// Before the first tick.
    pub fn new() -> Self {
        Self { ejected: HashSet::new(), part: 0 }
    }

    /// Ticks every second, for ever.
    pub async fn run(mut self, current: Arc<Current>) {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            self.tick(&current, Now::look());
        }
    }

    /// Brings every board up to date and forgets idle sessions.
    pub fn tick(&mut self, current: &Current, now: Now) {
        let table = current.load_full();
        let mut ejected = HashSet::new();
        for cluster in &table.clusters {
            self.refresh(cluster, &mut ejected, now);
            if cluster.roster.any_tells() {
                cluster.live.look_through(now, self.part, PARTS);
            }
            cluster.roster.placement.redraw();
        }
        for cluster in table.known() {
            cluster.live.sweep(now, cluster.idle_secs(), self.part, PARTS);
        }
        self.ejected = ejected;
        self.part = (self.part + 1) % PARTS;
    }

    fn refresh(&self, cluster: &Cluster, ejected: &mut HashSet<usize>, now: Now) {
        for node in cluster.nodes() {
            let live = &node.live;
            let key = Arc::as_ptr(live).cast::<NodeLive>() as usize;
            let (is, was) = (live.evidence.is_ejected(now), self.ejected.contains(&key));
            if is {
                ejected.insert(key);
            }
            if was && !is && node.state(now) != State::Down {
                info!(
                    "cluster {} node {} is given sessions again after its failures",
                    cluster.name, node.spec.name
                );
            }
            cluster.roster.pass(node, now);
            // what a node says of itself is in no table
            live.send_sockets_away(node.sends_sockets_away(now));
            // all of them, each second: an ejection that began and ended between two ticks must not be missed
            cluster.live.rescore(live.slot, now);
        }
    }
}

impl Default for Housekeeping {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::health::tests::table;
    use crate::table::evidence::{FailureKind, Witness};
    use crate::table::{Health, Rise};

    #[test]
    fn pauses_are_noticed_to_begin_and_to_end() {
        let current = Current::from(table(&[("shop", "", "n1 = \"http://127.0.0.1:1\"")], None));
        let live = Arc::clone(&current.load().clusters[0].nodes().next().unwrap().live);
        let at = |ms| Now::at(Duration::from_millis(ms));
        live.set_health(Health::Up, "", Rise::Found, at(0));
        let mut pulse = Housekeeping::new();
        pulse.tick(&current, at(0));
        assert!(pulse.ejected.is_empty());
        assert!(live.evidence.failed(FailureKind::Refused, Witness::default(), 1, 40, at(10)));
        pulse.tick(&current, at(49));
        assert_eq!(pulse.ejected.len(), 1);
        pulse.tick(&current, at(50));
        assert!(pulse.ejected.is_empty());
        assert_eq!(pulse.part, 3);
    }
}
