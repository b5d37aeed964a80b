//! The request guard: reads along what an HTTP/1 client sends, before the HTTP library sees it, and stops the connection at
//! the first byte that two implementations could read in two ways. Lenient reading is how requests are smuggled.

mod ambiguity;
mod head;
#[cfg(test)]
mod tests;

pub use ambiguity::Ambiguity;
use head::{Body, Head, is_token};

/// The most empty lines skipped before a request; old clients send one behind a body.
const MAX_EMPTY_LINES: u8 = 4;
/// The most bytes of extension on one chunk.
const MAX_EXTENSION: u16 = 4096;
/// The most digits of a chunk size: what 64 bits hold.
const MAX_CHUNK_DIGITS: u8 = 16;

/// Where in a request the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between requests, so many empty lines seen.
    Idle(u8),
    /// Behind the CR of an empty line.
    IdleLf(u8),
    Method,
    /// In the target; true while nothing of it was seen.
    Target(bool),
    /// In the version, so many bytes seen.
    Version(u8),
    /// Behind the CR of the request line or of a header line.
    LineLf,
    LineStart,
    Name,
    Value,
    /// Behind the CR of the empty line.
    HeadLf,
    /// So many bytes of a body to come.
    Body(u64),
    ChunkSize {
        digits: u8,
        size: u64,
    },
    Extension {
        left: u16,
        size: u64,
    },
    ChunkLf {
        size: u64,
    },
    ChunkData(u64),
    DataCr,
    DataLf,
    Refused(Ambiguity),
}

/// How far a step went, or the offset of the byte that is wrong.
type Step = Result<usize, (usize, Ambiguity)>;

/// Watches one HTTP/1 connection's bytes from the client, over all its requests.
#[derive(Debug)]
pub struct RequestGuard {
    state: State,
    head: Head,
    in_trailers: bool,
}

impl Default for RequestGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestGuard {
    /// A guard for a new connection.
    pub fn new() -> Self {
        Self { state: State::Idle(0), head: Head::default(), in_trailers: false }
    }

    /// Feeds the next bytes. On an error the first `good` bytes may be passed on, what follows must not be; every later call
    /// fails too. What was good never completes the ambiguous head.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), (usize, Ambiguity)> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(rest) {
                Ok(used) => at += used,
                Err((good, why)) => {
                    self.state = State::Refused(why);
                    return Err((at + good, why));
                }
            }
        }
        Ok(())
    }

    /// True while a head has begun and is not finished.
    pub fn in_head(&self) -> bool {
        match self.state {
            State::Method | State::Target(_) | State::Version(_) => true,
            State::LineLf | State::LineStart | State::Name | State::Value | State::HeadLf => !self.in_trailers,
            _ => false,
        }
    }

    /// True while a request's body, trailers included, is not finished.
    pub fn in_body(&self) -> bool {
        match self.state {
            State::LineLf | State::LineStart | State::Name | State::Value | State::HeadLf => self.in_trailers,
            State::Body(_) | State::ChunkSize { .. } | State::Extension { .. } => true,
            State::ChunkLf { .. } | State::ChunkData(_) | State::DataCr | State::DataLf => true,
            _ => false,
        }
    }

    /// Reads at least one byte of `rest`, which is not empty.
    fn step(&mut self, rest: &[u8]) -> Step {
        let Some(&byte) = rest.first() else { return Ok(0) };
        match self.state {
            State::Idle(lines) => self.idle(byte, lines),
            State::Method => self.method(rest),
            State::Target(empty) => self.target(rest, empty),
            State::Version(seen) => self.version(byte, seen),
            State::LineStart => self.line_start(byte),
            State::Name => self.name(rest),
            State::Value => self.value(rest),
            State::IdleLf(lines) => self.expect_lf(byte, State::Idle(lines)),
            State::LineLf => self.expect_lf(byte, State::LineStart),
            State::HeadLf => self.head_lf(byte),
            State::Body(left) => Ok(self.skip(rest, left, State::Body, State::Idle(0))),
            State::ChunkData(left) => Ok(self.skip(rest, left, State::ChunkData, State::DataCr)),
            State::ChunkSize { digits, size } => self.chunk_size(byte, digits, size),
            State::Extension { left, size } => self.extension(rest, left, size),
            State::ChunkLf { size } => self.chunk_lf(byte, size),
            State::DataCr => self.expect(byte == b'\r', State::DataLf, Ambiguity::BadChunk),
            State::DataLf => self.expect(byte == b'\n', State::ChunkSize { digits: 0, size: 0 }, Ambiguity::BadChunk),
            State::Refused(why) => Err((0, why)),
        }
    }

    fn go(&mut self, state: State, used: usize) -> Step {
        self.state = state;
        Ok(used)
    }

    fn expect(&mut self, holds: bool, next: State, otherwise: Ambiguity) -> Step {
        if holds { self.go(next, 1) } else { Err((0, otherwise)) }
    }

    fn expect_lf(&mut self, byte: u8, next: State) -> Step {
        self.expect(byte == b'\n', next, Ambiguity::BareCr)
    }

    fn skip(&mut self, rest: &[u8], left: u64, more: fn(u64) -> State, done: State) -> usize {
        let used = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
        let left = left - used as u64;
        self.state = if left == 0 { done } else { more(left) };
        used
    }

    fn idle(&mut self, byte: u8, lines: u8) -> Step {
        match byte {
            b'\r' if lines >= MAX_EMPTY_LINES => Err((0, Ambiguity::EmptyLines)),
            b'\r' => self.go(State::IdleLf(lines + 1), 1),
            b'\n' => Err((0, Ambiguity::BareLf)),
            byte if is_token(byte) => {
                self.head = Head::default();
                self.in_trailers = false;
                self.go(State::Method, 0)
            }
            _ => Err((0, Ambiguity::BadRequestLine)),
        }
    }

    fn method(&mut self, rest: &[u8]) -> Step {
        let end = rest.iter().position(|&byte| !is_token(byte)).unwrap_or(rest.len());
        self.head.keep(&rest[..end]);
        match rest.get(end) {
            None => Ok(end),
            Some(b' ') => {
                self.head.end_method();
                self.go(State::Target(true), end + 1)
            }
            Some(b'\n') => Err((end, Ambiguity::BareLf)),
            Some(_) => Err((end, Ambiguity::BadRequestLine)),
        }
    }

    fn target(&mut self, rest: &[u8], empty: bool) -> Step {
        // Bytes above ASCII do not belong in a target, but they are read alike everywhere. A fragment is not: some cut it off.
        let end = rest.iter().position(|&byte| byte <= b' ' || byte == 0x7f || byte == b'#').unwrap_or(rest.len());
        let empty = empty && end == 0;
        match rest.get(end) {
            None => self.go(State::Target(empty), end),
            Some(b' ') if !empty => self.go(State::Version(0), end + 1),
            Some(b'\n') => Err((end, Ambiguity::BareLf)),
            Some(0) => Err((end, Ambiguity::Nul)),
            Some(_) => Err((end, Ambiguity::BadRequestLine)),
        }
    }

    fn version(&mut self, byte: u8, seen: u8) -> Step {
        const START: &[u8; 7] = b"HTTP/1.";
        match (START.get(usize::from(seen)), byte) {
            (_, b'\n') => Err((0, Ambiguity::BareLf)),
            (Some(&wanted), byte) if byte == wanted => self.go(State::Version(seen + 1), 1),
            (None, b'0' | b'1') if seen == 7 => {
                self.head.http_1_0 = byte == b'0';
                self.go(State::Version(8), 1)
            }
            (None, b'\r') if seen == 8 => self.go(State::LineLf, 1),
            _ => Err((0, Ambiguity::BadVersion)),
        }
    }

    fn line_start(&mut self, byte: u8) -> Step {
        match byte {
            b'\r' => self.go(State::HeadLf, 1),
            b'\n' => Err((0, Ambiguity::BareLf)),
            b' ' | b'\t' => Err((0, Ambiguity::ObsFold)),
            0 => Err((0, Ambiguity::Nul)),
            byte if is_token(byte) => {
                self.head.begin_line();
                self.go(State::Name, 0)
            }
            _ => Err((0, Ambiguity::BadName)),
        }
    }

    fn name(&mut self, rest: &[u8]) -> Step {
        let end = rest.iter().position(|&byte| !is_token(byte)).unwrap_or(rest.len());
        self.head.keep(&rest[..end]);
        match rest.get(end) {
            None => Ok(end),
            Some(b':') => {
                self.head.end_name(self.in_trailers).map_err(|why| (end, why))?;
                self.go(State::Value, end + 1)
            }
            Some(b' ' | b'\t') => Err((end, Ambiguity::SpaceBeforeColon)),
            Some(b'\n') => Err((end, Ambiguity::BareLf)),
            Some(0) => Err((end, Ambiguity::Nul)),
            Some(_) => Err((end, Ambiguity::BadName)),
        }
    }

    fn value(&mut self, rest: &[u8]) -> Step {
        let end = memchr::memchr3(b'\r', b'\n', 0, rest);
        self.head.keep_value(&rest[..end.unwrap_or(rest.len())]);
        let Some(end) = end else { return Ok(rest.len()) };
        match rest[end] {
            b'\r' => {
                self.head.end_value().map_err(|why| (end, why))?;
                self.go(State::LineLf, end + 1)
            }
            b'\n' => Err((end, Ambiguity::BareLf)),
            _ => Err((end, Ambiguity::Nul)),
        }
    }

    fn head_lf(&mut self, byte: u8) -> Step {
        if byte != b'\n' {
            return Err((0, Ambiguity::BareCr));
        }
        if self.in_trailers {
            self.in_trailers = false;
            return self.go(State::Idle(0), 1);
        }
        let next = match self.head.body().map_err(|why| (0, why))? {
            Body::None | Body::Length(0) => State::Idle(0),
            Body::Length(length) => State::Body(length),
            Body::Chunked => State::ChunkSize { digits: 0, size: 0 },
        };
        self.go(next, 1)
    }

    fn chunk_size(&mut self, byte: u8, digits: u8, size: u64) -> Step {
        match (char::from(byte).to_digit(16), byte) {
            (Some(digit), _) if digits < MAX_CHUNK_DIGITS => {
                self.go(State::ChunkSize { digits: digits + 1, size: size << 4 | u64::from(digit) }, 1)
            }
            (None, b'\r') if digits > 0 => self.go(State::ChunkLf { size }, 1),
            (None, b';') if digits > 0 => self.go(State::Extension { left: MAX_EXTENSION, size }, 1),
            (None, b'\n') => Err((0, Ambiguity::BareLf)),
            _ => Err((0, Ambiguity::BadChunk)),
        }
    }

    fn extension(&mut self, rest: &[u8], left: u16, size: u64) -> Step {
        let window = &rest[..rest.len().min(usize::from(left))];
        let Some(end) = memchr::memchr3(b'\r', b'\n', 0, window) else {
            if window.len() < rest.len() {
                return Err((window.len(), Ambiguity::ExtensionTooLong));
            }
            // The window is no longer than `left`, which is a u16.
            return self.go(State::Extension { left: left.saturating_sub(window.len() as u16), size }, window.len());
        };
        match window[end] {
            b'\r' => self.go(State::ChunkLf { size }, end + 1),
            b'\n' => Err((end, Ambiguity::BareLf)),
            _ => Err((end, Ambiguity::Nul)),
        }
    }

    fn chunk_lf(&mut self, byte: u8, size: u64) -> Step {
        if size == 0 {
            self.in_trailers = byte == b'\n';
            return self.expect_lf(byte, State::LineStart);
        }
        self.expect_lf(byte, State::ChunkData(size))
    }
}
