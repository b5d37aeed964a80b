//! Where this process listens, whatever for: addresses, sockets, who connects, the PROXY protocol, TLS. Both
//! planes stand on it.

mod accept;
mod datagram;
mod error;
mod hint;
mod holder;
mod peer;
mod places;
pub mod proxy_header;
mod set;
mod socket;
#[cfg(test)]
mod tests;
pub mod tls;

pub use crate::config::address::Address;
pub use crate::config::unix_access::UnixAccess;
pub use accept::AcceptSocket;
pub use error::{ListenError, ListenFault};
pub use hint::ListenHint;
pub use peer::Peer;
pub use places::ConnectionPlaces;
pub use set::{BoundListener, ListenerPlan, ListenerSet, WantedAddress};
pub use socket::{BoundSocket, SocketOptions};
