//! HTTP/2 frames as bytes, for a client and for a node that send and see exactly what is on the wire.

use super::hpack::{Decoder, Field, encode};
use std::io::{self, Read, Write};
use std::net::TcpStream;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// What the other side said.
#[derive(Debug)]
pub enum Said {
    Settings,
    Fields { stream: u32, fields: Vec<Field>, end: bool },
    Data { stream: u32, data: Vec<u8>, end: bool },
    Reset { stream: u32, reason: String },
    GoAway { reason: String },
}

/// One side of a connection.
pub struct Frames {
    socket: TcpStream,
    decoder: Decoder,
}

impl Frames {
    /// Over a connection whose prefaces are exchanged.
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, decoder: Decoder::default() }
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        self.socket.write_all(&out)
    }

    /// Our settings: none but the defaults.
    pub fn settings(&mut self) -> io::Result<()> {
        self.frame(SETTINGS, 0, 0, &[])
    }

    /// A head or trailers.
    pub fn fields(&mut self, stream: u32, fields: &[Field], end: bool) -> io::Result<()> {
        self.frame(HEADERS, END_HEADERS | if end { END_STREAM } else { 0 }, stream, &encode(fields))
    }

    /// A part of a body.
    pub fn data(&mut self, stream: u32, data: &[u8], end: bool) -> io::Result<()> {
        self.frame(DATA, u8::from(end) * END_STREAM, stream, data)
    }

    /// What comes next that matters to an exchange.
    pub fn next(&mut self) -> io::Result<Said> {
        loop {
            let (kind, flags, stream, payload) = self.read()?;
            let end = flags & END_STREAM != 0;
            match kind {
                SETTINGS if flags & ACK == 0 => {
                    self.frame(SETTINGS, ACK, 0, &[])?;
                    return Ok(Said::Settings);
                }
                PING if flags & ACK == 0 => self.frame(PING, ACK, 0, &payload)?,
                HEADERS => {
                    let mut block = unpad(flags, payload);
                    if flags & PRIORITY != 0 {
                        block.drain(..5);
                    }
                    let mut last = flags & END_HEADERS != 0;
                    while !last {
                        let (kind, flags, _, more) = self.read()?;
                        assert_eq!(kind, CONTINUATION, "a block goes on in continuations");
                        block.extend(more);
                        last = flags & END_HEADERS != 0;
                    }
                    return Ok(Said::Fields { stream, fields: self.decoder.decode(&block), end });
                }
                DATA => return Ok(Said::Data { stream, data: unpad(flags, payload), end }),
                RESET => return Ok(Said::Reset { stream, reason: reason(&payload) }),
                GOAWAY => return Ok(Said::GoAway { reason: reason(&payload[4..]) }),
                _ => {}
            }
        }
    }

    fn read(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.socket.read_exact(&mut payload)?;
        Ok((head[3], head[4], u32::from_be_bytes([head[5] & 127, head[6], head[7], head[8]]), payload))
    }
}

fn unpad(flags: u8, mut payload: Vec<u8>) -> Vec<u8> {
    if flags & PADDED != 0 {
        let pad = usize::from(payload.remove(0));
        payload.truncate(payload.len() - pad);
    }
    payload
}

/// RFC 9113 section 7.
fn reason(payload: &[u8]) -> String {
    const WORDS: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let code = u32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]]);
    WORDS.get(code as usize).map_or_else(|| code.to_string(), |word| (*word).to_owned())
}
