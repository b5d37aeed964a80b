//! Whoever stands between client and node: Homing, or a real HAProxy or httpd to learn what they do.

use super::client::ask;
use super::node::Node;
use super::table::{Http, Row};
use crate::support::spawned::end;
use crate::support::{Conf, Origin, Proxy, free_addr, until};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Lines that differ from one request to the next, or say who stands between.
const NOISE: [&str; 7] =
    ["x-forwarded-", "forwarded:", "x-request-id:", "via:", "date:", "server:", "last-modified:"];

/// A proxy in front of a node of each HTTP.
pub struct Between {
    one: (SocketAddr, Node),
    two: (SocketAddr, Node),
    patience: Duration,
    _running: Running,
}

enum Running {
    Homing { _proxy: Proxy },
    Peer { child: Child, _folder: tempfile::TempDir },
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Peer { child, .. } = self {
            end(child);
        }
    }
}

impl Between {
    pub fn homing() -> Self {
        let (one, two, second) = (Node::start(Http::One), Node::start(Http::Two), free_addr());
        let conf = Conf::over(std::iter::empty::<&Origin>()).rule("listener = \"web\"");
        let conf = conf.cluster("passive = { failures = 0 }").node("n1", &format!("\"http://{}\"", one.addr)).more(&format!(
            "[listener.second]\nbind = \"{second}\"\n[[rule]]\nlistener = \"second\"\ncluster = \"two\"\n\
             [cluster.two]\nhttp2 = true\npassive = {{ failures = 0 }}\n[cluster.two.nodes]\nn1 = \"http://{}\"",
            two.addr
        ));
        let proxy = Proxy::start(&conf.text());
        let patience = Duration::from_secs(10);
        Self {
            one: (proxy.addr, one),
            two: (second, two),
            patience,
            _running: Running::Homing { _proxy: proxy },
        }
    }

    pub fn haproxy() -> Self {
        Self::peer(
            "haproxy.cfg",
            |[first, second], [one, two], _| {
                let side = |name: &str, bind, node, how: &str| {
                    format!(
                        "frontend {name}\n  bind {bind}\n  default_backend to-{name}\nbackend to-{name}\n  server n1 {node}{how}\n"
                    )
                };
                let text =
                    "defaults\n  mode http\n  timeout connect 3s\n  timeout client 3s\n  timeout server 3s\n"
                        .to_owned();
                text + &side("one", first, one, "") + &side("two", second, two, " proto h2")
            },
            |conf| {
                let mut command = Command::new("haproxy");
                command.arg("-f").arg(conf);
                command
            },
        )
    }

    pub fn httpd() -> Self {
        Self::peer(
            "httpd.conf",
            |[first, second], [one, two], folder| {
                let modules = [
                    "mpm_event",
                    "authz_core",
                    "http2",
                    "proxy",
                    "proxy_http",
                    "proxy_http2",
                    "proxy_wstunnel",
                ];
                let modules: String = modules
                    .iter()
                    .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
                    .collect();
                let side = |bind: SocketAddr, to: String| {
                    format!("Listen {bind}\n<VirtualHost {bind}>\nProxyPass / {to}/\n</VirtualHost>\n")
                };
                let folder = folder.display();
                format!(
                    "{modules}ServerRoot {folder}\nServerName app.test\nPidFile {folder}/pid\nErrorLog {folder}/error.log\nUser www-data\n\
                 Group www-data\nProtocols h2c http/1.1\nH2Direct on\nProxyPreserveHost On\nProxyTimeout 3\nTimeout 3\n\
                 StartServers 1\nThreadsPerChild 25\nMaxRequestWorkers 25\n"
                ) + &side(first, format!("http://{one}"))
                    + &side(second, format!("h2c://{two}"))
            },
            |conf| {
                let mut command = Command::new("apache2");
                command.args(["-DFOREGROUND", "-f"]).arg(conf);
                command
            },
        )
    }

    fn peer(
        file: &str,
        conf: impl Fn([SocketAddr; 2], [SocketAddr; 2], &Path) -> String,
        command: impl Fn(&Path) -> Command,
    ) -> Self {
        let (one, two) = (Node::start(Http::One), Node::start(Http::Two));
        let (binds, folder) = ([free_addr(), free_addr()], tempfile::tempdir().expect("a temporary folder"));
        let path = folder.path().join(file);
        std::fs::write(&path, conf(binds, [one.addr, two.addr], folder.path())).expect("the conf is written");
        let mut command = command(&path);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        until("the peer listens", || TcpStream::connect(binds[1]).ok());
        let patience = Duration::from_secs(5);
        Self {
            one: (binds[0], one),
            two: (binds[1], two),
            patience,
            _running: Running::Peer { child, _folder: folder },
        }
    }

    /// What a row comes to here: the lines that a request with nothing of its own has not, and those it has
    /// that are missing.
    pub fn result(&self, row: &Row) -> Vec<String> {
        let (addr, node) = if row.node() == Http::One { &self.one } else { &self.two };
        let [told, plain_told] = [row, &Row { sent: Vec::new(), ..row.clone() }].map(|row| {
            node.answers(row);
            ask(*addr, row, self.patience)
        });
        // what arrives of a request whose client was refused may be late, but not later than the next one
        let mut seen = node.take();
        let plain_seen = seen.pop().unwrap_or_default();
        assert!(
            plain_told.status == "200" && !plain_seen.is_empty(),
            "{} ({}): the next request fails: {:?}",
            row.name,
            row.way,
            plain_told.lines
        );
        let mut lines = Vec::new();
        if row.is_answer() {
            if told.broke_off {
                // how far it came is a matter of time
                return told.lines.last().cloned().into_iter().collect();
            }
            if told.status.starts_with('5') && !row.sent.iter().any(|item| item.contains(&told.status)) {
                return vec![format!("status {}", told.status)];
            }
            if told.status != "200" {
                lines.push(format!("status {}", told.status));
            }
            lines.extend(without(told.lines, &plain_told.lines));
            return Some(lines)
                .filter(|lines| !lines.is_empty())
                .unwrap_or_else(|| vec!["as an empty one".into()]);
        }
        for seen in &seen {
            let lasting = |line: &String| own_words(line).replace(&node.addr.to_string(), "node.test");
            lines.extend(without(seen.iter().map(lasting).collect(), &plain_seen));
        }
        match seen.len() {
            // what did not arrive in full is told by what the client is told
            0 if told.status.is_empty() => lines.extend(told.lines.last().cloned()),
            0 => lines.push(format!("status {}", told.status)),
            _ if told.status != "200" => lines.push(format!("status {}", told.status)),
            1 if lines.is_empty() => lines.push("as a plain one".into()),
            _ => {}
        }
        if seen.len() > 1 {
            lines.insert(0, format!("{} times", seen.len()));
        }
        lines
    }
}

/// Without what is made up anew each time.
fn own_words(line: &str) -> String {
    let made_up = |name: &str| line.starts_with(name).then(|| format!("{name} something"));
    made_up("sec-websocket-key:").unwrap_or_else(|| line.to_owned())
}

/// Of `lines` those that `plain` has not; and what `plain` has and they have not.
fn without(lines: Vec<String>, plain: &[String]) -> Vec<String> {
    let noisy =
        |line: &String| NOISE.iter().any(|name| line.trim_start_matches("interim ").starts_with(name));
    let mut left: Vec<&String> = plain.iter().filter(|line| !noisy(line)).collect();
    let mut out = Vec::new();
    for line in lines.into_iter().filter(|line| !noisy(line)) {
        match left.iter().position(|known| **known == line) {
            Some(at) => drop(left.remove(at)),
            None => out.push(line),
        }
    }
    out.extend(left.into_iter().map(|line| format!("without {line}")));
    out
}
