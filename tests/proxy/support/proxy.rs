//! The real binary as a child process: started, reloaded, signalled, listened to, and ended with the test.

use super::log::Lines;
use super::{DEADLINE, until, within};
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A running proxy with a folder of its own.
pub struct Proxy {
    child: Mutex<Child>,
    pub pid: u32,
    folder: Arc<tempfile::TempDir>,
    /// The first TCP address of the first listener.
    pub addr: SocketAddr,
    access: Lines,
    pub log: Lines,
}

/// How a reload ended, with the line that said so.
#[derive(Debug)]
pub enum Reload {
    Applied(String),
    Refused(String),
}

impl Reload {
    pub fn applied(&self) -> bool {
        matches!(self, Self::Applied(_))
    }
}

impl Proxy {
    /// Starts the binary with this conf file and waits until all its listeners accept.
    pub fn start(conf: &str) -> Self {
        Self::start_at(tempfile::tempdir().expect("a temporary folder"), conf)
    }

    /// Starts it in this folder.
    pub fn start_at(folder: tempfile::TempDir, conf: &str) -> Self {
        std::fs::write(folder.path().join("homing.toml"), conf).expect("the conf file is written");
        Self::start_in(folder, "homing.toml")
    }

    /// Starts it as the child of another program, such as `strace`.
    pub fn start_under(program: &[&str], conf: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("homing.toml");
        std::fs::write(&path, conf).expect("the conf file is written");
        let plain = command(&path);
        let mut under = Command::new(program[0]);
        under.args(&program[1..]).arg(plain.get_program()).args(plain.get_args());
        under.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("NOTIFY_SOCKET");
        Self::start_by(under, folder, "homing.toml")
    }

    /// Starts in a folder that the test has furnished.
    pub fn start_in(folder: tempfile::TempDir, file: &str) -> Self {
        let command = command(&folder.path().join(file));
        Self::start_by(command, folder, file)
    }

    /// Starts where these lines are `/etc/hosts`: names then have the addresses that a test needs. None where
    /// the kernel does not let us mount anything, which CI's does.
    pub fn start_knowing(hosts: &str, conf: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (file, known) = (folder.path().join("homing.toml"), folder.path().join("hosts"));
        std::fs::write(&file, conf).expect("the conf file is written");
        std::fs::write(&known, hosts).expect("the hosts are written");
        let apart = |then: &[&std::ffi::OsStr]| {
            let mut apart = Command::new("unshare");
            apart
                .args([
                    "--mount",
                    "--map-root-user",
                    "sh",
                    "-c",
                    "mount --bind \"$0\" /etc/hosts && exec \"$@\"",
                ])
                .arg(&known)
                .args(then);
            apart.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            apart
        };
        if !apart(&["true".as_ref()]).status().is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "CI needs unshare");
            eprintln!("skipped: no mount namespace can be made here");
            return None;
        }
        let plain = command(&file);
        let words: Vec<_> = std::iter::once(plain.get_program()).chain(plain.get_args()).collect();
        let mut command = apart(&words);
        command.env_remove("NOTIFY_SOCKET");
        Some(Self::start_by(command, folder, "homing.toml"))
    }

    /// Starts another process on the same conf, beside this one. It listens as soon as this one lets it.
    pub fn successor(&self) -> Self {
        Self::start_by(command(&self.conf()), self.folder.clone(), "homing.toml")
    }

    fn start_by(mut command: Command, folder: impl Into<Arc<tempfile::TempDir>>, file: &str) -> Self {
        let folder = folder.into();
        let path = folder.path().join(file);
        let binds = binds(&std::fs::read_to_string(&path).expect("the conf file is there"));
        let mut child = command.spawn().expect("the binary starts");
        let access = Lines::follow(child.stdout.take().expect("stdout is piped"));
        let log = Lines::follow(child.stderr.take().expect("stderr is piped"));
        let addr = binds
            .iter()
            .find_map(|b| b.parse().ok())
            .unwrap_or_else(|| "127.0.0.1:0".parse().expect("an address"));
        let proxy = Self { pid: child.id(), child: Mutex::new(child), folder, addr, access, log };
        for bind in &binds {
            until(&format!("the proxy listens on {bind}"), || proxy.listens(bind).then_some(()));
        }
        proxy
    }

    /// Starts the binary again in the same folder, after it has ended.
    pub fn start_again(&mut self) {
        let path = self.conf();
        let mut child = command(&path).spawn().expect("the binary starts");
        self.access = Lines::follow(child.stdout.take().expect("stdout is piped"));
        self.log = Lines::follow(child.stderr.take().expect("stderr is piped"));
        self.pid = child.id();
        self.child = Mutex::new(child);
        for bind in binds(&std::fs::read_to_string(&path).expect("the conf file is there")) {
            until(&format!("the proxy listens on {bind} again"), || self.listens(&bind).then_some(()));
        }
    }

    fn listens(&self, bind: &str) -> bool {
        if let Some(status) = self.ended() {
            panic!("the proxy ended at its start with {status}:\n{}", self.log.all().join("\n"));
        }
        match bind.strip_prefix("unix:") {
            Some(path) => std::os::unix::net::UnixStream::connect(self.folder.path().join(path)).is_ok(),
            None => TcpStream::connect(bind).is_ok(),
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn conf(&self) -> PathBuf {
        self.folder.path().join("homing.toml")
    }

    /// Replaces the conf file by renaming, as editors do, and waits for the proxy's word on it.
    pub fn reload_to(&self, conf: &str) -> Reload {
        self.reloads(|| replace(&self.conf(), conf))
    }

    /// Does something that should make it reload, and waits for its word on it.
    pub fn reloads(&self, change: impl FnOnce()) -> Reload {
        let mark = self.log.mark();
        change();
        let line = self
            .log
            .wait(mark, DEADLINE, |line| line.contains("reloaded") || line.contains("reload refused"));
        let line = line.unwrap_or_else(|| {
            panic!("no word of a reload after the change; the log:\n{}", self.log.all().join("\n"))
        });
        if line.contains("reload refused") { Reload::Refused(line) } else { Reload::Applied(line) }
    }

    /// Sends a signal by name: "TERM", "HUP", …
    pub fn signal(&self, name: &str) {
        signal(self.pid, name);
    }

    /// Its exit status, once it has ended.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().expect("a child can be asked")
    }

    /// Waits for its end.
    pub fn exit(&self, deadline: Duration) -> ExitStatus {
        within(deadline, "the proxy ends", || self.ended())
    }

    /// Every access-log line so far.
    pub fn access(&self) -> Vec<Value> {
        let parse =
            |line: &String| serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON: {line:?}: {e}"));
        self.access.all().iter().map(parse).collect()
    }

    /// Waits for `count` access-log lines whose path starts so, and gives them.
    pub fn access_of(&self, path: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} access-log lines for {path}"), || {
            let lines: Vec<Value> = self
                .access()
                .into_iter()
                .filter(|l| l["path"].as_str().is_some_and(|p| p.starts_with(path)))
                .collect();
            (lines.len() >= count).then_some(lines)
        })
    }

    /// The word on why the only request for this path went where it went.
    pub fn why(&self, path: &str) -> String {
        self.access_of(path, 1)[0]["why"].as_str().expect("every line has a why").to_owned()
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))
            .expect("a running process has a status");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("a status has VmRSS");
        let kib: u64 =
            line.split_whitespace().nth(1).and_then(|v| v.parse().ok()).expect("VmRSS is a number");
        kib << 10
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.all();
            let last = log.len().saturating_sub(30);
            eprintln!("--- the proxy's last words ---\n{}", log[last..].join("\n"));
        }
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The binary under test, or another one: an earlier version writes the state that later ones are tried with.
pub fn binary() -> std::ffi::OsString {
    std::env::var_os("HOMING_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_homing").into())
}

fn command(conf: &Path) -> Command {
    let mut command = Command::new(binary());
    command.arg("run").arg("--config").arg(conf);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("NOTIFY_SOCKET");
    command
}

/// Runs the binary on a conf file that should stop it at once; its exit code and standard error.
pub fn refused_start(conf: &str) -> (Option<i32>, String) {
    refused_start_in(&tempfile::tempdir().expect("a temporary folder"), conf)
}

/// The same in a folder that the test has furnished.
pub fn refused_start_in(folder: &tempfile::TempDir, conf: &str) -> (Option<i32>, String) {
    let path = folder.path().join("homing.toml");
    std::fs::write(&path, conf).expect("the conf file is written");
    refusal(&path)
}

/// The same beside a process that has this conf, too.
pub fn refused_start_beside(other: &Proxy) -> (Option<i32>, String) {
    refusal(&other.conf())
}

fn refusal(path: &Path) -> (Option<i32>, String) {
    let mut child = command(path).spawn().expect("the binary starts");
    let log = Lines::follow(child.stderr.take().expect("stderr is piped"));
    let end = std::time::Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be asked") {
            break status;
        }
        if std::time::Instant::now() > end {
            let _ = child.kill();
            panic!("it started with a wrong conf file: {:?}", log.all());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    log.wait(0, Duration::from_secs(2), |_| true);
    (status.code(), log.all().join("\n"))
}

/// Sends a signal to a process this test started.
pub fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args(["-s", name, &pid.to_string()]).status().expect("kill runs");
    assert!(done.success(), "SIG{name} to {pid}");
}

/// Puts new text in a file's place in one step.
pub fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("the new file is written");
    std::fs::rename(&beside, path).expect("the new file takes the old one's place");
}

/// Every address that the file binds.
fn binds(conf: &str) -> Vec<String> {
    let conf: toml::Table = conf.parse().expect("the first conf file is TOML");
    let mut binds = Vec::new();
    for listener in conf.get("listener").and_then(|l| l.as_table()).into_iter().flat_map(|l| l.values()) {
        match listener.get("bind") {
            Some(toml::Value::String(one)) => binds.push(one.clone()),
            Some(toml::Value::Array(many)) => {
                binds.extend(many.iter().filter_map(|b| b.as_str().map(str::to_owned)))
            }
            _ => {}
        }
    }
    // those of the control plane open last
    for door in ["admin", "announce"] {
        let bind = conf
            .get("server")
            .and_then(|server| server.get(door))
            .map(|door| door.get("bind").unwrap_or(door));
        binds.extend(
            bind.and_then(|bind| bind.as_str())
                .filter(|bind| bind.parse::<SocketAddr>().is_ok())
                .map(str::to_owned),
        );
    }
    binds
}
