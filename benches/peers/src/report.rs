//! Tables of what was measured: medians over the rounds, and how Homing compares in each round.

use super::peers::{HOMING, RELAY};
use super::spread::Spread;
use super::works::{Sample, Work};
use std::fmt::Write;

/// What is told of a run beside its samples.
pub struct Run {
    pub machine: String,
    pub versions: Vec<String>,
    pub rounds: usize,
    pub seconds: f64,
    /// Requests a second of the works at a constant rate; 0 without them.
    pub rate: f64,
    pub works: Vec<&'static Work>,
    pub peers: Vec<&'static str>,
    pub samples: Vec<Sample>,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
}

/// One column of the measurements, as a table of its own.
struct Metric {
    title: &'static str,
    note: &'static str,
    of: fn(&Sample) -> Option<f64>,
    /// For people: the number behind the point.
    digits: usize,
    less_is_better: bool,
}

const METRICS: [Metric; 7] = [
    Metric {
        title: "CPU microseconds per request",
        note: "User and system time of the proxy alone, from /proc; per message for WebSockets.",
        of: Sample::cpu_us,
        digits: 1,
        less_is_better: true,
    },
    Metric {
        title: "Requests a second",
        note: "Of one core. A * marks where the proxy's core was not full, so that clients or origin were the limit.",
        of: |sample| sample.per_second.filter(|_| sample.p50_us.is_none()),
        digits: 0,
        less_is_better: false,
    },
    Metric {
        title: "Latency p50, microseconds",
        note: RATE,
        of: |sample| sample.p50_us,
        digits: 0,
        less_is_better: true,
    },
    Metric {
        title: "Latency p99, microseconds",
        note: RATE,
        of: |sample| sample.p99_us,
        digits: 0,
        less_is_better: true,
    },
    Metric {
        title: "Latency p99.9, microseconds",
        note: RATE,
        of: |sample| sample.p999_us,
        digits: 0,
        less_is_better: true,
    },
    Metric {
        title: "Memory per idle connection, KiB",
        note: "Resident memory that each of 1,000 connections added; kernel memory is not in it.",
        of: |sample| Some(sample.memory_each? / 1024.0),
        digits: 1,
        less_is_better: true,
    },
    Metric {
        title: "Memory at start, MiB",
        note: "Resident, all processes, after one request.",
        of: |sample| sample.memory_each.map(|_| sample.memory as f64 / f64::from(1 << 20)),
        digits: 1,
        less_is_better: true,
    },
];

const RATE: &str =
    "At a constant rate of 60 % of what the slowest can do, from the moment each request was due.";

impl Run {
    fn of<'a>(&'a self, work: &'a Work, peer: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.work == work.name && sample.peer == peer)
    }

    /// A metric over the rounds.
    pub fn spread(&self, of: fn(&Sample) -> Option<f64>, work: &Work, peer: &str) -> Option<Spread> {
        Spread::of(self.of(work, peer).filter_map(of).collect())
    }

    /// Homing ÷ the best of the peers in the same round, or ÷ the relay.
    fn ratio(&self, metric: &Metric, work: &Work, others: &[&'static str]) -> Option<Spread> {
        let in_round = |round: usize| {
            let value = |peer| (metric.of)(self.of(work, peer).find(|sample| sample.round == round)?);
            let all = others.iter().filter_map(|peer| value(*peer));
            let best = if metric.less_is_better { all.reduce(f64::min) } else { all.reduce(f64::max) };
            Some(value(HOMING)? / best?)
        };
        Spread::of((1..=self.rounds).filter_map(in_round).filter(|ratio| ratio.is_finite()).collect())
    }

    /// The whole as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "# Homing beside its peers\n\nMade by `benches/peers/run`; the numbers of every round are in `peers.json`.\n\n",
        );
        let _ = writeln!(text, "- {}", self.machine);
        for version in &self.versions {
            let _ = writeln!(text, "- {version}");
        }
        let _ = writeln!(
            text,
            "- {} rounds of {} s, interleaved; medians, and in brackets lowest and highest",
            self.rounds, self.seconds
        );
        if self.rate > 0.0 {
            let _ = writeln!(text, "- the constant rate: {:.0} requests a second", self.rate);
        }
        for failure in &self.failures {
            let _ = writeln!(text, "- not measured: {failure}");
        }
        let errors: u64 = self.samples.iter().map(|sample| sample.errors).sum();
        let others = self.samples.iter().filter_map(|sample| sample.others).fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "- other programs used at most {:.0} % of the proxies' core during a measurement",
            others * 100.0
        );
        let _ =
            writeln!(text, "- failed requests: {errors}\n\n![CPU per request, the best peer = 1](peers.svg)");
        for metric in &METRICS {
            text += &self.table(metric);
        }
        text += "\n## The works\n\n";
        for work in &self.works {
            let _ = writeln!(text, "- `{}`: {}", work.name, work.what);
        }
        text
    }

    fn table(&self, metric: &Metric) -> String {
        let rivals: Vec<_> =
            self.peers.iter().copied().filter(|peer| *peer != HOMING && *peer != RELAY).collect();
        let mut rows = String::new();
        for work in &self.works {
            let cells: Vec<String> = self.peers.iter().map(|peer| self.cell(metric, work, peer)).collect();
            if cells.iter().all(String::is_empty) {
                continue;
            }
            let ratio = |others: &[&'static str]| {
                let ratio = self.ratio(metric, work, others);
                ratio.map_or_else(String::new, |ratio| ratio.text(2))
            };
            let _ = writeln!(
                rows,
                "| {} | {} | {} | {} |",
                work.name,
                cells.join(" | "),
                ratio(&rivals),
                ratio(&[RELAY])
            );
        }
        if rows.is_empty() {
            return rows;
        }
        let (names, lines) = (self.peers.join(" | "), "---:|".repeat(self.peers.len() + 2));
        format!(
            "\n## {}\n\n{}\n\n| | {names} | ÷ best peer | ÷ relay |\n|---|{lines}\n{rows}",
            metric.title, metric.note
        )
    }

    fn cell(&self, metric: &Metric, work: &Work, peer: &str) -> String {
        let Some(spread) = self.spread(metric.of, work, peer) else { return String::new() };
        let full = self.spread(|sample| sample.busy, work, peer).is_none_or(|busy| busy.middle >= 0.97);
        let mark = if metric.less_is_better || full { "" } else { "*" };
        format!("{:.*}{mark}", metric.digits, spread.middle)
    }

    /// The whole as JSON, a line for each sample.
    pub fn json(&self) -> String {
        let mut whole = serde_json::json!({
            "machine": self.machine, "versions": self.versions, "rounds": self.rounds, "seconds": self.seconds, "rate": self.rate,
        });
        let samples: Vec<String> =
            self.samples.iter().map(|sample| serde_json::json!(sample).to_string()).collect();
        whole["samples"] = "SAMPLES".into();
        format!("{whole:#}\n").replace("\"SAMPLES\"", &format!("[\n    {}\n  ]", samples.join(",\n    ")))
    }
}
