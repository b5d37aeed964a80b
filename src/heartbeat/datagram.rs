//! Apache's mod_heartbeat and Tomcat's HeartbeatListener: `v=1&ready=190&busy=10&port=8009`, in a UDP
//! datagram or posted over HTTP/1.0.
//!
//! Read as mod_heartmonitor reads it, but for this: what it would cut off is refused, numbers below zero are
//! not believed, and a port is kept, because it alone tells two nodes on one address apart.

use super::{Heartbeat, HeartbeatMessage, Room, Sender};
use percent_encoding::percent_decode;
use std::fmt;
use std::net::IpAddr;

/// The longest message.
pub const LONGEST: usize = 1000;

/// Why a message says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramRefusal {
    /// It is mod_advertise's, which shares the default group and port. No fault, and not worth a line in the
    /// log.
    Advertisement,
    /// It is longer than `LONGEST`.
    TooLong,
    /// It does not have this key.
    Lacks(&'static str),
}

impl fmt::Display for DatagramRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Advertisement => f.write_str("an advertisement of mod_advertise, not a heartbeat"),
            Self::TooLong => write!(f, "longer than {LONGEST} bytes"),
            Self::Lacks(key) => write!(f, "no `{key}`: a heartbeat reads v=1&ready=75&busy=0"),
        }
    }
}

impl std::error::Error for DatagramRefusal {}

/// Reads a UDP datagram. Its source port is the sender's whim and says nothing.
pub fn read_udp(datagram: &[u8], from: IpAddr) -> Result<HeartbeatMessage, DatagramRefusal> {
    if datagram.starts_with(b"HTTP/1.") {
        return Err(DatagramRefusal::Advertisement);
    }
    let said = DatagramFields::read(datagram)?;
    if said.version { said.message(from) } else { Err(DatagramRefusal::Lacks("v")) }
}

/// Reads the body of a POST, which need not say `v`. `from` is the peer itself, whatever forwarded headers
/// say.
pub fn read_post(body: &[u8], from: IpAddr) -> Result<HeartbeatMessage, DatagramRefusal> {
    DatagramFields::read(body)?.message(from)
}

/// Writes what a node sends.
pub fn write(ready: u32, busy: u32, port: Option<u16>) -> String {
    let mut text = format!("v=1&ready={ready}&busy={busy}");
    if let Some(port) = port {
        text.push_str(&format!("&port={port}"));
    }
    text
}

/// The keys that count. The last of several of one name does; names are taken in any case.
#[derive(Default)]
struct DatagramFields {
    version: bool,
    ready: Option<i64>,
    busy: Option<i64>,
    port: Option<i64>,
}

impl DatagramFields {
    fn read(message: &[u8]) -> Result<Self, DatagramRefusal> {
        if message.len() > LONGEST {
            return Err(DatagramRefusal::TooLong);
        }
        let mut said = Self::default();
        for piece in message.split(|byte| *byte == b'&') {
            let (key, value) = match memchr::memchr(b'=', piece) {
                Some(at) => (&piece[..at], &piece[at + 1..]),
                None => (piece, &b"1"[..]),
            };
            let key: Vec<u8> = percent_decode(key).collect();
            let number = || Some(number(percent_decode(value)));
            match key.to_ascii_lowercase().as_slice() {
                b"v" => said.version = true,
                b"ready" => said.ready = number(),
                b"busy" => said.busy = number(),
                b"port" => said.port = number(),
                _ => {}
            }
        }
        Ok(said)
    }

    fn message(&self, from: IpAddr) -> Result<HeartbeatMessage, DatagramRefusal> {
        let ready = self.ready.ok_or(DatagramRefusal::Lacks("ready"))?;
        let busy = self.busy.ok_or(DatagramRefusal::Lacks("busy"))?;
        // Tomcats whose connector shares an executor do not know their pool's size. Their `ready` is -1 less
        // the busy ones, which is not the same as having no room. A pool of no workers at all is no better
        // known.
        let known = ready > 0 || (ready == 0 && busy > 0);
        let slots = |n: i64| u32::try_from(n.max(0)).unwrap_or(u32::MAX);
        let room = known.then(|| Room::Slots { ready: slots(ready), busy: slots(busy) });
        let port = self.port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
        let speaker = Sender::Address { ip: from.to_canonical(), port };
        Ok(HeartbeatMessage { speaker, beat: Heartbeat { room, ..Heartbeat::default() } })
    }
}

/// A number as C's `atoi` takes it: space and a sign before it, anything behind it; 0 without a digit.
fn number(text: impl Iterator<Item = u8>) -> i64 {
    let mut text = text.skip_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).peekable();
    let sign = match text.peek() {
        Some(b'-') => -1,
        _ => 1,
    };
    text.next_if(|byte| matches!(byte, b'-' | b'+'));
    let digits = text.map_while(|byte| byte.is_ascii_digit().then(|| i64::from(byte - b'0')));
    sign * digits.fold(0i64, |number, digit| number.saturating_mul(10).saturating_add(digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FROM: &str = "10.0.0.11";

    fn heard(port: Option<u16>, room: Option<(u32, u32)>) -> HeartbeatMessage {
        let room = room.map(|(ready, busy)| Room::Slots { ready, busy });
        HeartbeatMessage {
            speaker: Sender::Address { ip: FROM.parse().unwrap(), port },
            beat: Heartbeat { room, ..Heartbeat::default() },
        }
    }

    #[test]
    fn what_apache_and_tomcat_send_is_heard() {
        for (message, expected) in [
            ("v=1&ready=75&busy=0", heard(None, Some((75, 0)))),
            ("v=1&ready=190&busy=10&port=8009", heard(Some(8009), Some((190, 10)))),
            ("v=1&ready=190&busy=10&port=8009\r\n", heard(Some(8009), Some((190, 10)))),
            ("v=1&ready=0&busy=200&port=8080", heard(Some(8080), Some((0, 200)))),
            // A shared executor, in Tomcats before and after they clamped.
            ("v=1&ready=-11&busy=10&port=8009", heard(Some(8009), None)),
            ("v=1&ready=0&busy=0&port=8009", heard(Some(8009), None)),
            ("v=1&ready=5&busy=-2&port=8009", heard(Some(8009), Some((5, 0)))),
        ] {
            assert_eq!(read_udp(message.as_bytes(), FROM.parse().unwrap()), Ok(expected), "{message}");
        }
    }

    #[test]
    fn the_grammar_is_mod_heartmonitors() {
        for (message, expected) in [
            ("&&busy=1&v&ready=2&", heard(None, Some((2, 1)))),
            ("V=9&BUSY=1&Ready=2&what=ever", heard(None, Some((2, 1)))),
            ("v=1&busy=1&busy=3&ready=2", heard(None, Some((2, 3)))),
            ("v=1&b%75sy=%33&ready=%2B2", heard(None, Some((2, 3)))),
            ("v=1&busy=%zz&ready=2", heard(None, Some((2, 0)))),
            ("v=1&busy= 3x&ready=+2.5&port=80a", heard(Some(80), Some((2, 3)))),
            ("v=1&busy=abc&ready", heard(None, Some((1, 0)))),
            ("v=1&busy=99999999999999999999999&ready=1", heard(None, Some((1, u32::MAX)))),
            ("v=1&busy=1&ready=2&port=0", heard(None, Some((2, 1)))),
            ("v=1&busy=1&ready=2&port=70000", heard(None, Some((2, 1)))),
            ("v=1&busy=1&ready=2&port=-1", heard(None, Some((2, 1)))),
            ("v=1&ready=190&busy=10&lastseen=3&port=8080", heard(Some(8080), Some((190, 10)))),
        ] {
            assert_eq!(read_udp(message.as_bytes(), FROM.parse().unwrap()), Ok(expected), "{message}");
        }
    }

    #[test]
    fn what_is_no_heartbeat_is_refused() {
        let long = format!("v=1&ready=1&busy=1&x={}", "x".repeat(LONGEST));
        for (message, udp, post) in [
            ("", Err(DatagramRefusal::Lacks("v")), Err(DatagramRefusal::Lacks("ready"))),
            ("ready=2&busy=1", Err(DatagramRefusal::Lacks("v")), Ok(heard(None, Some((2, 1))))),
            ("v=1&busy=1", Err(DatagramRefusal::Lacks("ready")), Err(DatagramRefusal::Lacks("ready"))),
            ("v=1&ready=1", Err(DatagramRefusal::Lacks("busy")), Err(DatagramRefusal::Lacks("busy"))),
            (
                "HTTP/1.0 200 OK\r\nDate: x\r\n",
                Err(DatagramRefusal::Advertisement),
                Err(DatagramRefusal::Lacks("ready")),
            ),
            (long.as_str(), Err(DatagramRefusal::TooLong), Err(DatagramRefusal::TooLong)),
            (&long[..LONGEST], Ok(heard(None, Some((1, 1)))), Ok(heard(None, Some((1, 1))))),
        ] {
            let from = FROM.parse().unwrap();
            assert_eq!(
                (read_udp(message.as_bytes(), from), read_post(message.as_bytes(), from)),
                (udp, post),
                "{message}"
            );
        }
    }

    #[test]
    fn two_nodes_on_one_address_are_told_apart_and_one_in_two_spellings_is_not() {
        let speaker = |port, from: &str| {
            read_udp(write(1, 1, Some(port)).as_bytes(), from.parse().unwrap()).unwrap().speaker
        };
        assert_ne!(speaker(8009, "10.0.0.11"), speaker(8010, "10.0.0.11"));
        assert_eq!(speaker(8009, "10.0.0.11"), speaker(8009, "::ffff:10.0.0.11"));
    }

    proptest! {
        #[test]
        fn never_panics(message in proptest::collection::vec(any::<u8>(), 0..64), from: IpAddr) {
            let _ = read_udp(&message, from);
            let _ = read_post(&[b"ready=1&busy=", &message[..]].concat(), from).unwrap();
        }

        #[test]
        fn what_is_written_is_read_back(ready in 1u32.., busy: u32, port in proptest::option::of(1u16..)) {
            let expected = heard(port, Some((ready, busy)));
            prop_assert_eq!(read_udp(write(ready, busy, port).as_bytes(), FROM.parse().unwrap()), Ok(expected));
        }
    }
}
