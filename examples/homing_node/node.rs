//! What a server needs to be a node of Homing, and a client to find one: copy this file, it stands on the
//! standard library alone.
//!
//! `Node` says to every proxy that this server is there and how much room it has. `Directory` asks the
//! proxies for the nodes of a cluster, the one with the smallest workload first, and walks that list until
//! one answers.

#![allow(dead_code, reason = "a program uses its own part of it")]

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// To open a connection, and until an answer is there.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read.
const LARGEST: u64 = 4 << 20;

/// How this server is.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// Live sessions. Left out if not counted: the proxies then go by their own count.
    pub sessions: Option<u32>,
    /// The sessions it can hold; 0 if there is no limit. Left out if not known.
    pub capacity: Option<u32>,
    /// 0 to 100; 100 for no room. Left out if not known.
    pub load: Option<u8>,
    /// It wants no new sessions any more.
    pub draining: bool,
}

impl Load {
    /// Takes words such as `sessions=12 capacity=200 load=30`, `draining` or `ready`. What they do not say
    /// stays as it was.
    pub fn say(&mut self, words: &str) -> Result<(), String> {
        let mut now = self.clone();
        for word in words.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || value.parse::<u32>().map_err(|_| format!("{word} is no number that can be said"));
            match (key, value) {
                ("sessions", _) => now.sessions = Some(number()?),
                ("capacity", _) => now.capacity = Some(number()?),
                ("load", _) => now.load = Some(number()?.min(100) as u8),
                ("draining", "") => now.draining = true,
                ("ready", "") => now.draining = false,
                _ => return Err(format!("{word} is nothing that can be said")),
            }
        }
        *self = now;
        Ok(())
    }
}

/// This server, as the proxies are to know it.
#[derive(Debug, Clone)]
pub struct Node {
    /// The proxies' `announce` addresses, `host:port`; all are told.
    pub proxies: Vec<String>,
    /// The join token, if one is asked for.
    pub token: Option<String>,
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Where it serves.
    pub url: String,
    /// "lb", "batch", or none.
    pub roles: Vec<String>,
    /// How often it beats.
    pub interval: Duration,
}

/// A node that beats, until it is dropped.
pub struct Beating {
    load: Arc<Mutex<Load>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// Beats from now on, from a thread of its own.
    pub fn start(self) -> Beating {
        let (load, stop) = (Arc::<Mutex<Load>>::default(), Arc::<AtomicBool>::default());
        let (shared, stopped) = (load.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            // a run of this program: another one has lost the sessions of this one
            let boot = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |at| at.as_nanos());
            while !stopped.load(Ordering::Relaxed) {
                let load = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                self.beat(&load, boot, "ready");
                std::thread::park_timeout(self.interval);
            }
            let load = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.beat(&load, boot, "stopping");
        });
        Beating { load, stop, thread: Some(thread) }
    }

    fn beat(&self, load: &Load, boot: u128, state: &str) {
        static SEQUENCE: AtomicU64 = AtomicU64::new(0);
        let state = if load.draining && state == "ready" { "draining" } else { state };
        let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
        let mut form = String::new();
        for (key, value) in [
            ("cluster", &self.cluster),
            ("node", &self.name),
            ("url", &self.url),
            ("roles", &self.roles.join(",")),
        ] {
            if !value.is_empty() {
                let _ = write!(form, "{key}={}&", escaped(value));
            }
        }
        let _ = write!(
            form,
            "boot={boot}&sequence={sequence}&state={state}&interval={}",
            self.interval.as_secs().max(1)
        );
        // what is left out stays as it was last told
        let load_told = load.load.map(|load| u32::from(load.min(100)));
        for (key, value) in [("sessions", load.sessions), ("capacity", load.capacity), ("load", load_told)] {
            if let Some(value) = value {
                let _ = write!(form, "&{key}={value}");
            }
        }
        let headers =
            format!("{}Content-Type: application/x-www-form-urlencoded\r\n", authorization(&self.token));
        for proxy in &self.proxies {
            match ask(proxy, "POST", "/heartbeat", &headers, &form) {
                Ok((200..=299, _)) => {}
                // it is told again at the next beat: nothing stops because a proxy is away
                Ok((status, why)) => eprintln!("{proxy} answers {status}: {}", why.trim()),
                Err(error) => eprintln!("{proxy}: {error}"),
            }
        }
    }
}

impl Beating {
    /// What is told at the next beat.
    pub fn set(&self, load: Load) {
        *self.load.lock().unwrap_or_else(PoisonError::into_inner) = load;
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

/// Where a client asks for nodes.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The proxies' `announce` addresses, `host:port`. The first that answers is believed; a list of one is a
    /// single point of failure.
    pub proxies: Vec<String>,
    /// The cluster's token; proxies on this machine ask for none.
    pub token: Option<String>,
    /// The cluster.
    pub cluster: String,
}

impl Directory {
    /// The addresses of the nodes, the one with the smallest workload first.
    pub fn nodes(&self) -> io::Result<Vec<String>> {
        let path = format!("/clusters/{}/nodes", self.cluster);
        let headers = format!("{}Accept: text/plain\r\n", authorization(&self.token));
        let mut last = io::Error::other("no proxy is given");
        for proxy in &self.proxies {
            match ask(proxy, "GET", &path, &headers, "") {
                Ok((200, list)) => return Ok(list.lines().map(str::to_owned).collect()),
                Ok((status, why)) => {
                    last = io::Error::other(format!("{proxy} answers {status}: {}", why.trim()))
                }
                Err(error) => last = io::Error::new(error.kind(), format!("{proxy}: {error}")),
            }
        }
        Err(last)
    }

    /// Does something with the first node for which it does not fail. For a new client: one that has a
    /// session stays where that is.
    pub fn walk<T>(&self, mut attempt: impl FnMut(&str) -> io::Result<T>) -> io::Result<T> {
        let mut last = io::Error::other(format!("no node of {} takes new clients", self.cluster));
        for node in self.nodes()? {
            match attempt(&node) {
                Ok(done) => return Ok(done),
                Err(error) => last = io::Error::new(error.kind(), format!("{node}: {error}")),
            }
        }
        Err(last)
    }
}

/// The host and port of an `http://` address.
pub fn place(url: &str) -> io::Result<&str> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| io::Error::other(format!("{url} is not an http:// address")))?;
    Ok(rest.split('/').next().unwrap_or(rest))
}

/// One request over a connection of its own: status and body.
pub fn ask(to: &str, method: &str, path: &str, headers: &str, body: &str) -> io::Result<(u16, String)> {
    let mut last = io::Error::other("the name has no address");
    let stream = to.to_socket_addrs()?.find_map(|address| {
        TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| last = error).ok()
    });
    let Some(mut stream) = stream else { return Err(last) };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = body.len();
    // HTTP/1.0: the answer comes in one piece and ends with the connection
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status =
        head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}

fn authorization(token: &Option<String>) -> String {
    token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default()
}

/// As a form wants it.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b',' => out.push(byte.into()),
            _ => drop(write!(out, "%{byte:02X}")),
        }
        out
    })
}
