//! HTTP/1 as bytes: heads and bodies, read strictly and without a library, so that a test sees what was
//! really sent.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

/// A byte stream a client or a server can speak over.
pub trait Stream: Read + Write + Send {
    /// Bounds every read; a server that never answers must fail the test, not hang it.
    fn limit(&self, time: Duration) -> io::Result<()>;
}

impl Stream for std::net::TcpStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))
    }
}

impl Stream for std::os::unix::net::UnixStream {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))
    }
}

impl Stream for rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream> {
    fn limit(&self, time: Duration) -> io::Result<()> {
        self.sock.set_read_timeout(Some(time))
    }
}

/// A start line and its header lines, in order and as written.
#[derive(Debug, Clone, Default)]
pub struct Head {
    pub line: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All values of a header, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// True when a comma-separated header holds this word.
    pub fn says(&self, name: &str, word: &str) -> bool {
        self.all(name).flat_map(|v| v.split(',')).any(|w| w.trim().eq_ignore_ascii_case(word))
    }

    /// The status of an answer's head.
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Fixed(u64),
    Chunked,
    UntilClose,
}

/// A reader over a stream that also gives the stream back for writing.
pub type Wire<S> = BufReader<S>;

/// Reads one head; `None` at a clean end before its first byte.
pub fn read_head<S: Read>(wire: &mut Wire<S>) -> io::Result<Option<Head>> {
    let mut head = Head::default();
    let mut text = String::new();
    if wire.read_line(&mut text)? == 0 {
        return Ok(None);
    }
    head.line = text.trim_end().to_owned();
    head.headers = read_fields(wire)?;
    Ok(Some(head))
}

/// Reads header or trailer lines up to the empty one.
pub fn read_fields<S: Read>(wire: &mut Wire<S>) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let mut text = String::new();
        if wire.read_line(&mut text)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Ok(fields);
        }
        let (name, value) =
            text.split_once(':').ok_or_else(|| io::Error::other(format!("not a header: {text:?}")))?;
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// The length that a head declares; `otherwise` when it declares none.
pub fn length(head: &Head, otherwise: Length) -> Length {
    if head.says("transfer-encoding", "chunked") {
        return Length::Chunked;
    }
    match head.get("content-length").and_then(|v| v.parse().ok()) {
        Some(n) => Length::Fixed(n),
        None => otherwise,
    }
}

/// Reads a body piece by piece; returns its trailers.
pub fn read_body<S: Read>(
    wire: &mut Wire<S>,
    length: Length,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Vec<(String, String)>> {
    match length {
        Length::Fixed(n) => copy(wire, n, &mut take)?,
        Length::UntilClose => {
            let mut piece = vec![0; 64 << 10];
            loop {
                match wire.read(&mut piece)? {
                    0 => return Ok(Vec::new()),
                    n => take(&piece[..n]),
                }
            }
        }
        Length::Chunked => loop {
            let mut text = String::new();
            wire.read_line(&mut text)?;
            let digits = text.trim_end().split(';').next().unwrap_or("");
            let n = u64::from_str_radix(digits, 16)
                .map_err(|_| io::Error::other(format!("not a chunk size: {text:?}")))?;
            if n == 0 {
                return read_fields(wire);
            }
            copy(wire, n, &mut take)?;
            let mut end = [0; 2];
            wire.read_exact(&mut end)?;
            if end != *b"\r\n" {
                return Err(io::Error::other("a chunk does not end in CRLF"));
            }
        },
    }
    Ok(Vec::new())
}

fn copy<S: Read>(wire: &mut Wire<S>, mut left: u64, take: &mut impl FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    while left > 0 {
        let want = piece.len().min(left as usize);
        match wire.read(&mut piece[..want])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                take(&piece[..n]);
                left -= n as u64;
            }
        }
    }
    Ok(())
}

/// Bytes that differ from place to place, so that a lost, doubled or swapped piece shows.
pub fn pattern(n: usize) -> Vec<u8> {
    pattern_at(0, n)
}

/// A part of them.
pub fn pattern_at(start: usize, n: usize) -> Vec<u8> {
    (start..start + n).map(|i| (i.wrapping_mul(31) ^ (i >> 8).wrapping_mul(17) ^ (i >> 16)) as u8).collect()
}

/// FNV-1a, to compare bodies without keeping them.
#[derive(Debug, Clone, Copy)]
pub struct Sum(pub u64);

impl Default for Sum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Sum {
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub fn of(bytes: &[u8]) -> u64 {
        let mut sum = Self::default();
        sum.add(bytes);
        sum.0
    }
}

/// The value of a query parameter in a request target.
pub fn query<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(n, _)| *n == name).map(|(_, v)| v))
}

/// The value of a cookie in `Cookie` lines.
pub fn cookie<'a>(head: &'a Head, name: &str) -> Option<&'a str> {
    head.all("cookie")
        .flat_map(|v| v.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(n, _)| *n == name).map(|(_, v)| v))
}
