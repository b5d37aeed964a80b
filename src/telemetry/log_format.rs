//! The formats of the access log: each a list of what stands in a line.

use super::log_fields::{Field, LogEntry, LogValue};
use super::log_text::{self, Escape};
use crate::config::model::LogFormat;

/// What stands in a line, and how.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    /// A JSON object: what stands before a value, and the value.
    Json(&'static [(&'static str, Field)]),
    /// A text.
    Text(&'static [Piece]),
}

/// A piece of a text.
#[derive(Debug, Clone, Copy)]
pub enum Piece {
    /// As it stands.
    Literal(&'static str),
    /// A field.
    Field(Field, Escape),
}

macro_rules! object {
    ($($key:literal: $field:ident),* $(,)?) => { &[$((concat!(",\"", $key, "\":"), Field::$field)),*] };
}

/// Literals stand as they are; a field is a word, unless it says `in` which quotes it stands.
macro_rules! text {
    ($($literal:literal $($field:ident $(in $escape:ident)?)?),* $(,)?) => {
        &[$(Piece::Literal($literal), $(Piece::Field(Field::$field, text!(@ $($escape)?)),)?)*]
    };
    (@) => { Escape::Word };
    (@ $escape:ident) => { Escape::$escape };
}

const JSON: &[(&str, Field)] = object! {
    "time": Time,
    "client": Client,
    "method": Method,
    "host": Host,
    "path": Path,
    "status": Status,
    "bytes": Bytes,
    "duration_ms": Duration,
    "cluster": Cluster,
    "node": Node,
    "was": Was,
    "why": Why,
    "id": Id,
    "session": Session,
    "trace_id": Trace,
    "listener": Listener,
    "port": ClientPort,
    "tls": Tls,
    "version": Version,
    "request_ms": RequestTime,
    "queue_ms": QueueTime,
    "connect_ms": ConnectTime,
    "response_ms": ResponseTime,
    "retries": Retries,
    "note": Note,
    "user_agent": UserAgent,
    "referer": Referer,
};

/// httpd's, and behind it what it has no place for.
const COMBINED: &[Piece] = text! {
    "" Client, " - - [" ClfTime, " +0000] \"" RequestLine in Httpd, "\" " Status, " " SomeBytes,
    " \"" Referer in Httpd, "\" \"" UserAgent in Httpd, "\" node=" Node, " why=" Why, " was=" Was, " session=" Session,
};

/// Field for field as `option httplog` writes it, except that times are UTC.
const HTTPLOG: &[Piece] = text! {
    "" Client, ":" ClientPort, " [" ClfTimeMs, "] " Listener, "" TlsMark, " " Backend, "/" Server,
    " " RequestTime, "/" QueueTime, "/" ConnectTime, "/" ResponseTime, "/" Duration, " " Status, " " Bytes,
    " - - " Termination, "" PinReceived, "" PinSent,
    " " ProcessConnections, "/" ListenerConnections, "/" ClusterRequests, "/" NodeRequests, "/" RedispatchMark, "" Retries,
    " " NodeQueue, "/" ClusterQueue, " \"" RequestLine in Haproxy, "\"",
};

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Json => Self::Json(JSON),
            LogFormat::Combined => Self::Text(COMBINED),
            LogFormat::Httplog => Self::Text(HTTPLOG),
        }
    }
}

impl Format {
    /// Whether a line says how many connections there are.
    pub fn tells_connections(self) -> bool {
        let asks = |field: Field| matches!(field, Field::ProcessConnections | Field::ListenerConnections);
        match self {
            Self::Json(members) => members.iter().any(|(_, field)| asks(*field)),
            Self::Text(pieces) => {
                pieces.iter().any(|piece| matches!(piece, Piece::Field(field, _) if asks(*field)))
            }
        }
    }

    /// Appends one line, its end included. Nothing in the entry can add a second one.
    pub fn write(self, entry: &LogEntry<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json(members) => object(members, entry, out),
            Self::Text(pieces) => {
                for piece in pieces {
                    match *piece {
                        Piece::Literal(literal) => out.extend_from_slice(literal.as_bytes()),
                        Piece::Field(field, escape) => log_text::text(out, entry.value(field), escape),
                    }
                }
            }
        }
        out.push(b'\n');
    }
}

fn object(members: &[(&str, Field)], entry: &LogEntry<'_>, out: &mut Vec<u8>) {
    let begin = out.len();
    for (key, field) in members {
        let value = entry.value(*field);
        if *field == Field::Trace && matches!(value, LogValue::Absent) {
            continue;
        }
        out.extend_from_slice(key.as_bytes());
        log_text::json(out, value);
    }
    // in place of the first member's comma
    match out.get_mut(begin) {
        Some(first) => *first = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

#[cfg(test)]
#[path = "log_format_tests.rs"]
mod tests;
