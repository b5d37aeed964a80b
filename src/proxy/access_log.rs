//! One line a request: what stands in it, and the three ways to write it.

use crate::affinity::PinSent;
use crate::config::model::LogFormat;
use std::cell::Cell;
use std::io::Write as _;
use std::net::IpAddr;

pub use super::log_writer::{Log, LogBuffer};

/// What is known of a request once it is over. Absent times are of steps that were not reached.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// When the request began, in milliseconds since 1970.
    pub time: u64,
    /// The client's address.
    pub client: IpAddr,
    /// The client's port.
    pub client_port: u16,
    /// The method.
    pub method: &'a str,
    /// The host asked for.
    pub host: &'a str,
    /// The path with its query.
    pub path: &'a str,
    /// "HTTP/1.1" or the like.
    pub version: &'a str,
    /// The status answered.
    pub status: u16,
    /// Bytes sent to the client.
    pub bytes: u64,
    /// From the request's first byte to the answer's last.
    pub duration_ms: f64,
    /// The cluster.
    pub cluster: Option<&'a str>,
    /// The node.
    pub node: Option<&'a str>,
    /// The node the session was on before.
    pub was: Option<&'a str>,
    /// Why this node.
    pub why: &'a str,
    /// The request's id.
    pub id: &'a str,
    /// The trace it belongs to.
    pub trace: Option<&'a str>,
    /// The listener.
    pub listener: &'a str,
    /// True when the client spoke TLS.
    pub tls: bool,
    /// Time until the request's header was here.
    pub request_ms: f64,
    /// Time waited for room.
    pub queue_ms: Option<f64>,
    /// Time until the node took the connection.
    pub connect_ms: Option<f64>,
    /// Time until the answer's header was here.
    pub response_ms: Option<f64>,
    /// The client's User-Agent.
    pub user_agent: Option<&'a [u8]>,
    /// The client's Referer.
    pub referer: Option<&'a [u8]>,
    /// Further tries.
    pub retries: u16,
    /// They went to another node.
    pub redispatched: bool,
    /// Something worth a word, such as `keepalive-race`.
    pub note: Option<&'a str>,
    /// Connections of: the process, the listener, the cluster, the node (HAProxy's ac, fc, bc, sc).
    pub connections: [u32; 4],
    /// Requests that waited before this one: for the node, for the cluster (HAProxy's sq, bq).
    pub queued: [u32; 2],
    /// HAProxy's first two letters of the termination state; `--` for a good end.
    pub ended: [u8; 2],
    /// What became of the pin cookie in the answer; `None` for a cluster without one.
    pub cookie: Option<PinSent>,
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            time: 0,
            client: IpAddr::from([0, 0, 0, 0]),
            client_port: 0,
            method: "",
            host: "",
            path: "",
            version: "HTTP/1.1",
            status: 0,
            bytes: 0,
            duration_ms: 0.0,
            cluster: None,
            node: None,
            was: None,
            why: "none",
            id: "",
            trace: None,
            listener: "",
            tls: false,
            request_ms: 0.0,
            queue_ms: None,
            connect_ms: None,
            response_ms: None,
            user_agent: None,
            referer: None,
            retries: 0,
            redispatched: false,
            note: None,
            connections: [0; 4],
            queued: [0; 2],
            ended: *b"--",
            cookie: None,
        }
    }
}

/// Appends one line, its end included. Nothing in the record can add a second one.
pub fn write(format: LogFormat, record: &Record<'_>, out: &mut Vec<u8>) {
    match format {
        LogFormat::Json => json(record, out),
        LogFormat::Combined => combined(record, out),
        LogFormat::Httplog => httplog(record, out),
    }
    out.push(b'\n');
}

fn json(r: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    stamp(r.time, |stamps| out.extend_from_slice(&stamps.rfc3339));
    decimals(out, r.time % 1000);
    out.extend_from_slice(b"Z\",\"client\":\"");
    address(out, r.client);
    out.push(b'"');
    json_text(out, "method", Some(r.method));
    json_text(out, "host", Some(r.host));
    json_text(out, "path", Some(r.path));
    json_number(out, "status", r.status.into());
    json_number(out, "bytes", r.bytes);
    json_ms(out, "duration_ms", Some(r.duration_ms));
    json_text(out, "cluster", r.cluster);
    json_text(out, "node", r.node);
    json_text(out, "was", r.was);
    json_text(out, "why", Some(r.why));
    json_text(out, "id", Some(r.id));
    if let Some(trace) = r.trace {
        json_text(out, "trace_id", Some(trace));
    }
    json_text(out, "listener", Some(r.listener));
    json_number(out, "port", r.client_port.into());
    out.extend_from_slice(if r.tls { b",\"tls\":true" } else { b",\"tls\":false" });
    json_text(out, "version", Some(r.version));
    json_ms(out, "request_ms", Some(r.request_ms));
    json_ms(out, "queue_ms", r.queue_ms);
    json_ms(out, "connect_ms", r.connect_ms);
    json_ms(out, "response_ms", r.response_ms);
    json_number(out, "retries", r.retries.into());
    json_text(out, "note", r.note);
    json_bytes(out, "user_agent", r.user_agent);
    json_bytes(out, "referer", r.referer);
    out.push(b'}');
}

fn combined(r: &Record<'_>, out: &mut Vec<u8>) {
    push(out, format_args!("{} - - [", r.client.to_canonical()));
    stamp(r.time, |stamps| out.extend_from_slice(&stamps.clf));
    out.extend_from_slice(b" +0000] \"");
    request_line(r, out, backslashed);
    push(out, format_args!("\" {} ", r.status));
    match r.bytes {
        0 => out.push(b'-'),
        bytes => push(out, format_args!("{bytes}")),
    }
    for text in [r.referer, r.user_agent] {
        out.extend_from_slice(b" \"");
        backslashed(text.unwrap_or(b"-"), out);
        out.push(b'"');
    }
    for (name, text) in [(" node=", r.node), (" why=", Some(r.why)), (" was=", r.was)] {
        out.extend_from_slice(name.as_bytes());
        word(text.unwrap_or("-"), out);
    }
}

/// Field for field as `option httplog` writes it, except that times are UTC.
fn httplog(r: &Record<'_>, out: &mut Vec<u8>) {
    push(out, format_args!("{}:{} [", r.client.to_canonical(), r.client_port));
    stamp(r.time, |stamps| out.extend_from_slice(&stamps.clf));
    push(out, format_args!(".{:03}] ", r.time % 1000));
    word(r.listener, out);
    out.extend_from_slice(if r.tls { b"~ " } else { b" " });
    // HAProxy names the frontend where no backend was chosen.
    word(r.cluster.unwrap_or(r.listener), out);
    out.push(b'/');
    match r.node {
        Some(node) => word(node, out),
        None => out.extend_from_slice(b"<NOSRV>"),
    }
    push(out, format_args!(" {}", whole(Some(r.request_ms))));
    for time in [r.queue_ms, r.connect_ms, r.response_ms, Some(r.duration_ms)] {
        push(out, format_args!("/{}", whole(time)));
    }
    push(out, format_args!(" {} {} - - ", r.status, r.bytes));
    out.extend_from_slice(&r.ended);
    out.extend_from_slice(&cookie_letters(r));
    let ([ac, fc, bc, sc], [sq, bq]) = (r.connections, r.queued);
    let plus = if r.redispatched { "+" } else { "" };
    push(out, format_args!(" {ac}/{fc}/{bc}/{sc}/{plus}{} {sq}/{bq} \"", r.retries));
    request_line(r, out, hashed);
    out.push(b'"');
}

/// HAProxy's third and fourth letter: the pin as it came, and as it goes.
fn cookie_letters(r: &Record<'_>) -> [u8; 2] {
    let back = match r.cookie {
        None => return *b"--",
        Some(PinSent::None) => b'N',
        Some(PinSent::Inserted) => b'I',
        Some(PinSent::Updated) => b'U',
        Some(PinSent::Provided) => b'P',
        Some(PinSent::Rewritten) => b'R',
        Some(PinSent::Deleted) => b'D',
    };
    let came = match r.why {
        "cookie" => b'V',
        "moved:down" | "moved:draining" | "moved:rebooted" => b'D',
        "moved:unknown-route" | "moved:tampered" => b'I',
        "moved:expired" => b'E',
        _ => b'N',
    };
    [came, back]
}

fn request_line(r: &Record<'_>, out: &mut Vec<u8>, escaped: fn(&[u8], &mut Vec<u8>)) {
    if r.method.is_empty() {
        return out.extend_from_slice(b"<BADREQ>");
    }
    for (n, text) in [r.method, r.path, r.version].iter().enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        escaped(text.as_bytes(), out);
    }
}

fn whole(ms: Option<f64>) -> i64 {
    ms.map_or(-1, |ms| ms as i64)
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec cannot fail.
    drop(out.write_fmt(text));
}

fn json_text(out: &mut Vec<u8>, key: &str, text: Option<&str>) {
    json_bytes(out, key, text.map(str::as_bytes));
}

fn json_bytes(out: &mut Vec<u8>, key: &str, text: Option<&[u8]>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    let Some(text) = text else {
        return out.extend_from_slice(b"\":null");
    };
    out.extend_from_slice(b"\":\"");
    let plain = |b: &u8| (0x20..0x7f).contains(b) && !matches!(b, b'"' | b'\\');
    if text.iter().all(plain) {
        out.extend_from_slice(text);
    } else {
        for chunk in text.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
                    c if c.is_control() => push(out, format_args!("\\u{:04x}", c as u32)),
                    c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            if !chunk.invalid().is_empty() {
                out.extend_from_slice(b"\\ufffd");
            }
        }
    }
    out.push(b'"');
}

/// A time with three decimals, without the cost of printing a float.
fn json_ms(out: &mut Vec<u8>, key: &str, ms: Option<f64>) {
    match ms.map(|ms| (ms * 1000.0).round() as u64) {
        Some(micros) => {
            json_number(out, key, micros / 1000);
            decimals(out, micros % 1000);
        }
        None => json_bytes(out, key, None),
    }
}

fn json_number(out: &mut Vec<u8>, key: &str, number: u64) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A point and three decimals.
fn decimals(out: &mut Vec<u8>, thousandths: u64) {
    let digit = |n: u64| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[b'.', digit(thousandths / 100), digit(thousandths / 10), digit(thousandths)]);
}

/// An address; the common kind without the formatter.
fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            for (at, octet) in ip.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        ip @ IpAddr::V6(_) => push(out, format_args!("{ip}")),
    }
}

/// As httpd escapes: backslashes before quotes, `\xHH` for what is not printable ASCII.
fn backslashed(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0x20..0x7f => out.push(*byte),
            _ => push(out, format_args!("\\x{byte:02x}")),
        }
    }
}

/// As HAProxy escapes a request: `#HH` for quotes, hashes and what is not printable ASCII.
fn hashed(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'"' | b'#' => push(out, format_args!("#{byte:02X}")),
            0x20..0x7f => out.push(*byte),
            _ => push(out, format_args!("#{byte:02X}")),
        }
    }
}

/// A field that stands without quotes, so it may not hold a blank either.
fn word(text: &str, out: &mut Vec<u8>) {
    for part in text.as_bytes().chunk_by(|a, b| (*a == b' ') == (*b == b' ')) {
        match part.first() {
            Some(b' ') => part.iter().for_each(|_| out.push(b'_')),
            _ => hashed(part, out),
        }
    }
}

/// A second, written out both ways.
#[derive(Clone, Copy)]
struct Stamps {
    second: u64,
    rfc3339: [u8; 19],
    clf: [u8; 20],
}

thread_local! {
    static LAST: Cell<Stamps> = const { Cell::new(Stamps { second: u64::MAX, rfc3339: [0; 19], clf: [0; 20] }) };
}

/// Hands over the written second. Requests of one second share the work.
fn stamp(time_ms: u64, then: impl FnOnce(&Stamps)) {
    let second = time_ms / 1000;
    LAST.with(|last| {
        let mut stamps = last.get();
        if stamps.second != second {
            stamps = Stamps::of(second);
            last.set(stamps);
        }
        then(&stamps);
    });
}

impl Stamps {
    fn of(second: u64) -> Self {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let at = time::OffsetDateTime::from_unix_timestamp(second as i64).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, seconds) = (at.hour(), at.minute(), at.second());
        let mut stamps = Self { second, rfc3339: [b'0'; 19], clf: [b'0'; 20] };
        let name = MONTHS.get(usize::from(month) - 1).unwrap_or(&"Jan");
        // Both have their exact length for every year the type can hold without a sign; a longer one would only be cut.
        drop(write!(&mut stamps.rfc3339[..], "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{seconds:02}"));
        drop(write!(&mut stamps.clf[..], "{day:02}/{name}/{year:04}:{hour:02}:{minute:02}:{seconds:02}"));
        stamps
    }
}

#[cfg(test)]
#[path = "access_log_tests.rs"]
mod tests;
