//! An origin in a process of its own, for the one thing a thread cannot do: die of SIGKILL.

use super::log::Lines;
use super::{DEADLINE, port::free_addr, proxy::signal, until};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running `examples/origin`.
pub struct Spawned {
    child: Child,
    pub name: String,
    pub addr: SocketAddr,
}

impl Spawned {
    /// Starts one that keeps no sessions.
    pub fn start(name: &str) -> Self {
        Self::at(&free_addr().to_string(), name)
    }

    fn at(addr: &str, name: &str) -> Self {
        let mut child = Command::new(program())
            .args([addr, name])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("examples/origin starts");
        let lines = Lines::follow(child.stdout.take().expect("stdout is piped"));
        let addr = lines.wait(0, DEADLINE, |_| true).expect("an origin prints its address");
        Self { child, name: name.to_owned(), addr: addr.parse().expect("what it prints is an address") }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Dies at once, as on a power cut: no goodbye on any connection.
    pub fn sigkill(&mut self) {
        signal(self.child.id(), "KILL");
        self.child.wait().expect("a killed child ends");
        until("its port refuses", || TcpStream::connect(self.addr).is_err().then_some(()));
    }

    /// Hangs: its port still takes connections, and nothing answers. A thread that runs on another core stops
    /// a moment later.
    pub fn pause(&self) {
        let pid = self.child.id();
        signal(pid, "STOP");
        let is_stopped =
            |stat: String| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'));
        until("all of its threads are stopped", || {
            let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it is there").flatten();
            threads
                .filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok())
                .all(is_stopped)
                .then_some(())
        });
    }

    /// Goes on where it was.
    pub fn resume(&self) {
        signal(self.child.id(), "CONT");
    }

    /// Starts anew on the same address.
    pub fn revive(&mut self) {
        *self = Self::at(&self.addr.to_string(), &self.name);
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a program with all that it has started: a server's workers outlive a master that is killed, and would
/// hold on to whatever they have inherited.
pub fn end(child: &mut Child) {
    let workers = descendants(child.id());
    let _ = child.kill();
    let _ = child.wait();
    for pid in workers {
        let _ = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).stderr(Stdio::null()).status();
    }
}

fn descendants(pid: u32) -> Vec<u32> {
    let pids = || {
        std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    };
    let parent = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<u32>().ok())
    };
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        found.extend(pids().filter(|other| parent(other) == Some(found[at])).collect::<Vec<_>>());
        at += 1;
    }
    found.split_off(1)
}

/// Cargo builds examples with the tests, into a folder beside the binary.
fn program() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_homing"));
    let program = beside.parent().expect("a binary is in a folder").join("examples/origin");
    assert!(
        program.exists(),
        "examples/origin is not built; run `cargo build --example origin` when tests are run one by one"
    );
    program
}
