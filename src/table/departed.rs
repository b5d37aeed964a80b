//! Clusters that are in the conf no more. What each knew is kept for a while: a file that is moved away and
//! put back, or whose line was taken out by mistake, loses no session.

use super::{Cluster, Table};
use std::collections::HashSet;
use std::sync::Arc;

/// So many are kept; beyond it, those that left first are forgotten.
const MOST: usize = 64;

/// A cluster that left.
#[derive(Clone)]
pub struct Departed {
    /// As it was last.
    pub cluster: Arc<Cluster>,
    /// Seconds since the process started.
    left: u32,
}

impl Departed {
    /// Nobody can come back to it any more.
    fn is_over(&self, now: u32) -> bool {
        u64::from(now.saturating_sub(self.left)) > self.cluster.conf.session_idle.get().as_secs()
    }
}

/// Who has left when these clusters follow on a table, those that left first first.
pub fn departed(before: &Table, clusters: &[Arc<Cluster>], now: u32) -> Vec<Departed> {
    let here: HashSet<&str> = clusters.iter().map(|cluster| &*cluster.name).collect();
    let leave = before.clusters.iter().map(|cluster| Departed { cluster: cluster.clone(), left: now });
    let mut gone: Vec<Departed> =
        before.departed.iter().filter(|gone| !gone.is_over(now)).cloned().chain(leave).collect();
    gone.retain(|gone| !here.contains(&*gone.cluster.name));
    gone.drain(..gone.len().saturating_sub(MOST));
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affinity::KeyRing;
    use crate::base::clock::Now;
    use crate::config;
    use crate::table::compile;
    use std::path::Path;

    /// A table with these clusters.
    fn table(clusters: &[String], before: Option<&Table>) -> Table {
        let clusters: String = clusters
            .iter()
            .map(|name| {
                format!(
                    "[cluster.{name}]\nsession-idle = \"1m\"\naffinity = {{ learn = \"SID\" }}\nnodes = {{ n1 = \"http://127.0.0.1:1\" }}\n"
                )
            })
            .collect();
        let text = format!(
            "[listener.web]\nbind = \"127.0.0.1:0\"\n[[rule]]\nrespond = {{ status = 404 }}\n{clusters}"
        );
        let loaded = config::parse_str(&text, Path::new("homing.toml")).unwrap();
        let context = compile::TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
        compile::compile(Arc::new(loaded.config), &context, before.map(|before| (before, Now::look())))
            .unwrap()
    }

    fn names(n: std::ops::Range<usize>) -> Vec<String> {
        n.map(|n| format!("c{n}")).collect()
    }

    #[test]
    fn a_cluster_that_comes_back_is_the_one_that_left() {
        let first = table(&names(0..2), None);
        let live = first.clusters[1].live.clone();
        live.ledger.open(7, 0, Now::look().secs(), &live.tally(Now::look()));
        // and is not forgotten by tables in between
        let without = table(&names(0..1), Some(&table(&names(0..1), Some(&first))));
        assert_eq!((without.clusters.len(), without.departed.len()), (1, 1));
        let again = table(&names(0..2), Some(&without));
        assert!(Arc::ptr_eq(&again.clusters[1].live, &live) && again.departed.is_empty());
        assert!(Arc::ptr_eq(
            &again.clusters[1].nodes().next().unwrap().live,
            &first.clusters[1].nodes().next().unwrap().live
        ));
    }

    #[test]
    fn those_that_left_are_kept_for_their_time_and_in_number() {
        let now = Now::look().secs();
        let first = table(&names(0..2), None);
        let without = table(&names(0..1), Some(&first));
        assert_eq!(departed(&without, &without.clusters, now + 50).len(), 1);
        assert_eq!(departed(&without, &without.clusters, now + 70).len(), 0);
        let many = table(&names(1..MOST + 20), Some(&table(&names(0..1), None)));
        let none = table(&[], Some(&many));
        assert_eq!(none.departed.len(), MOST);
        assert!(none.departed.iter().all(|gone| *gone.cluster.name != *"c0"), "it left first");
    }
}
