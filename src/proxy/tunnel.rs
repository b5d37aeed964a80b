//! Bytes both ways between a client and a node that have switched protocols (WebSocket and any other Upgrade).

use super::worker::Worker;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What ended a tunnel, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client closed.
    Client,
    /// The node closed.
    Node,
    /// Nothing was sent for `tunnel-idle`.
    Idle,
    /// The proxy stops.
    Stopping,
}

impl End {
    /// The word in the log's note.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "tunnel-closed-by-client",
            Self::Node => "tunnel-closed-by-node",
            Self::Idle => "tunnel-idle",
            Self::Stopping => "tunnel-stopping",
        }
    }

    /// As HAProxy abbreviates it.
    pub fn letters(self) -> [u8; 2] {
        match self {
            Self::Client | Self::Node => *b"--",
            Self::Idle => *b"cD",
            Self::Stopping => *b"KD",
        }
    }
}

/// A WebSocket close frame, unmasked as from a server: 1001, going away (RFC 6455 section 7.4.1).
const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xE9];

/// Copies until either side closes. Returns the bytes sent to the client and what ended it.
pub async fn run(
    worker: &Rc<Worker>,
    client: impl AsyncRead + AsyncWrite,
    node: impl AsyncRead + AsyncWrite,
    idle: Duration,
    websocket: bool,
) -> (u64, End) {
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut node_read, mut node_write) = tokio::io::split(node);
    let last = Cell::new(Instant::now());
    let sent = Cell::new(0u64);
    let unsent = Cell::new(0u64);
    let frames = FrameBorder::default();
    let end = {
        let up = copy(&mut client_read, &mut node_write, &last, &unsent, None);
        let down = copy(&mut node_read, &mut client_write, &last, &sent, websocket.then_some(&frames));
        tokio::pin!(up, down);
        let mut stopping = worker.draining.subscribe();
        let mut client_done = false;
        loop {
            tokio::select! {
                // other protocols may go on one way only
                () = &mut up, if !client_done => { client_done = true; if websocket { break End::Client } }
                () = &mut down => break End::Node,
                _ = stopping.wait_for(|s| *s) => break End::Stopping,
                () = tokio::time::sleep_until((last.get() + idle).into()) => {
                    if last.get().elapsed() >= idle { break End::Idle }
                }
            }
        }
    };
    if websocket && matches!(end, End::Stopping | End::Idle) && frames.is_at_border() {
        // a close frame in the middle of another frame would corrupt it
        let _ = tokio::time::timeout(Duration::from_secs(1), client_write.write_all(&GOING_AWAY)).await;
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), client_write.shutdown()).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), node_write.shutdown()).await;
    (sent.get(), end)
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    last: &Cell<Instant>,
    count: &Cell<u64>,
    frames: Option<&FrameBorder>,
) {
    let mut buffer = vec![0; 8192];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 {
            break;
        }
        last.set(Instant::now());
        if let Some(frames) = frames {
            frames.feed(&buffer[..read]);
        }
        if to.write_all(&buffer[..read]).await.is_err() || to.flush().await.is_err() {
            return;
        }
        count.set(count.get() + read as u64);
    }
    let _ = to.shutdown().await;
}

/// Follows WebSocket frames (RFC 6455 section 5.2) to know whether one is only half sent.
#[derive(Default)]
struct FrameBorder {
    header: Cell<[u8; 14]>,
    have: Cell<usize>,
    payload: Cell<u64>,
}

impl FrameBorder {
    fn is_at_border(&self) -> bool {
        self.have.get() == 0 && self.payload.get() == 0
    }

    fn feed(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skip = self.payload.get().min(bytes.len() as u64);
            self.payload.set(self.payload.get() - skip);
            bytes = &bytes[skip as usize..];
            let Some((&first, rest)) = bytes.split_first() else { return };
            let (mut header, have) = (self.header.get(), self.have.get());
            header[have] = first;
            bytes = rest;
            self.header.set(header);
            self.have.set(have + 1);
            if let Some(payload) = complete(&header[..=have]) {
                self.payload.set(payload);
                self.have.set(0);
            }
        }
    }
}

/// The length of the payload once the header is there in full.
fn complete(header: &[u8]) -> Option<u64> {
    let short = u64::from(*header.get(1)? & 0x7f);
    let masked = if header[1] & 0x80 != 0 { 4 } else { 0 };
    let (extra, length) = match short {
        126 => (2, u64::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?))),
        127 => (8, u64::from_be_bytes(header.get(2..10)?.try_into().ok()?)),
        n => (0, n),
    };
    (header.len() == 2 + extra + masked).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_frames_end() {
        let mut long = vec![0x82, 126, 1, 0];
        long.extend(vec![7; 256]);
        let mut huge = vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        huge.extend(vec![7; 65536]);
        for frame in [vec![0x81, 2, b'h', b'i'], vec![0x8a, 0], long, huge, vec![0x81, 0x81, 1, 2, 3, 4, 9]] {
            for step in [1, 2, 3, 1000, 100_000] {
                let border = FrameBorder::default();
                for part in frame[..frame.len() - 1].chunks(step) {
                    border.feed(part);
                }
                assert!(!border.is_at_border());
                border.feed(&frame[frame.len() - 1..]);
                assert!(border.is_at_border());
            }
        }
    }
}
