//! The last hour, sampled from the snapshot: the curves of the page. Bounded by the clusters and nodes there
//! are.

use super::quantile::quantile;
use super::status::{Cluster, Status};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How often.
pub const EVERY: Duration = Duration::from_secs(10);
/// Samples of an hour.
const KEPT: usize = 360;

/// What was.
#[derive(Default)]
pub struct MetricHistory {
    clusters: HashMap<String, ClusterHistory>,
}

/// A curve, the oldest sample first; nothing where there was nothing to measure.
#[derive(Default)]
pub struct Series(VecDeque<Option<f32>>);

/// A cluster's curves.
#[derive(Default)]
pub struct ClusterHistory {
    /// Requests a second.
    pub rate: Series,
    /// Milliseconds that nine in ten requests took at most.
    pub p90_ms: Series,
    /// Live sessions.
    pub sessions: Series,
    nodes: HashMap<String, NodeHistory>,
    requests: u64,
    steps: Vec<u64>,
}

/// A node's curves.
#[derive(Default)]
pub struct NodeHistory {
    /// Requests a second.
    pub rate: Series,
    /// Live sessions.
    pub sessions: Series,
    requests: u64,
}

impl Series {
    fn push(&mut self, value: Option<f64>) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(value.map(|value| value as f32));
    }

    /// Its samples.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Option<f32>> + '_ {
        self.0.iter().copied()
    }

    /// The time they span.
    pub fn span(&self) -> Duration {
        EVERY * self.0.len() as u32
    }
}

impl MetricHistory {
    /// Takes a sample, so long after the one before.
    pub fn sample(&mut self, status: &Status, after: Duration) {
        let seconds = after.as_secs_f64().max(0.001);
        self.clusters.retain(|name, _| status.cluster(name).is_some());
        for cluster in &status.clusters {
            self.clusters.entry(cluster.cluster.clone()).or_default().sample(cluster, seconds);
        }
    }

    /// A cluster's past.
    pub fn cluster(&self, name: &str) -> Option<&ClusterHistory> {
        self.clusters.get(name)
    }
}

impl ClusterHistory {
    fn sample(&mut self, cluster: &Cluster, seconds: f64) {
        let traffic = &cluster.traffic;
        self.rate.push(Some(traffic.requests.saturating_sub(self.requests) as f64 / seconds));
        self.requests = traffic.requests;
        let steps: Vec<(f64, u64)> = traffic
            .duration
            .steps
            .iter()
            .map(|step| (step.le, step.count))
            .chain([(f64::INFINITY, traffic.duration.count)])
            .collect();
        let before = |n: usize| self.steps.get(n).copied().unwrap_or_default();
        let since: Vec<(f64, u64)> =
            steps.iter().enumerate().map(|(n, (le, count))| (*le, count.saturating_sub(before(n)))).collect();
        self.p90_ms.push(quantile(&since, 0.9).map(|seconds| seconds * 1000.0));
        self.steps = steps.into_iter().map(|(_, count)| count).collect();
        self.sessions.push(Some(cluster.sessions as f64));
        self.nodes.retain(|name, _| cluster.node(name).is_some());
        for node in &cluster.nodes {
            let past = self.nodes.entry(node.node.clone()).or_default();
            past.rate.push(Some(node.requests.saturating_sub(past.requests) as f64 / seconds));
            past.requests = node.requests;
            past.sessions.push(Some(node.sessions as f64));
        }
    }

    /// A node's past.
    pub fn node(&self, name: &str) -> Option<&NodeHistory> {
        self.nodes.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::status::nothing;
    use serde_json::json;

    fn status(requests: u64, slow: u64) -> Status {
        let traffic = json!({
            "requests": requests, "codes": {}, "whys": {}, "moved": {}, "bytes": 0, "retries": 0, "tunnels": 0,
            "duration": { "count": requests, "sum": 0, "steps": [{ "le": 0.1, "count": requests - slow }, { "le": 0.2, "count": requests }] },
        });
        let cluster = json!({
            "cluster": "app", "state": "ready", "serving": 1, "balance": "", "settings": "", "sessions": 7, "in_flight": 0, "bypass_refused": 0,
            "ledger": { "entries": 0, "limit": 0, "evicted": 0 }, "traffic": traffic, "nodes": [],
        });
        Status { clusters: vec![serde_json::from_value(cluster).unwrap()], ..nothing() }
    }

    #[test]
    fn a_sample_tells_of_its_own_time_alone() {
        let mut history = MetricHistory::default();
        history.sample(&status(100, 0), EVERY);
        history.sample(&status(100, 0), EVERY);
        history.sample(&status(150, 50), EVERY);
        let past = history.cluster("app").unwrap();
        assert_eq!(past.rate.samples().collect::<Vec<_>>(), [Some(10.0), Some(0.0), Some(5.0)]);
        assert_eq!(past.p90_ms.samples().collect::<Vec<_>>(), [Some(90.0), None, Some(190.0)]);
        assert_eq!(past.sessions.span(), EVERY * 3);
    }

    #[test]
    fn an_hour_is_kept_and_what_is_gone_is_forgotten() {
        let mut history = MetricHistory::default();
        (0..2 * KEPT as u64).for_each(|n| history.sample(&status(n, 0), EVERY));
        assert_eq!(history.cluster("app").unwrap().rate.samples().len(), KEPT);
        history.sample(&nothing(), EVERY);
        assert!(history.cluster("app").is_none());
    }
}
