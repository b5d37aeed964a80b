//! A program on a core of its own, and what `/proc` says of it.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running program with all its processes. Dropping it ends them.
pub struct Pinned {
    child: Child,
    core: usize,
}

/// Processor time so far, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    pub user: f64,
    pub system: f64,
    /// Of all programs on that core.
    pub core: f64,
}

impl Pinned {
    /// Starts a command line on one core, in a process group of its own; what it prints goes to a file.
    pub fn start(core: usize, words: &[String], out: &Path) -> io::Result<Self> {
        let out = fs::File::create(out)?;
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).args(words).process_group(0);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        Ok(Self { child: command.spawn()?, core })
    }

    /// True while the program runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What all its processes have used together, and its core with whoever else was on it.
    pub fn cpu(&self) -> Cpu {
        let ticks = ticks_per_second();
        let seconds = |field: &str| field.parse::<f64>().unwrap_or(0.0) / ticks;
        let stats = self.stats();
        let sum = |at: usize| stats.iter().map(|(_, stat)| seconds(&stat[at])).sum();
        let cores = fs::read_to_string("/proc/stat").unwrap_or_default();
        let mine = cores.lines().find_map(|line| line.strip_prefix(&format!("cpu{} ", self.core)));
        // user, nice, system
        let core = mine.map_or(0.0, |fields| fields.split(' ').take(3).map(seconds).sum());
        Cpu { user: sum(11), system: sum(12), core }
    }

    /// Resident memory of all its processes in bytes.
    pub fn memory(&self) -> u64 {
        let resident = |pid: u32| -> Option<u64> {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
            Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
        };
        self.stats().iter().filter_map(|(pid, _)| resident(*pid)).sum()
    }

    /// Fields of `/proc/PID/stat` behind the name, from `state` on, of each process in the group.
    fn stats(&self) -> Vec<(u32, Vec<String>)> {
        let group = self.child.id().to_string();
        let pids = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let stat = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let fields: Vec<String> =
                text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
            (fields[2] == group).then_some((pid, fields))
        };
        pids.filter_map(stat).collect()
    }

    /// Asks it to end, and makes it after a while.
    pub fn stop(&mut self, patience: Duration) {
        self.signal("TERM");
        let end = Instant::now() + patience;
        while self.runs() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.signal("KILL");
        let _ = self.child.wait();
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", name, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.stop(Duration::from_millis(500));
    }
}

fn ticks_per_second() -> f64 {
    static TICKS: std::sync::OnceLock<f64> = std::sync::OnceLock::new();
    *TICKS.get_or_init(|| said("getconf", &["CLK_TCK"]).trim().parse().unwrap_or(100.0))
}

/// What a program prints, both streams; empty if it cannot be run.
pub fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    output.map_or_else(
        |_| String::new(),
        |o| String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned(),
    )
}

/// Which processor, how many cores of it, and which kernel.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("?", |rest| rest.trim_start_matches(['\t', ' ', ':']));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    format!("{model}, {cores} cores, Linux {}", said("uname", &["-r"]).trim())
}
