//! A table of what was measured.

use super::cases::CASES;
use super::load::Sample;
use super::reload::Round;
use super::spread::Spread;
use serde::Serialize;
use std::fmt::Write;

/// A whole run.
#[derive(Debug, Default, Serialize)]
pub struct Run {
    pub machine: String,
    pub version: String,
    pub cores: usize,
    pub rounds: usize,
    pub seconds: f64,
    /// Requests a second while the conf was reloaded.
    pub rate: f64,
    /// By how many bytes the proxy grew with so many sessions.
    pub filled: Vec<(u64, f64)>,
    pub samples: Vec<Sample>,
    pub counted: Vec<Counted>,
    pub reloads: Vec<Round>,
}

/// Instructions of a request.
#[derive(Debug, Serialize)]
pub struct Counted {
    pub part: &'static str,
    pub case: &'static str,
    pub instructions: f64,
}

impl Run {
    /// The whole as JSON.
    pub fn json(&self) -> std::io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The whole as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "# Flat costs\n\nMade by `benches/flat/run`; the numbers of every round are in `flat.json`.\n\n",
        );
        let _ = writeln!(text, "- {}\n- {}", self.machine, self.version);
        let _ = writeln!(
            text,
            "- {} rounds of {} s, interleaved; medians, and in brackets lowest and highest",
            self.rounds, self.seconds
        );
        text += "- the ratio is to the first case of the part, in the same round\n";
        text += &self.costs();
        text += &self.ledger();
        text += &self.reloading();
        text += &self.scaling();
        text
    }

    fn of(&self, part: &str, case: &str, value: fn(&Sample) -> f64) -> Option<Spread> {
        let samples = self.samples.iter().filter(|sample| sample.part == part && sample.case == case);
        Spread::of(samples.map(value).collect())
    }

    /// A value ÷ that of the first case of the part, round by round.
    fn ratio(&self, part: &str, case: &str, value: fn(&Sample) -> f64) -> Option<Spread> {
        let first = CASES.iter().find(|other| other.part == part)?.name;
        let find = |case, round| {
            self.samples.iter().find(|s| s.part == part && s.case == case && s.round == round).map(value)
        };
        Spread::of(
            (1..=self.rounds).filter_map(|round| Some(find(case, round)? / find(first, round)?)).collect(),
        )
    }

    fn instructions(&self, part: &str, case: &str) -> Option<Spread> {
        let counted = self.counted.iter().filter(|counted| counted.part == part && counted.case == case);
        Spread::of(counted.map(|counted| counted.instructions).collect())
    }

    fn costs(&self) -> String {
        let (mut rows, mut first) = (String::new(), None);
        for case in &CASES {
            let Some(cpu) = self.of(case.part, case.name, Sample::cpu_us) else { continue };
            let ratio = self
                .ratio(case.part, case.name, Sample::cpu_us)
                .map_or_else(String::new, |ratio| ratio.text(3));
            let (mut count, mut more) = (String::new(), String::new());
            if let Some(counted) = self.instructions(case.part, case.name) {
                let base =
                    first.filter(|(part, _)| *part == case.part).map_or(counted.middle, |(_, base)| base);
                first = Some((case.part, base));
                (count, more) = (format!("{:.0}", counted.middle), format!("{:.3}", counted.middle / base));
            }
            let _ = writeln!(
                rows,
                "| {} | {} | {} | {ratio} | {count} | {more} |",
                case.part,
                case.name,
                cpu.text(1)
            );
        }
        if rows.is_empty() {
            return rows;
        }
        let head = "| part | case | CPU µs per request | ratio | instructions per request | ratio |\n|---|---|---:|---:|---:|---:|";
        format!(
            "\n## Per request\n\nCPU is user and system time of the whole proxy, from /proc; instructions are the serving thread's, by \
             callgrind, which a busy machine does not change.\n\n{head}\n{rows}"
        )
    }

    fn ledger(&self) -> String {
        let [Some(few), Some(many)] =
            ["1,000 sessions", "1,000,000 sessions"].map(|case| self.of("ledger", case, |s| s.memory as f64))
        else {
            return String::new();
        };
        let mut text = String::from("\n## A session's memory\n\n");
        if let Some((sessions, grown)) = self.filled.iter().max_by_key(|(sessions, _)| *sessions) {
            let _ = writeln!(
                text,
                "- {:.1} bytes: resident memory that {sessions} new sessions added, divided",
                grown / *sessions as f64
            );
        }
        let _ = writeln!(
            text,
            "- {:.1} bytes after a restart, against one with 1,000",
            (many.middle - few.middle) / 999_000.0
        );
        text
    }

    fn reloading(&self) -> String {
        let mut rows = String::new();
        for (free, name) in
            [(false, "one core for all its threads"), (true, "all cores, with clients and origin")]
        {
            let rounds: Vec<&Round> = self.reloads.iter().filter(|round| round.free == free).collect();
            let ms: Vec<f64> = rounds.iter().flat_map(|round| round.reloads_ms.iter().copied()).collect();
            let Some(reload) = Spread::of(ms) else { continue };
            let cell = |of: &dyn Fn(&Round) -> f64| {
                Spread::of(rounds.iter().map(|r| of(r)).collect()).map_or_else(String::new, |s| s.text(0))
            };
            let (without, with) = (cell(&|r| r.p99_us[0]), cell(&|r| r.p99_us[1]));
            let (more, rare) = (cell(&|r| r.p99_us[1] - r.p99_us[0]), cell(&|r| r.p999_us[1] - r.p999_us[0]));
            let _ = writeln!(rows, "| {name} | {} | {without} | {with} | {more} | {rare} |", reload.text(1));
        }
        if rows.is_empty() {
            return rows;
        }
        format!(
            "\n## A reload of 10,000 nodes\n\nOne each second, under {:.0} requests a second; the time is the proxy's own, from reading the \
             file to the new table in use.\n\n| the proxy has | reload, ms | p99 without, µs | p99 with, µs | added to p99, µs | added to \
             p99.9, µs |\n|---|---:|---:|---:|---:|---:|\n{rows}",
            self.rate
        )
    }

    fn scaling(&self) -> String {
        let Some(two) = self.ratio("scaling", "2 workers", Sample::cpu_us) else { return String::new() };
        let mut text = String::from("\n## Scaling\n\n");
        if self.cores >= 4
            && let Some(more) = self.ratio("scaling", "2 workers", |sample| sample.per_second)
            && let Some(busy) = self.of("scaling", "2 workers", |sample| sample.busy)
        {
            let _ = writeln!(
                text,
                "- throughput of two workers ÷ one: {}; the two kept {} cores busy",
                more.text(2),
                busy.text(2)
            );
        }
        let _ = writeln!(
            text,
            "- a request costs {} times as much CPU with two workers, so two full cores serve {:.2} times as many requests",
            two.text(3),
            2.0 / two.middle
        );
        text
    }
}
