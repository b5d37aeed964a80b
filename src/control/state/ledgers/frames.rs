//! The file of the ledgers: a first line that names the format, then frames, each with its length and
//! checksum. A frame tells what is true of some sessions of one cluster; a later one wins. It stands on its
//! own: nodes are named in it, not numbered.

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

    /// Reads on behind the first line.
    pub fn within(from: R) -> Self {
        Self { from, buffer: Vec::new() }
    }

    /// What is not read yet.
    pub fn rest(self) -> R {
        self.from
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whatever is cut off or changed, what is before it is read and nothing else.
    #[test]
    fn damage_is_found_wherever_it_is() {
        let frame = |n: u64| Frame {
            cluster: "shop",
            nodes: vec!["n1"],
            sessions: vec![SessionRecord::Over(n), SessionRecord::Over(n + 1)],
        };
        let mut file = FIRST_LINE.to_vec();
        (0..5).for_each(|n| frame(n).encode(&mut file));
        let count = |bytes: &[u8]| {
            let Ok(mut reader) = FrameReader::new(bytes) else { return (0, false) };
            let mut count = 0;
            loop {
                match reader.next() {
                    Ok(Some(read)) => assert_eq!(read, frame(count)),
                    Ok(None) => return (count, true),
                    Err(_) => return (count, false),
                }
                count += 1;
            }
        };
        assert_eq!(count(&file), (5, true));
        let size = (file.len() - FIRST_LINE.len()) / 5;
        for at in 0..file.len() {
            let before = at.saturating_sub(FIRST_LINE.len()) / size;
            let is_border = at >= FIRST_LINE.len() && (at - FIRST_LINE.len()).is_multiple_of(size);
            assert_eq!(count(&file[..at]), (before as u64, is_border), "cut at {at}");
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            assert_eq!(count(&changed), (before as u64, false), "changed at {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_the_end_of_us(bytes in prop::collection::vec(any::<u8>(), 0..200), sum in any::<bool>()) {
            let mut file = FIRST_LINE.to_vec();
            file.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            file.extend_from_slice(&if sum { hash64(&bytes) } else { 0 }.to_le_bytes());
            file.extend_from_slice(&bytes);
            let mut reader = FrameReader::new(&file[..]).unwrap();
            while let Ok(Some(_)) = reader.next() {}
        }
    }
}
