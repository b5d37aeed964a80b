//! Bodies: how many of the bytes that come belong to one, and which.

use super::head::{field, lines};
use super::{Framing, Malformed};
use crate::wire::trailers;
use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

/// The most bytes of extension on one chunk.
const MAX_EXTENSION: usize = 4096;
/// The most digits of a chunk size: what 64 bits hold.
const MAX_CHUNK_DIGITS: usize = 16;
/// The most bytes of trailers, and the most lines of them.
const MAX_TRAILERS: (usize, usize) = (16 << 10, 100);

/// Takes one body out of the bytes that come.
#[derive(Debug)]
pub struct BodyReader {
    state: BodyState,
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    Length(u64),
    /// Before the line with a chunk's size.
    Size,
    Chunk(u64),
    /// Before the line end behind a chunk.
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
}

/// What was taken.
#[derive(Debug, PartialEq)]
pub enum BodyPart {
    /// Some of the body.
    Data(Bytes),
    /// What follows it. It is the last.
    Trailers(HeaderMap),
    /// More bytes are needed to tell.
    More,
    /// It is through.
    End,
}

impl BodyReader {
    /// Of a client's request, strictly.
    pub fn strict(framing: Framing) -> Self {
        Self { state: BodyState::of(framing), strict: true }
    }

    /// Of a node's answer.
    pub fn lenient(framing: Framing) -> Self {
        Self { state: BodyState::of(framing), strict: false }
    }

    /// All of it was taken.
    pub fn is_done(&self) -> bool {
        self.state == BodyState::Done
    }

    /// What is left, where that is known.
    pub fn length(&self) -> Option<u64> {
        match self.state {
            BodyState::Done => Some(0),
            BodyState::Length(left) => Some(left),
            _ => None,
        }
    }

    /// How many bytes are worth reading at once: what is left of the body, as far as is known.
    pub fn expects(&self) -> u64 {
        match self.state {
            BodyState::Length(left) => left,
            BodyState::Chunk(left) => left.saturating_add(64),
            BodyState::UntilClose => u64::MAX,
            _ => 64,
        }
    }

    /// The connection was closed. False if the body is not through.
    pub fn close(&mut self) -> bool {
        if self.state == BodyState::UntilClose {
            self.state = BodyState::Done;
        }
        self.is_done()
    }

    /// Takes what is there.
    pub fn take(&mut self, input: &mut BytesMut) -> Result<BodyPart, Malformed> {
        loop {
            match self.state {
                BodyState::Done => return Ok(BodyPart::End),
                BodyState::UntilClose if input.is_empty() => return Ok(BodyPart::More),
                BodyState::UntilClose => return Ok(BodyPart::Data(input.split().freeze())),
                BodyState::Length(left) => {
                    return Ok(self.data(input, left, BodyState::Length, BodyState::Done));
                }
                BodyState::Chunk(left) => {
                    return Ok(self.data(input, left, BodyState::Chunk, BodyState::ChunkEnd));
                }
                BodyState::Size | BodyState::ChunkEnd => match self.line(input)? {
                    Some(()) => {}
                    None => return Ok(BodyPart::More),
                },
                BodyState::Trailers => return self.trailers(input),
            }
        }
    }

    fn data(
        &mut self,
        input: &mut BytesMut,
        left: u64,
        more: fn(u64) -> BodyState,
        end: BodyState,
    ) -> BodyPart {
        let here = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if here == 0 {
            return BodyPart::More;
        }
        let left = left - here as u64;
        self.state = if left == 0 { end } else { more(left) };
        BodyPart::Data(input.split_to(here).freeze())
    }

    /// Reads the line before or behind a chunk. `None`: it is not there in full.
    fn line(&mut self, input: &mut BytesMut) -> Result<Option<()>, Malformed> {
        let size = self.state == BodyState::Size;
        let most = if size { MAX_CHUNK_DIGITS + MAX_EXTENSION + 2 } else { 2 };
        let Some(end) = memchr::memchr(b'\n', &input[..input.len().min(most)]) else {
            if size {
                // what is no number will not become one
                chunk_size(input, self.strict, false)?;
            } else if !matches!(&input[..], [] | [b'\r']) {
                return Err(Malformed::BadChunk);
            }
            return if input.len() >= most { Err(Malformed::ExtensionTooLong) } else { Ok(None) };
        };
        let text = match input[..end].strip_suffix(b"\r") {
            Some(text) => text,
            None if self.strict && !size => return Err(Malformed::BadChunk),
            None if self.strict => {
                // the same word as if it had come byte by byte
                chunk_size(&input[..end], true, false)?;
                return Err(Malformed::BareLf);
            }
            None => &input[..end],
        };
        self.state = match size {
            true => match chunk_size(text, self.strict, true)? {
                0 => BodyState::Trailers,
                size => BodyState::Chunk(size),
            },
            false if text.is_empty() => BodyState::Size,
            false => return Err(Malformed::BadChunk),
        };
        input.advance(end + 1);
        Ok(Some(()))
    }

    fn trailers(&mut self, input: &mut BytesMut) -> Result<BodyPart, Malformed> {
        let mut seen = 0;
        while let Some(end) = memchr::memchr(b'\n', &input[seen..]) {
            let line = &input[seen..seen + end];
            let text = match line.strip_suffix(b"\r") {
                Some(text) => text,
                None if self.strict => return Err(Malformed::BareLf),
                None => line,
            };
            let last = text.is_empty();
            seen += end + 1;
            if seen > MAX_TRAILERS.0 {
                break;
            }
            if last {
                let whole = input.split_to(seen).freeze();
                self.state = BodyState::Done;
                return self.map(&whole);
            }
        }
        if input.len() > MAX_TRAILERS.0 { Err(Malformed::TooLarge) } else { Ok(BodyPart::More) }
    }

    fn map(&self, whole: &Bytes) -> Result<BodyPart, Malformed> {
        let mut map = HeaderMap::new();
        lines(whole).try_for_each(|line| field(&mut map, whole, line, MAX_TRAILERS.1, |_, _| Ok(())))?;
        match self.strict {
            true => trailers::of_client(&mut map)?,
            false => trailers::of_node(&mut map),
        }
        Ok(if map.is_empty() { BodyPart::End } else { BodyPart::Trailers(map) })
    }
}

impl BodyState {
    fn of(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Length(0) => Self::Done,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Size,
            Framing::UntilClose => Self::UntilClose,
        }
    }
}

/// The size in a chunk's first line. `whole`: the line ends here; otherwise only what is there is judged.
fn chunk_size(line: &[u8], strict: bool, whole: bool) -> Result<u64, Malformed> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = &line[digits..];
    if digits > MAX_CHUNK_DIGITS || (digits == 0 && (whole || !rest.is_empty())) {
        return Err(Malformed::BadChunk);
    }
    let text = std::str::from_utf8(&line[..digits]).unwrap_or_default();
    match rest.first() {
        Some(b';') if rest.len() > MAX_EXTENSION => return Err(Malformed::ExtensionTooLong),
        Some(b';') if rest.contains(&0) => return Err(Malformed::Nul),
        Some(b';') if whole && rest.contains(&b'\r') => return Err(Malformed::BareCr),
        None | Some(b';') => {}
        // old servers pad it
        Some(b' ' | b'\t') if !strict => {}
        Some(b'\r') if !whole && rest.len() == 1 => {}
        Some(_) => return Err(Malformed::BadChunk),
    }
    if text.is_empty() { Ok(0) } else { u64::from_str_radix(text, 16).map_err(|_| Malformed::BadChunk) }
}

/// Writes what stands before a chunk.
pub fn begin_chunk(out: &mut Vec<u8>, size: usize) {
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut left = size;
    while left > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b"0123456789abcdef"[left & 15];
        left >>= 4;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}
