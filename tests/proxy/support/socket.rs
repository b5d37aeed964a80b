//! A WebSocket as a page opens it: with the cookies of the client it belongs to.

use super::client::Client;
use super::wire::{Stream, Wire};
use super::ws;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// A client's open WebSocket.
pub struct Socket {
    wire: Wire<Box<dyn Stream>>,
    pub node: Option<String>,
}

impl Socket {
    /// Opens one with the jar of a client, as a page does after its first request.
    pub fn open(client: &mut Client, path: &str) -> io::Result<Self> {
        let key = tungstenite::handshake::client::generate_key();
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key.as_str()),
        ];
        let (head, wire) = client.upgrade(path, &headers)?;
        if head.status() != 101 {
            return Err(io::Error::other(format!("no upgrade: {}", head.line)));
        }
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        if head.get("sec-websocket-accept") != Some(accept.as_str()) {
            return Err(io::Error::other("the wrong Sec-WebSocket-Accept"));
        }
        Ok(Self { wire, node: head.get("x-node").map(str::to_owned) })
    }

    /// Opens one on a fresh client without cookies.
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        Self::open(&mut Client::new(addr), "/ws")
    }

    /// Says something; true when it comes back.
    pub fn says(&mut self, text: &str) -> bool {
        self.wire.get_mut().write_all(&ws::encode(ws::TEXT, text.as_bytes(), true)).is_ok()
            && ws::read(&mut self.wire)
                .is_ok_and(|frame| frame.kind == ws::TEXT && frame.payload == text.as_bytes())
    }

    /// Waits for the next frame.
    pub fn next(&mut self, time: Duration) -> io::Result<ws::Frame> {
        self.wire.get_ref().limit(time)?;
        ws::read(&mut self.wire)
    }
}
