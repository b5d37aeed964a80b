//! What `homing top` knows: the latest snapshots, what is selected, and what its user is being asked.

use crate::admin::operate::NodeAction;
use crate::admin::quantile::quantile;
use crate::admin::status::{Cluster, Moves, Node, Status, Traffic};
use crate::base::clock;
use crate::table::State;
use std::collections::VecDeque;
use std::time::Instant;

/// Rates are over so many snapshots.
const KEPT: usize = 6;

/// All that is shown.
pub struct Board {
    taken: VecDeque<(Instant, Status)>,
    /// The latest sessions that were moved.
    pub moves: Option<Moves>,
    /// Why there is no newer snapshot.
    pub trouble: Option<String>,
    /// What came of the latest key.
    pub message: String,
    /// What waits for a yes.
    pub asked: Option<Order>,
    /// How nodes are sorted.
    pub sort: Sort,
    /// Cluster and node.
    selected: Option<(String, String)>,
}

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What is to be done
    pub verb: NodeAction,
    /// in this cluster
    pub cluster: String,
    /// with this node.
    pub node: String,
}

/// How the nodes of a cluster are sorted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sort {
    /// As in the file.
    File,
    /// The most sessions first.
    Sessions,
    /// The busiest first.
    Rate,
    /// Those that do not serve first.
    State,
}

impl Sort {
    /// The next of them, and back to the first.
    pub fn next(self) -> Self {
        match self {
            Self::File => Self::Sessions,
            Self::Sessions => Self::Rate,
            Self::Rate => Self::State,
            Self::State => Self::File,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "as in the file",
            Self::Sessions => "by sessions",
            Self::Rate => "by requests",
            Self::State => "by state",
        }
    }
}

/// A line of the table.
pub enum BoardRow<'a> {
    /// A cluster,
    Cluster(&'a Cluster),
    /// and its nodes.
    Node(&'a Cluster, &'a Node),
}

/// What passed in a second.
pub struct Rates {
    /// Requests.
    pub requests: f64,
    /// Answers of 500 and above.
    pub errors: f64,
    /// Half of the requests of the last seconds took no longer, in milliseconds.
    pub p50_ms: Option<f64>,
    /// All but one in a hundred took no longer.
    pub p99_ms: Option<f64>,
}

impl Board {
    /// With the first snapshot.
    pub fn new(first: Status) -> Self {
        let taken = VecDeque::from([(clock::instant(), first)]);
        Self {
            taken,
            moves: None,
            trouble: None,
            message: String::new(),
            asked: None,
            sort: Sort::File,
            selected: None,
        }
    }

    /// A newer snapshot.
    pub fn take(&mut self, at: Instant, status: Status) {
        self.trouble = None;
        // another process begins to count anew
        if self.now().started != status.started {
            self.taken.clear();
        }
        self.taken.push_back((at, status));
        if self.taken.len() > KEPT {
            self.taken.pop_front();
        }
    }

    /// The newest snapshot.
    pub fn now(&self) -> &Status {
        &self.taken[self.taken.len() - 1].1
    }

    /// The oldest that is kept, and the seconds since.
    fn before(&self) -> Option<(&Status, f64)> {
        let ((begun, before), (end, _)) = (self.taken.front()?, self.taken.back()?);
        Some((before, end.duration_since(*begun).as_secs_f64())).filter(|(_, seconds)| *seconds > 0.0)
    }

    /// Of a cluster.
    pub fn rates(&self, cluster: &Cluster) -> Rates {
        let before = self
            .before()
            .and_then(|(before, seconds)| Some((&before.cluster(&cluster.cluster)?.traffic, seconds)));
        rates(&cluster.traffic, before)
    }

    /// Of everything.
    pub fn all_rates(&self) -> (f64, f64) {
        let parts = self.now().clusters.iter().map(|cluster| self.rates(cluster));
        let elsewhere =
            rates(&self.now().elsewhere, self.before().map(|(before, seconds)| (&before.elsewhere, seconds)));
        parts
            .chain([elsewhere])
            .fold((0.0, 0.0), |(requests, errors), part| (requests + part.requests, errors + part.errors))
    }

    /// Requests in a second, of a node.
    pub fn rate(&self, cluster: &Cluster, node: &Node) -> f64 {
        let known =
            |before: &Status| before.cluster(&cluster.cluster)?.node(&node.node).map(|node| node.requests);
        let before = self.before().and_then(|(before, seconds)| Some((known(before)?, seconds)));
        before.map_or(0.0, |(before, seconds)| node.requests.saturating_sub(before) as f64 / seconds)
    }

    /// The lines of the table.
    pub fn rows(&self) -> Vec<BoardRow<'_>> {
        let mut rows = Vec::new();
        for cluster in &self.now().clusters {
            let mut nodes: Vec<&Node> = cluster.nodes.iter().collect();
            match self.sort {
                Sort::File => {}
                Sort::Sessions => nodes.sort_by_key(|node| std::cmp::Reverse(node.sessions)),
                Sort::Rate => nodes.sort_by(|a, b| self.rate(cluster, b).total_cmp(&self.rate(cluster, a))),
                Sort::State => nodes.sort_by_key(|node| node.state == State::Ready),
            }
            rows.push(BoardRow::Cluster(cluster));
            rows.extend(nodes.into_iter().map(|node| BoardRow::Node(cluster, node)));
        }
        rows
    }

    /// Where the selected node is among the rows; the first one if it is gone.
    pub fn selected(&self, rows: &[BoardRow<'_>]) -> Option<usize> {
        let is = |row: &BoardRow<'_>| match (row, &self.selected) {
            (BoardRow::Node(cluster, node), Some((of, name))) => cluster.cluster == *of && node.node == *name,
            (BoardRow::Node(..), None) => true,
            (BoardRow::Cluster(_), _) => false,
        };
        rows.iter().position(is).or_else(|| rows.iter().position(|row| matches!(row, BoardRow::Node(..))))
    }

    /// Selects the node so many nodes further.
    pub fn select(&mut self, by: isize) {
        let rows = self.rows();
        let nodes: Vec<usize> =
            (0..rows.len()).filter(|at| matches!(rows[*at], BoardRow::Node(..))).collect();
        let here = self.selected(&rows).and_then(|row| nodes.iter().position(|at| *at == row)).unwrap_or(0);
        let there = here.saturating_add_signed(by).min(nodes.len().saturating_sub(1));
        if let Some(BoardRow::Node(cluster, node)) = nodes.get(there).map(|at| &rows[*at]) {
            self.selected = Some((cluster.cluster.clone(), node.node.clone()));
        }
    }

    /// Asks whether the selected node is to be changed.
    pub fn ask(&mut self, verb: NodeAction) {
        let rows = self.rows();
        let order = self.selected(&rows).and_then(|at| match &rows[at] {
            BoardRow::Node(cluster, node) => {
                Some(Order { verb, cluster: cluster.cluster.clone(), node: node.node.clone() })
            }
            BoardRow::Cluster(_) => None,
        });
        self.asked = order;
    }
}

fn rates(now: &Traffic, before: Option<(&Traffic, f64)>) -> Rates {
    let Some((before, seconds)) = before else {
        return Rates {
            requests: 0.0,
            errors: 0.0,
            p50_ms: now.duration.p50_ms,
            p99_ms: now.duration.p99_ms,
        };
    };
    let errors = |traffic: &Traffic| {
        traffic.codes.iter().filter(|(code, _)| code.starts_with('5')).map(|(_, n)| n).sum::<u64>()
    };
    let passed = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
    let of_then = before.duration.steps.iter().map(|step| step.count).chain([before.duration.count]);
    let steps: Vec<(f64, u64)> = now
        .duration
        .steps
        .iter()
        .map(|step| (step.le, step.count))
        .chain([(f64::INFINITY, now.duration.count)])
        .collect();
    let steps: Vec<(f64, u64)> =
        steps.into_iter().zip(of_then).map(|((le, now), then)| (le, now.saturating_sub(then))).collect();
    let ms = |part: f64| quantile(&steps, part).map(|seconds| seconds * 1000.0);
    Rates {
        requests: passed(now.requests, before.requests),
        errors: passed(errors(now), errors(before)),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
    }
}
