//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address; IPv4 is written as such even on a dual-stack socket.
    Tcp(SocketAddr),
    /// A process on this host.
    Unix,
}

impl Peer {
    /// The address, if it has one.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Unix => None,
        }
    }
}

/// IPv4 in IPv6's clothes becomes IPv4, so that networks and logs see one form.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
