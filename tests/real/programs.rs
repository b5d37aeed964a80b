//! Finding, starting and ending programs that others wrote.

use crate::support::log::Lines;
use crate::support::spawned::end;
use crate::support::{DEADLINE, until};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// True: all of these are there. A test that cannot run has not passed, so it fails if one is missing.
pub fn have(needed: &[&str]) -> bool {
    let found = |what: &str| match what.contains('/') {
        true => Path::new(what).exists(),
        false => std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(what).exists())),
    };
    let missing: Vec<&&str> = needed.iter().filter(|what| !found(what)).collect();
    assert!(missing.is_empty(), "{missing:?} is not installed; scripts/test installs what the tests need");
    true
}

/// The folder of the Node applications.
pub fn node_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node")
}

/// True when Node and the packages of `tests/node` are there.
pub fn have_node() -> bool {
    have(&["node", &node_folder().join("node_modules/socket.io").display().to_string()])
}

/// A running program; it ends with the test.
pub struct Running {
    child: Child,
    out: Lines,
    err: Lines,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let out = Lines::follow(child.stdout.take().expect("stdout is piped"));
        let err = Lines::follow(child.stderr.take().expect("stderr is piped"));
        Self { child, out, err }
    }

    /// The first line it prints.
    pub fn first_line(&self) -> String {
        self.out
            .wait(0, DEADLINE, |_| true)
            .unwrap_or_else(|| panic!("it printed nothing; its errors: {:?}", self.err.all()))
    }

    /// The first line with this in it.
    pub fn line_with(&self, text: &str) -> String {
        self.line_within(DEADLINE, text)
    }

    /// The same, with a deadline of its own.
    pub fn line_within(&self, deadline: Duration, text: &str) -> String {
        let line = self.out.wait(0, deadline, |line| line.contains(text));
        line.unwrap_or_else(|| panic!("no {text:?} in {:?} {:?}", self.out.all(), self.err.all()))
    }

    /// Waits until it accepts connections.
    pub fn until_open(&mut self, addr: SocketAddr) {
        until(&format!("a program listens on {addr}"), || {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                panic!("it ended with {status}: {:?} {:?}", self.out.all(), self.err.all());
            }
            TcpStream::connect(addr).is_ok().then_some(())
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Runs a program to its end; what it printed, both streams.
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}: {text}", output.status);
    text
}
