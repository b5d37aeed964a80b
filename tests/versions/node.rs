//! Nodes that keep what reached them, byte for byte, and answer what a row says.

use super::client::field;
use super::frames::{Frames, PREFACE, Said};
use super::hpack::Field;
use super::table::{Http, Row, bytes, data, raw, shown};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request that arrived in full.
pub type Seen = Vec<String>;

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    answer: Mutex<Vec<String>>,
}

/// A node of one HTTP.
pub struct Node {
    pub addr: SocketAddr,
    state: Arc<State>,
}

impl Node {
    pub fn start(http: Http) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::<State>::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let state = shared.clone();
                socket.set_nodelay(true).expect("it can be");
                // a connection that breaks is the proxy's to notice
                std::thread::spawn(move || match http {
                    Http::One => serve_one(&state, socket),
                    Http::Two => serve_two(&state, socket),
                });
            }
        });
        Self { addr, state }
    }

    /// From now on it answers so.
    pub fn answers(&self, row: &Row) {
        let answer = if row.is_answer() {
            row.sent.iter().filter(|item| !item.starts_with("ask ")).cloned().collect()
        } else {
            Vec::new()
        };
        *self.state.answer.lock().unwrap() = answer;
    }

    /// What arrived since it was asked last.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.seen.lock().unwrap())
    }
}

fn serve_one(state: &State, socket: TcpStream) -> io::Result<()> {
    let mut wire = BufReader::new(socket);
    while let Some(mut seen) = read_lines(&mut wire)? {
        let says = |name: &str, word: &str| {
            let value = seen.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.is_some_and(|value| value.to_ascii_lowercase().contains(word))
        };
        if says("expect", "100-continue") {
            wire.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = seen.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let rest = read_rest(&mut wire, says("transfer-encoding", "chunked"), length)?;
        seen.extend(rest);
        state.seen.lock().unwrap().push(seen);
        let answer = state.answer.lock().unwrap().clone();
        wire.get_mut().write_all(&text_of(&answer))?;
        if answer.iter().any(|item| item == "close") {
            break;
        }
    }
    Ok(())
}

/// An answer over HTTP/1, as a row says it.
fn text_of(answer: &[String]) -> Vec<u8> {
    if answer.iter().any(|item| raw(item).is_some()) {
        return answer.iter().filter_map(|item| raw(item)).flatten().collect();
    }
    let own = answer.iter().any(|item| item.starts_with("HTTP/1.") || data(item).is_some());
    let mut out = Vec::new();
    if !answer.first().is_some_and(|item| item.starts_with("HTTP/1.")) {
        out.extend(b"HTTP/1.1 200 OK\r\n");
    }
    for item in answer.iter().filter(|item| *item != "close" && data(item).is_none()) {
        if item.starts_with("HTTP/1.") && !out.is_empty() {
            out.extend(b"\r\n");
        }
        out.extend([&bytes(item)[..], b"\r\n"].concat());
    }
    out.extend(if own { &b"\r\n"[..] } else { b"Content-Length: 2\r\n\r\nok" });
    out.extend(answer.iter().filter_map(|item| data(item)).flat_map(bytes));
    out
}

/// A head's lines, with their names in small letters. `None`: the connection was closed.
pub fn read_lines<S: Read>(wire: &mut BufReader<S>) -> io::Result<Option<Seen>> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if wire.read_until(b'\n', &mut line)? == 0 {
            return if lines.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(Some(lines));
        }
        lines.push(match line.iter().position(|byte| *byte == b':').filter(|_| !lines.is_empty()) {
            Some(colon) => {
                let value = &line[colon + 1..];
                let name = shown(&line[..colon]).to_ascii_lowercase();
                format!("{name}: {}", shown(value.strip_prefix(b" ").unwrap_or(value)))
            }
            None => shown(line),
        });
    }
}

/// A body and its trailers, as lines.
pub fn read_rest<S: Read>(wire: &mut BufReader<S>, chunked: bool, length: Option<usize>) -> io::Result<Seen> {
    let mut body = Vec::new();
    let mut trailers = Vec::new();
    if chunked {
        loop {
            let mut line = String::new();
            wire.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim_end(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                break;
            }
            let mut chunk = vec![0; size + 2];
            wire.read_exact(&mut chunk)?;
            body.extend(&chunk[..size]);
        }
        trailers = trailer_lines(wire)?;
    } else if let Some(length) = length {
        body = vec![0; length];
        wire.read_exact(&mut body)?;
    }
    let mut lines = Vec::new();
    if !body.is_empty() {
        lines.push(format!("data: {}", shown(&body)));
    }
    lines.extend(trailers.into_iter().map(|line| format!("trailer {line}")));
    Ok(lines)
}

fn trailer_lines<S: Read>(wire: &mut BufReader<S>) -> io::Result<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if wire.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return Ok(lines);
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        lines.push(format!("{}{}", shown(&line[..colon]).to_ascii_lowercase(), shown(&line[colon..])));
    }
}

fn serve_two(state: &State, mut socket: TcpStream) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    socket.read_exact(&mut preface)?;
    let mut frames = Frames::new(socket);
    frames.settings()?;
    let mut open: Vec<(u32, Seen, Vec<u8>)> = Vec::new();
    loop {
        let (stream, end) = match frames.next()? {
            Said::Fields { stream, fields, end } => {
                let lines = fields.iter().map(|(name, value)| format!("{}: {}", shown(name), shown(value)));
                match open.iter_mut().find(|(known, ..)| *known == stream) {
                    Some((_, seen, body)) => {
                        data_line(seen, body);
                        seen.extend(lines.map(|line| format!("trailer {line}")));
                    }
                    None => open.push((stream, lines.collect(), Vec::new())),
                }
                (stream, end)
            }
            Said::Data { stream, data, end } => {
                open.iter_mut()
                    .filter(|(known, ..)| *known == stream)
                    .for_each(|(.., body)| body.extend(&data));
                (stream, end)
            }
            Said::Reset { stream, .. } => {
                open.retain(|(known, ..)| *known != stream);
                continue;
            }
            Said::GoAway { .. } => return Ok(()),
            Said::Settings => continue,
        };
        if let Some(at) = open.iter().position(|(known, ..)| *known == stream).filter(|_| end) {
            let (_, mut seen, mut body) = open.remove(at);
            data_line(&mut seen, &mut body);
            state.seen.lock().unwrap().push(seen);
            let answer = state.answer.lock().unwrap().clone();
            answer_two(&mut frames, stream, &answer)?;
        }
    }
}

fn data_line(seen: &mut Seen, body: &mut Vec<u8>) {
    if !body.is_empty() {
        seen.push(format!("data: {}", shown(&std::mem::take(body))));
    }
}

/// An answer over HTTP/2, as a row says it.
fn answer_two(frames: &mut Frames, stream: u32, answer: &[String]) -> io::Result<()> {
    let says = |word: &str| answer.iter().any(|item| item == word);
    let (head, trailers) =
        answer.split_at(answer.iter().position(|item| item == "trailers:").unwrap_or(answer.len()));
    let fields = |items: &[String]| -> Vec<Field> {
        let said = |item: &&String| {
            !matches!(item.as_str(), "bare" | "no :status" | "trailers:") && data(item).is_none()
        };
        items.iter().filter(said).map(|item| field(item)).collect()
    };
    let mut body: Vec<Vec<u8>> = answer.iter().filter_map(|item| data(item).map(bytes)).collect();
    if body.is_empty() && !says("bare") {
        body.push(b"ok".to_vec());
    }
    let mut heads: Vec<Vec<Field>> = head.split(|item| item == "then").map(fields).collect();
    if !says("no :status") && !head.iter().any(|item| item.starts_with(":status: ")) {
        heads[0].insert(0, (b":status".to_vec(), b"200".to_vec()));
    }
    let last = heads.len() - 1;
    for (at, head) in heads.iter().enumerate() {
        frames.fields(stream, head, at == last && body.is_empty())?;
    }
    for (at, part) in body.iter().enumerate() {
        frames.data(stream, part, at + 1 == body.len() && trailers.is_empty())?;
    }
    if trailers.is_empty() { Ok(()) } else { frames.fields(stream, &fields(trailers), true) }
}
