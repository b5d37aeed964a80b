//! A client that sends what a row says, byte for byte, and tells what came back.

use super::frames::{Frames, PREFACE, Said};
use super::hpack::Field;
use super::node::{read_lines, read_rest};
use super::table::{Http, Row, bytes, data, raw, shown};
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// What a client is told: its answer's lines, and how it ended if not well.
pub struct Told {
    pub lines: Vec<String>,
    pub status: String,
    pub broke_off: bool,
}

/// Sends a row's request and reads to the end of its answer.
pub fn ask(addr: SocketAddr, row: &Row, patience: Duration) -> Told {
    let items: Vec<&str> = match row.is_answer() {
        true => row.sent.iter().filter_map(|item| item.strip_prefix("ask ")).collect(),
        false => row.sent.iter().map(String::as_str).collect(),
    };
    let socket = TcpStream::connect(addr).expect("the listener accepts");
    socket.set_read_timeout(Some(patience)).expect("a timeout can be set");
    socket.set_nodelay(true).expect("it can be");
    let mut told = Told { lines: Vec::new(), status: String::new(), broke_off: false };
    let ended = match row.client() {
        Http::One => ask_one(socket, &items, &mut told),
        Http::Two => ask_two(socket, &items, &mut told),
    };
    if let Err(error) = ended {
        let how = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer".to_owned(),
            io::ErrorKind::Other => error.to_string(),
            _ => "closed".to_owned(),
        };
        told.lines.push(how);
        told.broke_off = true;
    }
    told
}

/// Sends bytes as they stand, closes its side, and tells of all answers what their status is.
fn ask_raw(mut socket: TcpStream, items: &[&str], told: &mut Told) -> io::Result<()> {
    let _ =
        socket.write_all(&items.iter().flat_map(|item| raw(item).unwrap_or_default()).collect::<Vec<_>>());
    let _ = socket.shutdown(Shutdown::Write);
    let mut wire = BufReader::new(socket);
    loop {
        let mut one = Told { lines: Vec::new(), status: String::new(), broke_off: false };
        match read_answer(&mut wire, false, &mut one) {
            Ok(()) if told.status.is_empty() => told.status = one.status,
            Ok(()) => told.status = format!("{} {}", told.status, one.status),
            Err(_) if !told.status.is_empty() => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn ask_one(mut socket: TcpStream, items: &[&str], told: &mut Told) -> io::Result<()> {
    if items.first().is_some_and(|item| raw(item).is_some()) {
        return ask_raw(socket, items, told);
    }
    let mut items = items;
    let mut line = "GET / HTTP/1.1";
    if let Some(first) = items.first().filter(|item| item.contains(" HTTP/")) {
        (line, items) = (first, &items[1..]);
    }
    let mut out = bytes(line);
    out.extend(b"\r\n");
    if !items.contains(&"no Host") {
        out.extend(b"Host: app.test\r\n");
    }
    let mut body = Vec::new();
    for item in items.iter().filter(|item| **item != "no Host") {
        match data(item) {
            Some(text) => body.extend(bytes(text)),
            None => out.extend([&bytes(item)[..], b"\r\n"].concat()),
        }
    }
    out.extend(b"\r\n");
    out.extend(body);
    // it may refuse and close before all was written; what it said still counts
    let _ = socket.write_all(&out);
    read_answer(&mut BufReader::new(socket), line.starts_with("HEAD "), told)
}

/// One answer, and what comes before it.
fn read_answer(wire: &mut BufReader<TcpStream>, headless: bool, told: &mut Told) -> io::Result<()> {
    loop {
        let mut lines = read_lines(wire)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status: String = lines.remove(0).split(' ').nth(1).unwrap_or_default().chars().take(3).collect();
        if status.starts_with('1') && status != "101" {
            told.lines.push(format!("interim {status}"));
            told.lines.extend(lines.into_iter().map(|line| format!("interim {line}")));
            continue;
        }
        told.status = status;
        let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let chunked = lines.iter().any(|line| line == "transfer-encoding: chunked");
        told.lines.extend(lines);
        let bodiless = headless || matches!(told.status.as_str(), "204" | "304");
        if !bodiless && !chunked && length.is_none() {
            let mut rest = Vec::new();
            wire.read_to_end(&mut rest)?;
            told.lines.push(format!("data: {}", shown(&rest)));
        } else if !bodiless {
            told.lines.extend(read_rest(wire, chunked, length)?);
        }
        return Ok(());
    }
}

/// A field of a row.
pub fn field(item: &str) -> Field {
    let (name, value) = item.split_once(": ").unwrap_or((item.strip_suffix(':').unwrap_or(item), ""));
    (bytes(name), bytes(value))
}

/// The head, the parts of the body and the trailers of a row for HTTP/2.
fn request(items: &[&str]) -> (Vec<Field>, Vec<Vec<u8>>, Vec<Field>) {
    let (mut head, mut body, mut trailers) = (Vec::new(), Vec::new(), Vec::new());
    let before = &items[..items.iter().position(|item| *item == "trailers:").unwrap_or(items.len())];
    for base in [":method: GET", ":scheme: http", ":authority: app.test", ":path: /"] {
        let (name, _) = base[1..].split_once(": ").expect("a pair");
        let own = before.iter().find(|item| {
            item.strip_prefix(':')
                .and_then(|item| item.strip_prefix(name))
                .is_some_and(|v| v.starts_with(':'))
        });
        if !items.contains(&&*format!("no :{name}")) {
            head.push(field(own.unwrap_or(&base)));
        }
    }
    let known = |item: &str| {
        [":method:", ":scheme:", ":authority:", ":path:"].iter().any(|name| item.starts_with(name))
    };
    let mut behind = false;
    for item in items.iter().filter(|item| !item.starts_with("no :")) {
        match data(item) {
            Some(data) => body.push(bytes(data)),
            None if *item == "trailers:" => behind = true,
            None if behind => trailers.push(field(item)),
            None if known(item) => {}
            None => head.push(field(item.strip_prefix("again ").unwrap_or(item))),
        }
    }
    (head, body, trailers)
}

fn ask_two(mut socket: TcpStream, items: &[&str], told: &mut Told) -> io::Result<()> {
    socket.write_all(PREFACE)?;
    let mut frames = Frames::new(socket);
    frames.settings()?;
    // what the other side permits is told first
    while !matches!(frames.next()?, Said::Settings) {}
    let (head, body, trailers) = request(items);
    let mut send = || {
        frames.fields(1, &head, body.is_empty() && trailers.is_empty())?;
        for (at, data) in body.iter().enumerate() {
            frames.data(1, data, at + 1 == body.len() && trailers.is_empty())?;
        }
        if trailers.is_empty() { Ok(()) } else { frames.fields(1, &trailers, true) }
    };
    // as above
    let _: io::Result<()> = send();
    let mut data = Vec::new();
    loop {
        let end = match frames.next()? {
            Said::Fields { fields, end, .. } => {
                let is = |name: &[u8]| {
                    fields.iter().find(|(known, _)| known == name).map(|(_, value)| shown(value))
                };
                let lines: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{}: {}", shown(name), shown(value))).collect();
                match is(b":status") {
                    Some(status) if status.starts_with('1') => {
                        told.lines.extend(lines.iter().map(|line| format!("interim {line}")))
                    }
                    Some(status) => {
                        told.status = status;
                        told.lines.extend(lines.into_iter().filter(|line| !line.starts_with(":status: ")));
                    }
                    None => {
                        tell_data(told, &mut data);
                        told.lines.extend(lines.iter().map(|line| format!("trailer {line}")));
                    }
                }
                end
            }
            Said::Data { data: part, end, .. } => {
                data.extend(part);
                end
            }
            // the answer is through: what of the request was not read is not wanted
            Said::Reset { reason, .. } if reason == "NO_ERROR" => continue,
            Said::Reset { reason, .. } => return Err(io::Error::other(format!("reset {reason}"))),
            Said::GoAway { reason } if reason == "NO_ERROR" => continue,
            Said::GoAway { reason } => return Err(io::Error::other(format!("goaway {reason}"))),
            Said::Settings => continue,
        };
        if end {
            tell_data(told, &mut data);
            return Ok(());
        }
    }
}

fn tell_data(told: &mut Told, data: &mut Vec<u8>) {
    if !data.is_empty() {
        told.lines.push(format!("data: {}", shown(&std::mem::take(data))));
    }
}
