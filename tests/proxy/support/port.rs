//! Ports that belong to one test until it is over, whatever else runs on the machine.

use rand::Rng;
use socket2::{Domain, SockAddr, Socket, Type};
use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};

/// Below the ports that the system gives to outgoing connections and to sockets that do not mind.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

thread_local! {
    /// What this test holds; a test has a thread of its own.
    static HELD: RefCell<Vec<Socket>> = const { RefCell::new(Vec::new()) };
}

/// An address nobody listens on, and nobody but this test is given before it ends: a bound socket that never
/// listens keeps it. Servers may bind it all the same, for they say SO_REUSEADDR.
pub fn free_addr() -> SocketAddr {
    loop {
        let addr = SocketAddr::from(([127, 0, 0, 1], rand::rng().random_range(PORTS)));
        if let Some(socket) = hold(addr) {
            HELD.with_borrow_mut(|held| held.push(socket));
            return addr;
        }
    }
}

fn hold(addr: SocketAddr) -> Option<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // alone: the system refuses a port that anybody else has, another test's held one too
    socket.bind(&SockAddr::from(addr)).ok()?;
    UdpSocket::bind(addr).ok()?;
    // from now on with whoever says the same
    socket.set_reuse_address(true).ok()?;
    Some(socket)
}
