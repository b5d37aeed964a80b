//! The file of the ledgers: a first line that names the format, then frames, each with its length and checksum. A frame tells
//! what is true of some sessions of one cluster; a later one wins. It stands on its own: nodes are named in it, not numbered.

use crate::base::hash::hash64;
use crate::control::error::Error;
use serde::{Deserialize, Serialize};
use std::io::{self, Read};

/// What the file's first line begins with; the number of the format follows.
pub const FORMAT_LINE: &[u8] = b"homing ledgers ";
/// The file's first line. Another version has another one.
pub const FIRST_LINE: &[u8] = b"homing ledgers 1\n";
/// Length and checksum.
const HEAD: usize = 4 + 8;
/// The longest frame, far beyond any that is written.
const LONGEST: usize = 16 << 20;

/// What is true of some sessions of a cluster.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// The names of the nodes that follow by number.
    #[serde(borrow)]
    pub nodes: Vec<&'a str>,
    /// The sessions.
    pub sessions: Vec<SessionRecord>,
}

/// What is true of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionRecord {
    /// It lives. Times are in seconds since 1970.
    Lives {
        /// Its id.
        session: u64,
        /// The node it is on.
        node: u32,
        /// When it was placed.
        first: u32,
        /// When it was last seen.
        last: u32,
        /// Its client came back.
        confirmed: bool,
        /// The node it was moved away from, if its client may still show the old pin.
        from: Option<u32>,
    },
    /// It is over.
    Over(u64),
}

impl Frame<'_> {
    /// Appends the frame to a buffer.
    pub fn encode(&self, out: &mut Vec<u8>) {
        // writing to memory does not fail
        let Ok(payload) = postcard::to_allocvec(self) else { return };
        out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&hash64(&payload).to_le_bytes());
        out.extend_from_slice(&payload);
    }
}

/// Reads frames until the end or the first damage.
pub struct FrameReader<R> {
    from: R,
    buffer: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    /// Reads the first line.
    pub fn new(mut from: R) -> Result<Self, Error> {
        let mut line = [0; FIRST_LINE.len()];
        match from.read_exact(&mut line) {
            Ok(()) if line == FIRST_LINE => Ok(Self { from, buffer: Vec::new() }),
            Ok(()) if line.starts_with(FORMAT_LINE) => Err(Error::OtherVersion(None)),
            Ok(()) => Err(Error::Foreign),
            Err(error) => Err(cut_short(error)),
        }
    }

    /// The next frame; none at the end.
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Error> {
        let mut head = [0; HEAD];
        match self.from.read(&mut head[..1]).map_err(Error::Io)? {
            0 => return Ok(None),
            _ => self.from.read_exact(&mut head[1..]).map_err(cut_short)?,
        }
        let (length, sum) = head.split_at(4);
        let length = length.iter().rev().fold(0, |n, &byte| n << 8 | usize::from(byte));
        if length > LONGEST {
            return Err(Error::Frames("a length that cannot be"));
        }
        self.buffer.resize(length, 0);
        self.from.read_exact(&mut self.buffer).map_err(cut_short)?;
        if hash64(&self.buffer).to_le_bytes() != sum {
            return Err(Error::Frames("a checksum does not fit"));
        }
        postcard::from_bytes(&self.buffer).map(Some).map_err(Error::Frame)
    }
}

fn cut_short(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::CutShort,
        _ => Error::Io(error),
    }
}
