//! Where a head ends, and its lines.

use super::Malformed;
use crate::wire::token::is_token_byte;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::ops::Range;

/// The most empty lines skipped before a request; old clients send one behind a body.
const MAX_EMPTY_LINES: u8 = 4;

/// Looks for the end of a head while its bytes come in; each is looked at once.
#[derive(Debug, Default, Clone, Copy)]
pub struct HeadScan {
    /// Bytes looked at, and all of them belong to whole lines.
    seen: usize,
    /// Where the first line that is not empty begins.
    start: usize,
    empty: u8,
    begun: bool,
    strict: bool,
}

impl HeadScan {
    /// Of a client's head.
    pub fn strict() -> Self {
        Self { strict: true, ..Self::default() }
    }

    /// Of a node's head.
    pub fn lenient() -> Self {
        Self::default()
    }

    /// Whether more than empty lines came of these bytes.
    pub fn has_begun(&self, bytes: &[u8]) -> bool {
        bytes.len() > self.start
    }

    /// Where the head stands, once it is there in full: its lines with the empty one that ends it. `bytes`:
    /// all that came, from the first on.
    pub fn find(&mut self, bytes: &[u8]) -> Result<Option<Range<usize>>, Malformed> {
        while let Some(rest) = bytes.get(self.seen..) {
            if self.strict && !self.begun {
                begins(rest)?;
            }
            let Some(end) = memchr::memchr(b'\n', rest) else { return Ok(None) };
            let text = match rest[..end].strip_suffix(b"\r") {
                Some(text) => text,
                None if self.strict => {
                    return Err(if rest[..end].contains(&b'\r') {
                        Malformed::BareCr
                    } else {
                        Malformed::BareLf
                    });
                }
                None => &rest[..end],
            };
            self.seen += end + 1;
            match (text.is_empty(), self.begun) {
                (true, true) => return Ok(Some(self.start..self.seen)),
                (true, false) if self.empty >= MAX_EMPTY_LINES => return Err(Malformed::EmptyLines),
                (true, false) => (self.empty, self.start) = (self.empty + 1, self.seen),
                (false, _) => self.begun = true,
            }
        }
        Ok(None)
    }
}

/// What will never become a request line is refused before its end is waited for: TLS on a port without, for
/// one.
fn begins(rest: &[u8]) -> Result<(), Malformed> {
    match rest {
        [b'\r', next, ..] if *next != b'\n' => Err(Malformed::BareCr),
        [byte, ..] if !matches!(byte, b'\r' | b'\n') && !is_token_byte(*byte) => {
            Err(Malformed::BadRequestLine)
        }
        _ => Ok(()),
    }
}

/// The lines of a head, or of trailers, without their ends and without the empty one.
pub(super) fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty())
    })
}

/// Adds a header line, strictly read, to a map of no more than `most`. `whole` is what the line is a part of.
pub(super) fn field(
    headers: &mut HeaderMap,
    whole: &Bytes,
    line: &[u8],
    most: usize,
    note: impl FnOnce(&HeaderName, &HeaderValue) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Malformed::ObsFold);
    }
    let Some(colon) = memchr::memchr(b':', line) else { return Err(telling(line, Malformed::BadName)) };
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    let name = HeaderName::from_bytes(name).map_err(|_| match name.last() {
        Some(b' ' | b'\t') => Malformed::SpaceBeforeColon,
        _ => telling(name, Malformed::BadName),
    })?;
    let value = HeaderValue::from_maybe_shared(whole.slice_ref(value))
        .map_err(|_| telling(value, Malformed::BadValue))?;
    note(&name, &value)?;
    if headers.len() >= most {
        return Err(Malformed::TooManyLines);
    }
    headers.try_append(name, value).map(drop).map_err(|_| Malformed::TooManyLines)
}

/// The more telling reason, where there is one.
fn telling(text: &[u8], otherwise: Malformed) -> Malformed {
    match () {
        () if text.contains(&0) => Malformed::Nul,
        () if text.contains(&b'\r') => Malformed::BareCr,
        () => otherwise,
    }
}

/// Without the white space around it; only space and tab count, as in the RFC.
fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}
