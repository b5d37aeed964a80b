//! The application that the origins run: the first path segment chooses what happens.

use super::origin::{Sessions, State, Then};
use super::wire::{Head, Length, Sum, Wire, cookie, length, pattern_at, query, read_body};
use super::ws;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Reads the rest of the request and answers it.
pub fn answer(state: &State, wire: &mut Wire<TcpStream>, head: &Head) -> io::Result<Then> {
    let (method, target) = parts(head);
    let path = target.split(['?', ';']).next().unwrap_or("/");
    let place = path.trim_start_matches('/').split('/').next().unwrap_or("");
    if place == "reset" {
        return Ok(Then::Close);
    }
    if place == "ws" || place == "flood" {
        return web_socket(state, wire, head);
    }
    if head.says("expect", "100-continue") {
        match place {
            // It has not read the body, and says so before anybody has sent it.
            "too-large" => return reply(state, wire.get_mut(), 417, &[], "not that much"),
            "knows-no-expect" => {}
            _ => wire.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
        }
    }
    if place == "echo" {
        return echo(state, wire, head);
    }
    if place == "at-once" {
        return at_once(state, wire, head);
    }
    let mut body = Body::default();
    if place != "unread" {
        let trailers = read_body(wire, length(head, Length::Fixed(0)), |piece| body.add(state, piece))?;
        body.trailers = trailers;
    }
    let out = wire.get_mut();
    match place {
        "slow" => {
            let ms = query(target, "ms").and_then(|v| v.parse().ok()).unwrap_or(500);
            // before it is answered: whoever has the answer may send the next request before anything else
            // happens here
            state.peak.fetch_max(1 + state.busy.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(ms));
            state.busy.fetch_sub(1, Ordering::SeqCst);
            visit(state, out, head)
        }
        "big" => big(state, out, target),
        "upload" | "knows-no-expect" => {
            reply(state, out, 200, &[], &format!("{{\"bytes\":{},\"sum\":{}}}", body.bytes, body.sum.0))
        }
        "unread" => reply(state, out, 413, &[("Connection", "close")], "too much").map(|_| Then::Close),
        "trailers" => reply(state, out, 200, &[], &json(&body.trailers)),
        "close" => {
            // The answer promises keep-alive; the close right behind it is the race that proxies trip over.
            visit(state, out, head)?;
            Ok(Then::Close)
        }
        "chunked" => chunked(state, out),
        "early-hints" => {
            let count = query(target, "n").and_then(|v| v.parse().ok()).unwrap_or(1);
            for i in 0..count {
                write!(
                    out,
                    "HTTP/1.1 103 Early Hints\r\nLink: </{i}.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n"
                )?;
            }
            // Asked for, the answer waits until the client says that it has the hints.
            while query(target, "wait").is_some() && !state.go_on.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            visit(state, out, head)
        }
        "status" => status(state, out, target),
        "hz" => reply(state, out, state.check.load(Ordering::SeqCst) as u16, &[], "its health"),
        "headers" => {
            reply(state, out, 200, &[("Content-Type", "application/json")], &seen(state, head, method))
        }
        "set" => set_cookies(state, out, target),
        "names-itself" => names_itself(state, out, target),
        "events" => events(state, out),
        "login" => login(state, out),
        "logout" => logout(state, out),
        "until-close" => {
            write!(out, "HTTP/1.1 200 OK\r\nX-Node: {}\r\n\r\nall of it", state.name)?;
            Ok(Then::Close)
        }
        _ => visit(state, out, head),
    }
}

/// Method and target of a request's head.
pub fn parts(head: &Head) -> (&str, &str) {
    let mut words = head.line.split(' ');
    (words.next().unwrap_or(""), words.next().unwrap_or("/"))
}

#[derive(Default)]
struct Body {
    bytes: u64,
    sum: Sum,
    trailers: Vec<(String, String)>,
}

impl Body {
    fn add(&mut self, state: &State, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.sum.add(piece);
        state.body_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
}

/// One answer with a length. A HEAD request is answered by its own rule in `status`; here every answer has
/// its body.
fn reply(
    state: &State,
    out: &mut TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Then> {
    let mut text =
        format!("HTTP/1.1 {status} Whatever\r\nX-Node: {}\r\nContent-Length: {}\r\n", state.name, body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    out.write_all(text.as_bytes())?;
    Ok(Then::Keep)
}

fn visit(state: &State, out: &mut TcpStream, head: &Head) -> io::Result<Then> {
    let (method, target) = parts(head);
    let (id, visits, set) = session(state, head, target);
    let body = format!("{{\"node\":\"{}\",\"session\":\"{id}\",\"visits\":{visits}}}", state.name);
    let mut headers = vec![("Content-Type", "application/json")];
    if let Some(set) = &set {
        headers.push(("Set-Cookie", set));
    }
    if method == "HEAD" {
        let mut text =
            format!("HTTP/1.1 200 OK\r\nX-Node: {}\r\nContent-Length: {}\r\n", state.name, body.len());
        headers.iter().for_each(|(n, v)| text.push_str(&format!("{n}: {v}\r\n")));
        out.write_all((text + "\r\n").as_bytes())?;
        return Ok(Then::Keep);
    }
    reply(state, out, 200, &headers, &body)
}

/// Finds the session in this node's memory, or starts one and says which cookie to set.
fn session(state: &State, head: &Head, target: &str) -> (String, u64, Option<String>) {
    let name = match &state.sessions {
        Sessions::None => return (String::new(), 0, None),
        Sessions::Jvm(_) => "JSESSIONID",
        Sessions::Plain(name) => name,
    };
    let in_path =
        target.split_once(";jsessionid=").map(|(_, rest)| rest.split(['?', ';']).next().unwrap_or(""));
    let mut visits = state.visits.lock().unwrap();
    for id in in_path.into_iter().chain(cookie(head, name)) {
        if let Some(count) = visits.get_mut(id) {
            *count += 1;
            return (id.to_owned(), *count, None);
        }
    }
    let id = new_id(state);
    visits.insert(id.clone(), 1);
    let set = format!("{name}={id}; Path=/; HttpOnly");
    (id, 1, Some(set))
}

fn new_id(state: &State) -> String {
    let id = format!("{:032X}", rand::random::<u128>());
    match &state.sessions {
        Sessions::Jvm(route) => format!("{id}.{route}"),
        _ => id,
    }
}

/// A login: the session gets a new id, as frameworks do against session fixation.
fn login(state: &State, out: &mut TcpStream) -> io::Result<Then> {
    let id = new_id(state);
    state.visits.lock().unwrap().insert(id.clone(), 1);
    let name = if let Sessions::Plain(name) = &state.sessions { name } else { "JSESSIONID" };
    reply(
        state,
        out,
        200,
        &[("Set-Cookie", &format!("{name}={id}; Path=/"))],
        &format!("{{\"node\":\"{}\"}}", state.name),
    )
}

fn logout(state: &State, out: &mut TcpStream) -> io::Result<Then> {
    let name = if let Sessions::Plain(name) = &state.sessions { name } else { "JSESSIONID" };
    let set = format!("{name}=gone; Max-Age=0; Path=/");
    reply(state, out, 200, &[("Set-Cookie", &set)], &format!("{{\"node\":\"{}\"}}", state.name))
}

/// `/set?A=1&B=2` answers with one Set-Cookie line each.
fn set_cookies(state: &State, out: &mut TcpStream, target: &str) -> io::Result<Then> {
    let pairs = target.split_once('?').map_or("", |(_, q)| q);
    // NODE stands for the node's own name
    let line = |pair: &str| format!("{}; Path=/", pair.replace("NODE", &state.name));
    let lines: Vec<String> = pairs.split('&').filter(|p| !p.is_empty()).map(line).collect();
    let headers: Vec<(&str, &str)> = lines.iter().map(|l| ("Set-Cookie", l.as_str())).collect();
    reply(state, out, 200, &headers, &format!("{{\"node\":\"{}\"}}", state.name))
}

/// As an application that builds addresses from its own, not from the one it was asked at.
fn names_itself(state: &State, out: &mut TcpStream, target: &str) -> io::Result<Then> {
    let own = out.local_addr()?;
    let page = target.rsplit('/').next().unwrap_or_default();
    let (location, content) = (format!("http://{own}/{page}?a=1"), format!("http://{own}/{page}.html"));
    let cookie = format!("seen=1; Domain={}; Path=/", own.ip());
    reply(
        state,
        out,
        302,
        &[("Location", &location), ("Content-Location", &content), ("Set-Cookie", &cookie)],
        "",
    )
}

fn big(state: &State, out: &mut TcpStream, target: &str) -> io::Result<Then> {
    let n: usize = query(target, "n").and_then(|v| v.parse().ok()).unwrap_or(1 << 20);
    write!(out, "HTTP/1.1 200 OK\r\nX-Node: {}\r\nContent-Length: {n}\r\n\r\n", state.name)?;
    // Written in pieces: a test that stops reading must find the writer stopped too, with the pieces counted
    // so far.
    for start in (0..n).step_by(64 << 10) {
        let piece = pattern_at(start, (n - start).min(64 << 10));
        out.write_all(&piece)?;
        state.body_bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    Ok(Then::Keep)
}

fn chunked(state: &State, out: &mut TcpStream) -> io::Result<Then> {
    write!(
        out,
        "HTTP/1.1 200 OK\r\nX-Node: {}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
        state.name
    )?;
    for word in ["one ", "two ", "three"] {
        write!(out, "{:x}\r\n{word}\r\n", word.len())?;
        out.flush()?;
    }
    out.write_all(b"0\r\nX-Sum: 42\r\n\r\n")?;
    Ok(Then::Keep)
}

/// Server-sent events, one after the other until the client has gone.
fn events(state: &State, out: &mut TcpStream) -> io::Result<Then> {
    write!(out, "HTTP/1.1 200 OK\r\nX-Node: {}\r\nContent-Type: text/event-stream\r\n\r\n", state.name)?;
    loop {
        out.write_all(b"data: tick\n\n")?;
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn status(state: &State, out: &mut TcpStream, target: &str) -> io::Result<Then> {
    let code: u16 = query(target, "code").and_then(|v| v.parse().ok()).unwrap_or(200);
    if matches!(code, 204 | 304) {
        write!(out, "HTTP/1.1 {code} Empty\r\nX-Node: {}\r\nETag: \"x\"\r\n\r\n", state.name)?;
        return Ok(Then::Keep);
    }
    reply(state, out, code, &[], "a status")
}

fn seen(state: &State, head: &Head, method: &str) -> String {
    let target = parts(head).1;
    format!(
        "{{\"node\":{:?},\"method\":{method:?},\"target\":{target:?},\"headers\":{}}}",
        state.name,
        json(&head.headers)
    )
}

fn json(fields: &[(String, String)]) -> String {
    serde_json::to_string(fields).expect("strings become JSON")
}

/// Sends the body back while it arrives.
fn echo(state: &State, wire: &mut Wire<TcpStream>, head: &Head) -> io::Result<Then> {
    let mut out = wire.get_ref().try_clone()?;
    write!(out, "HTTP/1.1 200 OK\r\nX-Node: {}\r\nTransfer-Encoding: chunked\r\n\r\n", state.name)?;
    let mut failed = None;
    read_body(wire, length(head, Length::Fixed(0)), |piece| {
        let sent = write!(out, "{:x}\r\n", piece.len())
            .and_then(|()| out.write_all(piece))
            .and_then(|()| out.write_all(b"\r\n"));
        failed = failed.take().or(sent.err());
    })?;
    out.write_all(b"0\r\n\r\n")?;
    failed.map_or(Ok(Then::Keep), Err)
}

/// Answers before it has read the body; then it reads it, or closes without having said so.
fn at_once(state: &State, wire: &mut Wire<TcpStream>, head: &Head) -> io::Result<Then> {
    let n = query(parts(head).1, "n").and_then(|v| v.parse().ok()).unwrap_or(6);
    let out = wire.get_mut();
    let connection = query(parts(head).1, "says").unwrap_or("keep-alive");
    write!(
        out,
        "HTTP/1.1 401 No\r\nX-Node: {}\r\nConnection: {connection}\r\nContent-Length: {n}\r\n\r\n",
        state.name
    )?;
    if query(parts(head).1, "late").is_some() {
        // the proxy has begun to wait for the body by then
        std::thread::sleep(Duration::from_millis(20));
    }
    out.write_all(&vec![b'x'; n])?;
    if query(parts(head).1, "then") == Some("close") {
        return Ok(Then::Close);
    }
    let mut body = Body::default();
    read_body(wire, length(head, Length::Fixed(0)), |piece| body.add(state, piece))?;
    Ok(Then::Keep)
}

/// Frames of 50,000 bytes for as long as somebody takes them.
fn flood(state: &State, out: &mut TcpStream) -> io::Result<Then> {
    let frame = [&[0x82, 126, 0xc3, 0x50][..], &[7; 50_000]].concat();
    loop {
        out.write_all(&frame)?;
        state.body_bytes.fetch_add(frame.len() as u64, Ordering::SeqCst);
    }
}

fn web_socket(state: &State, wire: &mut Wire<TcpStream>, head: &Head) -> io::Result<Then> {
    let key = head.get("sec-websocket-key").unwrap_or("");
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    write!(wire.get_mut(), "{switch}X-Node: {}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n", state.name)?;
    if parts(head).1.starts_with("/flood") {
        return flood(state, wire.get_mut());
    }
    ws::echo(wire)?;
    Ok(Then::Close)
}
