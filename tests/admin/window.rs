//! A proxy with an open window, and those who look through it.

use crate::support::client::Answer;
use crate::support::proxy::binary;
use crate::support::{Client, Conf, DEADLINE, Origin, Proxy, free_addr, until};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

pub struct Window {
    pub proxy: Proxy,
    pub conf: Conf,
    pub admin: SocketAddr,
}

impl Window {
    /// In front of these nodes, each checked often; a check that is late on a busy machine is no failure.
    pub fn over<'a>(nodes: impl IntoIterator<Item = &'a Origin>) -> Self {
        Self::with(Conf::over(nodes).affinity(r#"{ cookie = "HOMING" }"#))
    }

    pub fn with(conf: Conf) -> Self {
        Self::at(tempfile::tempdir().expect("a temporary folder"), conf)
    }

    /// In this folder.
    pub fn at(folder: tempfile::TempDir, conf: Conf) -> Self {
        let admin = free_addr();
        let conf = conf.server(&format!("admin = \"{admin}\""));
        let own = conf.text().contains("\nhealth = ");
        let conf = if own {
            conf
        } else {
            conf.cluster("health = { interval = \"100ms\", timeout = \"10s\", rise = 1, fall = 1 }")
        };
        let window = Self { proxy: Proxy::start_at(folder, &conf.text()), conf, admin };
        until("the window opens", || std::net::TcpStream::connect(admin).is_ok().then_some(()));
        window
    }

    /// Dies at once and is started again.
    pub fn kill_and_start_again(&mut self) {
        self.proxy.signal("KILL");
        self.proxy.exit(DEADLINE);
        self.start_again();
    }

    /// Starts again after its end.
    pub fn start_again(&mut self) {
        self.proxy.start_again();
        until("the window opens again", || std::net::TcpStream::connect(self.admin).is_ok().then_some(()));
    }

    pub fn client(&self) -> Client {
        Client::new(self.admin)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.client().get(path)
    }

    pub fn status(&self) -> Value {
        let answer = self.get("/api/status");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until the node is in a state, and gives the node.
    pub fn node_is(&self, node: &str, state: &str) -> Value {
        until(&format!("{node} is {state}"), || {
            let node = self.get(&format!("/api/clusters/app/nodes/{node}")).json();
            (node["state"] == state).then_some(node)
        })
    }

    pub fn all_ready(&self) {
        until("every node is ready", || (self.status()["clusters"][0]["state"] == "ready").then_some(()));
    }

    /// The value of a sample in `/metrics`.
    pub fn metric(&self, sample: &str) -> f64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {sample} in\n{text}")).parse().unwrap()
    }

    /// Runs a verb against it.
    pub fn homing(&self, arguments: &[&str]) -> Said {
        homing(Path::new("."), &[arguments, &["--admin", &format!("http://{}", self.admin)]].concat(), &[])
    }
}

/// What a verb said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }
}

/// Runs the binary in a folder.
pub fn homing(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(binary());
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
        .env_remove("HOMING_ADMIN")
        .env_remove("HOMING_TOKEN")
        .env_remove("HOMING_CA")
        .envs(environment.iter().copied());
    let done = command.output().expect("the binary runs");
    Said {
        code: done.status.code().expect("it ends by itself"),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}
