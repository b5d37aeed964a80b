//! Bytes both ways between a client and a node that have opened a WebSocket.

use super::open_request::OpenRequest;
use super::worker::Worker;
use crate::base::clock;
use crate::table::decide::Why;
use crate::table::{ClusterLive, NodeLive};
use crate::telemetry::termination::Termination;
use crate::transport::tunnel::{End as Side, Pump};
use rand::Rng;
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What ended a tunnel, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunnelEnding {
    /// The client closed.
    Client,
    /// The node closed.
    Node,
    /// Nothing was sent for `tunnel-idle`.
    Idle,
    /// The node is taken out, and its sessions go elsewhere.
    Leaving,
    /// The proxy stops.
    Stopping,
}

impl TunnelEnding {
    /// The word in the log's note.
    pub fn word(self) -> &'static str {
        match self {
            Self::Client => "tunnel-closed-by-client",
            Self::Node => "tunnel-closed-by-node",
            Self::Idle => "tunnel-idle",
            Self::Leaving => "tunnel-moved",
            Self::Stopping => "tunnel-stopping",
        }
    }

    /// How the request ended by it.
    pub fn termination(self) -> Termination {
        match self {
            Self::Client | Self::Node => Termination::Complete,
            Self::Idle => Termination::TunnelTimeout,
            Self::Leaving | Self::Stopping => Termination::Killed,
        }
    }

    fn is_ours(self) -> bool {
        matches!(self, Self::Idle | Self::Leaving | Self::Stopping)
    }
}

/// A WebSocket close frame, unmasked as from a server: 1012, service restart. Whatever the proxy ends may be
/// resumed, and clients that hear 1000 or 1001 take it as meant and do not come back (docs/src/sockets.md).
const SERVICE_RESTART: [u8; 4] = [0x88, 0x02, 0x03, 0xF4];
/// How long a client may be silent whose node has ended: it has had its last word, and has the end to answer.
const AFTER_NODE: Duration = Duration::from_secs(10);
/// How long the last frame under way may take, the close frame, and the client's answer to it.
const CLOSING: Duration = Duration::from_secs(1);

/// When nothing of a node's many sockets should come back at once: they leave one after another, each so much
/// after the one before on average, and all within so long.
const SPREAD: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(10));

/// One open tunnel of a node, counted until it is dropped.
pub struct Socket {
    live: Arc<NodeLive>,
    /// It leaves with the node's sessions; an operator's own, opened past the node's state, does not.
    leaves: bool,
    /// The session that it is of, if it is one, and the orders about single ones that it has seen.
    of: Option<(Arc<ClusterLive>, u64, u64)>,
}

impl Socket {
    /// Counts one more.
    pub fn open(live: Arc<NodeLive>, open: &OpenRequest) -> Self {
        live.sockets.fetch_add(1, Relaxed);
        let (record, decision) = (&open.record, &open.record.decision);
        let of = record.cluster.clone().filter(|_| decision.session != 0);
        let of = of.map(|cluster| (cluster, decision.session, open.orders_seen));
        Self { live, leaves: decision.why != Why::Forced, of }
    }

    /// Ready when an operator has moved or ended its session.
    async fn sent_away(&self) {
        let Some((cluster, session, seen)) = &self.of else { return std::future::pending().await };
        let is_it = |other| other == *session || other == cluster.ledger.current(*session);
        cluster.orders.is_told(*seen, is_it).await;
    }

    /// Ready when it is this socket's turn to leave its node.
    async fn leave(&self) {
        if !self.leaves {
            return std::future::pending().await;
        }
        loop {
            self.live.asked_to_leave().await;
            let window = (SPREAD.0 * self.live.sockets.load(Relaxed)).min(SPREAD.1);
            tokio::time::sleep(window.mul_f64(rand::rng().random())).await;
            if self.live.leaves() {
                return;
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.live.sockets.fetch_sub(1, Relaxed);
    }
}

/// Copies until both sides have ended, or one of them fails: the end of one is passed on, and what the other
/// still sends is delivered. Returns the bytes sent to the client and what ended it first.
pub async fn run(
    worker: &Rc<Worker>,
    socket: &Socket,
    mut client: Side,
    mut node: Side,
    idle: Duration,
) -> (u64, TunnelEnding) {
    let last = Cell::new(clock::instant());
    let mut sent = 0;
    let mut frames = FrameBorder::default();
    let (mut up, mut down) = (Pump::default(), Pump::default());
    let mut stopping = worker.draining.subscribe();
    // the side that ended first
    let mut first = None;
    let mut leaving = std::pin::pin!(socket.leave());
    let mut sent_away = std::pin::pin!(socket.sent_away());
    let end = loop {
        let limit = if first == Some(TunnelEnding::Node) { idle.min(AFTER_NODE) } else { idle };
        let ended = poll_fn(|cx| {
            if first != Some(TunnelEnding::Client)
                && let Poll::Ready(ended) =
                    up.poll(cx, &mut client, &mut node, |_| last.set(clock::instant()))
            {
                return Poll::Ready((TunnelEnding::Client, ended.is_ok()));
            }
            if first == Some(TunnelEnding::Node) {
                return Poll::Pending;
            }
            let see = |data: &[u8]| {
                last.set(clock::instant());
                sent += data.len() as u64;
                frames.feed(data);
            };
            down.poll(cx, &mut node, &mut client, see).map(|ended| (TunnelEnding::Node, ended.is_ok()))
        });
        tokio::select! {
            (side, told) = ended => match first {
                Some(first) => break first,
                None if !told => break side,
                None => {
                    first = Some(side);
                    last.set(clock::instant());
                }
            },
            _ = stopping.wait_for(|s| *s) => break TunnelEnding::Stopping,
            () = &mut leaving => break TunnelEnding::Leaving,
            () = &mut sent_away => break TunnelEnding::Leaving,
            () = tokio::time::sleep_until((last.get() + limit).into()) => {
                if clock::since(last.get()) >= limit {
                    break first.filter(|side| *side == TunnelEnding::Node).unwrap_or(TunnelEnding::Idle);
                }
            }
        }
    };
    if end.is_ours() {
        let under_way = poll_fn(|cx| {
            // a close frame in the middle of another frame would corrupt it
            if down.is_through() && frames.is_at_border() {
                return Poll::Ready(true);
            }
            let see = |data: &[u8]| {
                sent += data.len() as u64;
                frames.feed(data);
            };
            match down.poll(cx, &mut node, &mut client, see) {
                Poll::Pending if down.is_through() && frames.is_at_border() => Poll::Ready(true),
                Poll::Pending => Poll::Pending,
                Poll::Ready(_) => Poll::Ready(false),
            }
        });
        if let Ok(true) = tokio::time::timeout(CLOSING, under_way).await {
            let _ = tokio::time::timeout(CLOSING, say_why(&mut client)).await;
        }
    }
    let _ = tokio::time::timeout(CLOSING, client.shutdown()).await;
    let _ = tokio::time::timeout(CLOSING, node.shutdown()).await;
    (sent, end)
}

/// Sends the close frame and waits for the client's end: what it still sends would reset the connection and
/// take the frame away.
async fn say_why(client: &mut Side) {
    if client.write_all(&SERVICE_RESTART).await.is_ok() && client.shutdown().await.is_ok() {
        let mut rest = [0; 4096];
        while client.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    }
}

/// Follows WebSocket frames (RFC 6455 section 5.2) to know whether one is only half sent.
#[derive(Default)]
struct FrameBorder {
    header: [u8; 14],
    have: usize,
    payload: u64,
}

impl FrameBorder {
    fn is_at_border(&self) -> bool {
        self.have == 0 && self.payload == 0
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skip = self.payload.min(bytes.len() as u64);
            self.payload -= skip;
            bytes = &bytes[skip as usize..];
            let Some((&first, rest)) = bytes.split_first() else { return };
            self.header[self.have] = first;
            self.have += 1;
            bytes = rest;
            if let Some(payload) = complete(&self.header[..self.have]) {
                (self.payload, self.have) = (payload, 0);
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
                let mut border = FrameBorder::default();
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
