//! What the proxy manages in each case, and what is asked of it.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

/// One size of one thing.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The part that it is compared in, with the first case of that part.
    pub part: &'static str,
    pub name: &'static str,
    pub nodes: u64,
    pub rules: u64,
    pub sessions: u64,
    pub workers: u64,
    pub asks: Asks,
    pub affinity: Affinity,
    /// The access log's format.
    pub log: &'static str,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Users with a session, each in turn as at random.
    Pinned,
    /// Somebody new each time.
    New,
}

/// How sessions are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    None,
    Sealed,
    Readable,
    Dynamic,
    Prefix,
    Route,
    Learned,
    Hashed,
    Remembered,
    Source,
}

const LEAST: Case = Case {
    part: "",
    name: "",
    nodes: 2,
    rules: 1,
    sessions: 1000,
    workers: 1,
    asks: Asks::Pinned,
    affinity: Affinity::Route,
    log: "json",
};

/// All of them; the first of each part is the one that the others are compared with.
pub const CASES: [Case; 36] = [
    Case { part: "nodes", name: "2 nodes", sessions: 10_000, ..LEAST },
    Case { part: "nodes", name: "100 nodes", nodes: 100, sessions: 10_000, ..LEAST },
    Case { part: "nodes", name: "10,000 nodes", nodes: 10_000, sessions: 10_000, ..LEAST },
    Case { part: "placing", name: "a new session among 2 nodes", asks: Asks::New, ..LEAST },
    Case { part: "placing", name: "a new session among 100 nodes", nodes: 100, asks: Asks::New, ..LEAST },
    Case {
        part: "placing",
        name: "a new session among 10,000 nodes",
        nodes: 10_000,
        asks: Asks::New,
        ..LEAST
    },
    few("no affinity", Affinity::None, "json"),
    many("no affinity", Affinity::None, "json"),
    few("sealed cookie", Affinity::Sealed, "json"),
    many("sealed cookie", Affinity::Sealed, "json"),
    few("readable cookie", Affinity::Readable, "json"),
    many("readable cookie", Affinity::Readable, "json"),
    few("dynamic cookie", Affinity::Dynamic, "json"),
    many("dynamic cookie", Affinity::Dynamic, "json"),
    few("prefix", Affinity::Prefix, "json"),
    many("prefix", Affinity::Prefix, "json"),
    few("route", Affinity::Route, "json"),
    many("route", Affinity::Route, "json"),
    few("learned id", Affinity::Learned, "json"),
    many("learned id", Affinity::Learned, "json"),
    few("hashed key", Affinity::Hashed, "json"),
    many("hashed key", Affinity::Hashed, "json"),
    few("remembered key", Affinity::Remembered, "json"),
    many("remembered key", Affinity::Remembered, "json"),
    few("source", Affinity::Source, "json"),
    many("source", Affinity::Source, "json"),
    few("combined", Affinity::Route, "combined"),
    many("combined", Affinity::Route, "combined"),
    few("httplog", Affinity::Route, "httplog"),
    many("httplog", Affinity::Route, "httplog"),
    Case { part: "rules", name: "10 rules", rules: 10, ..LEAST },
    Case { part: "rules", name: "10,000 rules", rules: 10_000, ..LEAST },
    Case { part: "ledger", name: "1,000 sessions", ..LEAST },
    Case { part: "ledger", name: "1,000,000 sessions", sessions: 1_000_000, ..LEAST },
    Case { part: "scaling", name: "1 worker", ..LEAST },
    Case { part: "scaling", name: "2 workers", workers: 2, ..LEAST },
];

/// Ten thousand nodes that are loaded again and again.
pub const RELOADED: Case = Case { part: "reload", name: "10,000 nodes", nodes: 10_000, ..LEAST };

const fn few(part: &'static str, affinity: Affinity, log: &'static str) -> Case {
    Case { part, name: "among 2 nodes", affinity, log, ..LEAST }
}

const fn many(part: &'static str, affinity: Affinity, log: &'static str) -> Case {
    Case { part, name: "among 5,000 nodes", nodes: 5000, affinity, log, ..LEAST }
}

impl Affinity {
    /// The cluster's line.
    fn conf(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Sealed => "affinity = { cookie = \"SRV\" }",
            Self::Readable => "affinity = { cookie = \"SRV\", value = \"route\" }",
            Self::Dynamic => "affinity = { cookie = \"SRV\", value = \"dynamic\", dynamic-key = \"flat\" }",
            Self::Prefix => "affinity = { cookie = \"PHPSESSID\", mode = \"prefix\" }",
            // the users of the load at a constant rate have a readable pin, all others a Tomcat's id
            Self::Route => {
                "affinity = { route = \"JSESSIONID\", also = [{ cookie = \"SRV\", value = \"route\" }] }"
            }
            Self::Learned => "affinity = { learn = \"PHPSESSID\" }",
            Self::Hashed => "affinity = { key = \"header:X-User\" }",
            Self::Remembered => "affinity = { key = \"header:X-User\", remember = true }",
            Self::Source => "affinity = { key = \"source\" }",
        }
    }

    /// The header lines of a session on a node; `pin`: the cookie that the proxy has given to somebody.
    fn headers(self, session: u64, node: u64, pin: &str) -> String {
        let id = mixed(session);
        match self {
            Self::None | Self::Source => "Cookie: theme=dark\r\n".into(),
            Self::Sealed | Self::Dynamic => format!("Cookie: theme=dark; {pin}\r\n"),
            Self::Readable => format!("Cookie: theme=dark; SRV=n{node}\r\n"),
            Self::Prefix => format!("Cookie: theme=dark; PHPSESSID=n{node}~{id:016x}\r\n"),
            Self::Route => format!("Cookie: theme=dark; JSESSIONID={id:016X}.n{node}\r\n"),
            Self::Learned => format!("Cookie: theme=dark; PHPSESSID={id:016x}\r\n"),
            Self::Hashed | Self::Remembered => format!("Cookie: theme=dark\r\nX-User: {id:016x}\r\n"),
        }
    }
}

impl Case {
    /// Its conf. The last node weighs `weight`, so that two confs differ in a line.
    pub fn conf(&self, web: SocketAddr, origin: u16, log: Option<&Path>, weight: u32) -> String {
        let log = log.map_or("off".to_owned(), |path| path.display().to_string());
        let mut text = format!(
            "[server]\nworkers = {}\nmax-sessions = 2000000\naccess-log = {{ to = \"{log}\", format = \"{}\" }}\n[listener.web]\nbind = \"{web}\"\n",
            self.workers, self.log
        );
        for rule in 0..self.rules {
            let _ = writeln!(
                text,
                "[[rule]]\nhost = \"{}\"\npath = \"{}\"\ncluster = \"app\"",
                host(rule),
                path(rule)
            );
        }
        let affinity = self.affinity.conf();
        let _ = writeln!(
            text,
            "[[rule]]\ncluster = \"app\"\n[cluster.app]\n{affinity}\nhealth = {{ kind = \"off\" }}"
        );
        text += "pool = { max-idle = 256 }\n[cluster.app.nodes]\n";
        for node in 1..=self.nodes {
            let weight = if node == self.nodes { weight } else { 100 };
            let _ = writeln!(
                text,
                "n{node} = {{ url = \"http://{}:{origin}\", weight = {weight} }}",
                self.address(node)
            );
        }
        text
    }

    /// Nodes share two addresses, and so the connections to them: every case has as many. Those that are
    /// loaded again have their own, because a conf with the same one twice is warned of; requests go to the
    /// first alone.
    fn address(&self, node: u64) -> Ipv4Addr {
        let number = if self.part == RELOADED.part { node } else { 2 - node % 2 };
        Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 0).to_bits() + number as u32)
    }

    /// The bytes of the request of a number, in place of what is there; `pin`: the cookie that the proxy has
    /// given to somebody.
    pub fn request(&self, number: u64, pin: &str, to: &mut Vec<u8>) {
        use std::io::Write;
        to.clear();
        let drawn = mixed(number);
        let (rule, session) = (drawn % self.rules, (drawn >> 16) % self.sessions);
        let (host, path) = (host(rule), path(rule));
        let _ = match self.asks {
            Asks::Pinned => self.pinned(session, pin, &host, &path, to),
            Asks::New => write!(
                to,
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT} {drawn:016x}\r\nAccept: */*\r\n\r\n"
            ),
        };
    }

    /// The request of a session, to have it known.
    pub fn acquaint(&self, session: u64, pin: &str, to: &mut Vec<u8>) {
        to.clear();
        let _ = self.pinned(session, pin, &host(0), &path(0), to);
    }

    fn pinned(
        &self,
        session: u64,
        pin: &str,
        host: &str,
        path: &str,
        to: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        use std::io::Write;
        let headers = self.affinity.headers(session, session % self.nodes + 1, pin);
        write!(
            to,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n{headers}\r\n"
        )
    }
}

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Ten applications on each host, as long in every case.
fn host(rule: u64) -> String {
    format!("shop{:04}.bench.test", rule / 10)
}

fn path(rule: u64) -> String {
    format!("/app{}", rule % 10)
}

/// Numbers far apart, the same in every run.
fn mixed(number: u64) -> u64 {
    let spread = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread ^ (spread >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(27)
}
