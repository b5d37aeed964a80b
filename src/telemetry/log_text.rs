//! How values are written into a line: escaped, so that nothing in them can end it or begin another.

use super::log_fields::LogValue;
use std::cell::Cell;
use std::io::Write as _;
use std::net::IpAddr;

/// How a text is escaped that stands in a line which is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// In quotes, as httpd escapes: backslashes before quotes, `\xHH` for what is not printable ASCII.
    Httpd,
    /// In quotes, as HAProxy escapes a request: `#HH` for quotes, hashes and what is not printable ASCII.
    Haproxy,
    /// Likewise, and without quotes, so that it may not hold a blank either.
    Word,
}

/// Writes a value as text.
pub(super) fn text(out: &mut Vec<u8>, value: LogValue<'_>, escape: Escape) {
    match value {
        LogValue::Absent => out.push(b'-'),
        LogValue::Text(text) => escape.write(text.as_bytes(), out),
        LogValue::Bytes(bytes) => escape.write(bytes, out),
        LogValue::Line(words) => {
            for (n, word) in words.iter().enumerate() {
                if n > 0 {
                    out.push(b' ');
                }
                escape.write(word.as_bytes(), out);
            }
        }
        LogValue::Number(n) => number(out, n),
        LogValue::Flag(flag) => push(out, format_args!("{flag}")),
        LogValue::Address(ip) => address(out, ip),
        LogValue::Millis(None) => out.extend_from_slice(b"-1"),
        // whole ones, as HAProxy writes them
        LogValue::Millis(Some(ms)) => push(out, format_args!("{}", ms as i64)),
        LogValue::Time(ms) => rfc3339(out, ms),
        LogValue::ClfTime(ms, with_ms) => clf(out, ms, with_ms),
    }
}

/// Writes a value as JSON.
pub(super) fn json(out: &mut Vec<u8>, value: LogValue<'_>) {
    match value {
        LogValue::Absent | LogValue::Millis(None) => out.extend_from_slice(b"null"),
        LogValue::Text(text) => json_text(out, text.as_bytes()),
        LogValue::Bytes(bytes) => json_text(out, bytes),
        LogValue::Line(words) => json_text(out, words.join(" ").as_bytes()),
        LogValue::Number(n) => number(out, n),
        LogValue::Flag(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        LogValue::Address(ip) => quoted(out, |out| address(out, ip)),
        LogValue::Millis(Some(ms)) => millis(out, ms),
        LogValue::Time(ms) => quoted(out, |out| rfc3339(out, ms)),
        LogValue::ClfTime(ms, with_ms) => quoted(out, |out| clf(out, ms, with_ms)),
    }
}

/// What needs no escape.
fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec cannot fail.
    drop(out.write_fmt(text));
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn json_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
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
fn millis(out: &mut Vec<u8>, ms: f64) {
    let micros = (ms * 1000.0).round() as u64;
    number(out, micros / 1000);
    decimals(out, micros % 1000);
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
                number(out, octet.into());
            }
        }
        ip @ IpAddr::V6(_) => push(out, format_args!("{ip}")),
    }
}

impl Escape {
    fn write(self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Httpd => backslashed(text, out),
            Self::Haproxy => hashed(text, out),
            Self::Word => word(text, out),
        }
    }
}

fn backslashed(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0x20..0x7f => out.push(*byte),
            _ => push(out, format_args!("\\x{byte:02x}")),
        }
    }
}

fn hashed(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'"' | b'#' => push(out, format_args!("#{byte:02X}")),
            0x20..0x7f => out.push(*byte),
            _ => push(out, format_args!("#{byte:02X}")),
        }
    }
}

fn word(text: &[u8], out: &mut Vec<u8>) {
    for part in text.chunk_by(|a, b| (*a == b' ') == (*b == b' ')) {
        match part.first() {
            Some(b' ') => part.iter().for_each(|_| out.push(b'_')),
            _ => hashed(part, out),
        }
    }
}

fn rfc3339(out: &mut Vec<u8>, ms: u64) {
    stamp(ms, |stamps| out.extend_from_slice(&stamps.rfc3339));
    decimals(out, ms % 1000);
    out.push(b'Z');
}

fn clf(out: &mut Vec<u8>, ms: u64, with_ms: bool) {
    stamp(ms, |stamps| out.extend_from_slice(&stamps.clf));
    if with_ms {
        decimals(out, ms % 1000);
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
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let at = time::OffsetDateTime::from_unix_timestamp(second as i64)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, seconds) = (at.hour(), at.minute(), at.second());
        let mut stamps = Self { second, rfc3339: [b'0'; 19], clf: [b'0'; 20] };
        let name = MONTHS.get(usize::from(month) - 1).unwrap_or(&"Jan");
        // Both have their exact length for every year the type can hold without a sign; a longer one would
        // only be cut.
        drop(write!(
            &mut stamps.rfc3339[..],
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{seconds:02}"
        ));
        drop(write!(&mut stamps.clf[..], "{day:02}/{name}/{year:04}:{hour:02}:{minute:02}:{seconds:02}"));
        stamps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_stay_where_they_are() {
        let evil = b"a\r\nfake \"#\\\x1b[2J\xc2\x85\xc3\xa9\x7f\xff\x00";
        for (escape, wanted) in [
            (Escape::Httpd, r##"a\x0d\x0afake \"#\\\x1b[2J\xc2\x85\xc3\xa9\x7f\xff\x00"##),
            (Escape::Haproxy, r"a#0D#0Afake #22#23\#1B[2J#C2#85#C3#A9#7F#FF#00"),
            (Escape::Word, r"a#0D#0Afake_#22#23\#1B[2J#C2#85#C3#A9#7F#FF#00"),
        ] {
            let mut out = Vec::new();
            text(&mut out, LogValue::Bytes(evil), escape);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
        let mut out = Vec::new();
        json(&mut out, LogValue::Bytes(evil));
        assert!(!out.iter().any(u8::is_ascii_control), "{out:?}");
        let read: String = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, "a\r\nfake \"#\\\u{1b}[2J\u{85}é\u{7f}\u{fffd}\0");
    }

    #[test]
    fn a_time_that_is_none_is_written_as_one() {
        let mut out = Vec::new();
        json(&mut out, LogValue::Millis(Some(f64::NAN)));
        text(&mut out, LogValue::Millis(Some(f64::NAN)), Escape::Word);
        assert_eq!(out, b"0.0000");
    }
}
