//! An HTTP/1.1 client that keeps its connection, keeps its cookies if asked to, and hides nothing.

use super::wire::{Head, Length, Stream, Wire, length, read_body, read_head};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

type Connect = Box<dyn Fn() -> io::Result<Box<dyn Stream>> + Send>;

/// A user: one connection at a time, and a cookie jar or none.
pub struct Client {
    connect: Connect,
    pub host: String,
    /// What a page told it, such as an id to put into links.
    pub note: String,
    pub jar: Option<BTreeMap<String, String>>,
    wire: Option<Wire<Box<dyn Stream>>>,
    /// How many connections it has opened so far.
    pub connections: usize,
    pub patience: Duration,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    /// The 1xx heads that came first.
    pub early: Vec<Head>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

impl Answer {
    /// Which node answered; "" when the proxy did.
    pub fn node(&self) -> &str {
        self.head.get("x-node").unwrap_or("")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e} in {:?} after {:?}", self.text(), self.head))
    }

    /// The request's header lines as the node saw them, when it was asked for `/headers`.
    pub fn seen(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let lines = json["headers"].as_array().expect("/headers lists them");
        let named = lines.iter().filter(|l| l[0].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)));
        named.map(|l| l[1].as_str().expect("a value is text").to_owned()).collect()
    }

    /// The Set-Cookie line for this name.
    pub fn set_cookie(&self, name: &str) -> Option<&str> {
        self.head.all("set-cookie").find(|line| line.split('=').next() == Some(name))
    }
}

impl Client {
    /// A client without a jar.
    pub fn new(addr: SocketAddr) -> Self {
        Self::over(&addr.to_string(), move || {
            let stream = TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        })
    }

    /// A client that keeps cookies.
    pub fn with_jar(addr: SocketAddr) -> Self {
        Self { jar: Some(BTreeMap::new()), ..Self::new(addr) }
    }

    /// A client whose connections come from this loopback address.
    pub fn from(source: [u8; 4], addr: SocketAddr) -> Self {
        Self::over(&addr.to_string(), move || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
            socket.bind(&SocketAddr::from((source, 0)).into())?;
            socket.connect(&addr.into())?;
            Ok(Box::new(TcpStream::from(socket)))
        })
    }

    /// A client of a unix socket.
    pub fn unix(path: &Path) -> Self {
        let path = path.to_owned();
        Self::over("unix.test", move || Ok(Box::new(std::os::unix::net::UnixStream::connect(&path)?)))
    }

    /// A client over any connection.
    pub fn over(host: &str, connect: impl Fn() -> io::Result<Box<dyn Stream>> + Send + 'static) -> Self {
        Self {
            connect: Box::new(connect),
            host: host.to_owned(),
            note: String::new(),
            jar: None,
            wire: None,
            connections: 0,
            patience: super::DEADLINE,
        }
    }

    /// Puts a cookie into the jar.
    pub fn cookie(mut self, name: &str, value: &str) -> Self {
        self.jar.get_or_insert_default().insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    pub fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, b"").unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    pub fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, &[], body).unwrap_or_else(|e| panic!("POST {path}: {e}"))
    }

    /// One request and its answer. An error is final: this client never asks twice.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut head = self.head(method, path, headers);
        let framed = headers.iter().any(|(n, _)| {
            n.eq_ignore_ascii_case("transfer-encoding") || n.eq_ignore_ascii_case("content-length")
        });
        if !framed && (!body.is_empty() || method == "POST" || method == "PUT") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        let wire = self.open()?;
        wire.get_mut().write_all(&bytes)?;
        self.answer(method)
    }

    /// Writes bytes as they are on the client's connection.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open()?.get_mut().write_all(bytes)
    }

    /// Reads the answer to what was written, as one to `method`.
    pub fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut wire = self.wire.take().ok_or(io::ErrorKind::NotConnected)?;
        let mut early = Vec::new();
        let head = loop {
            let head = read_head(&mut wire)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if !(100..200).contains(&head.status()) {
                break head;
            }
            early.push(head);
        };
        let status = head.status();
        let length = if method == "HEAD" || matches!(status, 204 | 304) {
            Length::Fixed(0)
        } else {
            length(&head, Length::UntilClose)
        };
        let mut body = Vec::new();
        let trailers = read_body(&mut wire, length, |piece| body.extend_from_slice(piece))?;
        self.keep_cookies(&head);
        if length != Length::UntilClose
            && !head.says("connection", "close")
            && !head.line.starts_with("HTTP/1.0")
        {
            self.wire = Some(wire);
        }
        Ok(Answer { status, head, early, body, trailers })
    }

    /// Asks for an upgrade on a connection of its own; gives the connection away.
    pub fn upgrade(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<(Head, Wire<Box<dyn Stream>>)> {
        let head = self.head("GET", path, headers) + "\r\n";
        let stream = (self.connect)()?;
        stream.limit(self.patience)?;
        let mut wire = BufReader::new(stream);
        wire.get_mut().write_all(head.as_bytes())?;
        let head = read_head(&mut wire)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.keep_cookies(&head);
        Ok((head, wire))
    }

    /// The open connection, or a new one.
    pub fn open(&mut self) -> io::Result<&mut Wire<Box<dyn Stream>>> {
        if self.wire.is_none() {
            let stream = (self.connect)()?;
            stream.limit(self.patience)?;
            self.connections += 1;
            self.wire = Some(BufReader::new(stream));
        }
        Ok(self.wire.as_mut().expect("opened above"))
    }

    /// Closes the connection.
    pub fn hang_up(&mut self) {
        self.wire = None;
    }

    fn head(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {}\r\n", self.host));
        }
        if let Some(jar) = self.jar.as_ref().filter(|jar| !jar.is_empty()) {
            let pairs: Vec<String> = jar.iter().map(|(n, v)| format!("{n}={v}")).collect();
            head.push_str(&format!("Cookie: {}\r\n", pairs.join("; ")));
        }
        headers.iter().for_each(|(n, v)| head.push_str(&format!("{n}: {v}\r\n")));
        head
    }

    fn keep_cookies(&mut self, head: &Head) {
        let Some(jar) = &mut self.jar else { return };
        for line in head.all("set-cookie") {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let attributes = attributes.to_ascii_lowercase();
            if attributes.contains("max-age=0") || attributes.contains("1970") {
                jar.remove(name.trim());
            } else {
                jar.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

/// What a raw exchange gave back.
#[derive(Debug)]
pub struct Raw {
    pub text: String,
    /// The server ended the connection.
    pub closed: bool,
}

impl Raw {
    pub fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    /// How many answers are in it.
    pub fn answers(&self) -> usize {
        self.text.matches("HTTP/1.").count()
    }
}

/// Sends bytes and reads until the server closes, or says nothing for `quiet`.
pub fn raw(addr: SocketAddr, bytes: &[u8], quiet: Duration) -> Raw {
    let mut stream = TcpStream::connect(addr).expect("the listener accepts");
    stream.set_read_timeout(Some(quiet)).expect("a timeout can be set");
    // The server may refuse and close before all was written; what it said still counts.
    let _ = stream.write_all(bytes);
    let mut got = Vec::new();
    let mut piece = [0; 4096];
    let closed = loop {
        match stream.read(&mut piece) {
            Ok(0) => break true,
            Ok(n) => got.extend_from_slice(&piece[..n]),
            Err(e) => break !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    };
    Raw { text: String::from_utf8_lossy(&got).into_owned(), closed }
}
