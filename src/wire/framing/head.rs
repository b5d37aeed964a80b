//! What the guard keeps of a request's head: only what decides where the request ends and to whom it goes.

use super::Ambiguity;

/// Bytes kept of a method, name or value. The longest that counts is `transfer-encoding`; a length has at most 20 digits.
const KEPT: usize = 40;

/// How a request's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    None,
    Length(u64),
    Chunked,
}

/// The header lines that are looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Length,
    Encoding,
    Host,
    Other,
}

/// The head so far.
#[derive(Debug)]
pub(super) struct Head {
    kept: [u8; KEPT],
    /// Bytes seen; more than `KEPT` means that it did not fit and is none of the interesting ones.
    seen: usize,
    field: Field,
    length: Option<u64>,
    chunked: bool,
    host: bool,
    connect: bool,
    pub(super) http_1_0: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self { kept: [0; KEPT], seen: 0, field: Field::Other, length: None, chunked: false, host: false, connect: false, http_1_0: false }
    }
}

/// True for the bytes of an RFC 9110 token.
pub(super) fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let marks = b"!#$%&'*+-.^_`|~";
        let mut at = 0;
        while at < marks.len() {
            table[marks[at] as usize] = true;
            at += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

impl Head {
    /// Appends to what is kept, as far as it fits.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        if let Some(room) = self.kept.get_mut(self.seen..) {
            let fits = room.len().min(bytes.len());
            room[..fits].copy_from_slice(&bytes[..fits]);
        }
        self.seen = self.seen.saturating_add(bytes.len());
    }

    /// What was kept, or nothing when it did not fit.
    fn kept(&self) -> Option<&[u8]> {
        self.kept.get(..self.seen)
    }

    pub(super) fn end_method(&mut self) {
        self.connect = self.kept() == Some(b"CONNECT");
    }

    pub(super) fn begin_line(&mut self) {
        self.seen = 0;
    }

    /// The name is complete: which one is it, and may it stand here?
    pub(super) fn end_name(&mut self, in_trailers: bool) -> Result<(), Ambiguity> {
        let name = self.kept().unwrap_or_default();
        self.field = if name.eq_ignore_ascii_case(b"content-length") {
            Field::Length
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            Field::Encoding
        } else if name.eq_ignore_ascii_case(b"host") {
            Field::Host
        } else {
            Field::Other
        };
        self.seen = 0;
        if in_trailers && self.field != Field::Other {
            return Err(Ambiguity::ForbiddenTrailer);
        }
        match self.field {
            Field::Length if self.length.is_some() => Err(Ambiguity::ConflictingLength),
            Field::Encoding if self.chunked => Err(Ambiguity::BadTransferEncoding),
            Field::Length if self.chunked => Err(Ambiguity::LengthAndChunked),
            Field::Encoding if self.length.is_some() => Err(Ambiguity::LengthAndChunked),
            Field::Host if self.host => Err(Ambiguity::DuplicateHost),
            _ => Ok(()),
        }
    }

    /// Keeps a part of a value, if the line is one that counts.
    pub(super) fn keep_value(&mut self, mut part: &[u8]) {
        if matches!(self.field, Field::Other | Field::Host) {
            return;
        }
        if self.seen == 0 {
            // White space in front could be of any length.
            let blank = part.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            part = &part[blank..];
        }
        self.keep(part);
    }

    /// The value is complete.
    pub(super) fn end_value(&mut self) -> Result<(), Ambiguity> {
        match self.field {
            Field::Other => {}
            Field::Host => self.host = true,
            Field::Length => {
                let value = self.kept().ok_or(Ambiguity::BadLength)?;
                self.length = Some(length(blank_end(value))?);
            }
            Field::Encoding => {
                let value = self.kept().ok_or(Ambiguity::BadTransferEncoding)?;
                if self.http_1_0 || !blank_end(value).eq_ignore_ascii_case(b"chunked") {
                    return Err(Ambiguity::BadTransferEncoding);
                }
                self.chunked = true;
            }
        }
        Ok(())
    }

    /// The head is complete: how is the body framed?
    pub(super) fn body(&self) -> Result<Body, Ambiguity> {
        if !self.host && !self.http_1_0 {
            return Err(Ambiguity::MissingHost);
        }
        match (self.chunked, self.length) {
            (true, _) | (_, Some(1..)) if self.connect => Err(Ambiguity::ConnectWithBody),
            (true, _) => Ok(Body::Chunked),
            (false, Some(length)) => Ok(Body::Length(length)),
            (false, None) => Ok(Body::None),
        }
    }
}

/// The value without white space at its end; only space and tab count, as in the RFC.
fn blank_end(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    &value[..end]
}

fn length(value: &[u8]) -> Result<u64, Ambiguity> {
    if value.contains(&b',') {
        return Err(Ambiguity::ConflictingLength);
    }
    if value.is_empty() {
        return Err(Ambiguity::BadLength);
    }
    value.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9).ok_or(Ambiguity::BadLength)?;
        sum.checked_mul(10).and_then(|sum| sum.checked_add(u64::from(digit))).ok_or(Ambiguity::BadLength)
    })
}
