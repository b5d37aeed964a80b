//! Why an address cannot be listened on.

use super::{Address, ListenHint};
use crate::config::address::AddressError;
use crate::config::unix_access::UnixAccessError;
use crate::wire::pem_error::TlsError;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::AddrParseError;

/// What is wrong with a listener.
#[derive(Debug)]
pub struct ListenError {
    /// Which: as it is spoken of.
    pub listener: String,
    /// What.
    pub why: ListenFault,
}

/// What can be wrong with one.
#[derive(Debug)]
pub enum ListenFault {
    /// What the conf says is no address.
    Address(AddressError),
    /// A multicast group is none.
    Group {
        /// As the conf has it.
        group: String,
        /// Why.
        why: AddrParseError,
    },
    /// Its certificates, or how handshakes are to go.
    Tls(TlsError),
    /// The system does not give it.
    Socket {
        /// Where it was to be.
        address: Address,
        /// Why.
        why: io::Error,
        /// What to do.
        hint: Option<ListenHint>,
    },
    /// Whose the file of a socket is to be.
    Unix(UnixAccessError),
}

impl fmt::Display for ListenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.listener, self.why)
    }
}

impl fmt::Display for ListenFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => why.fmt(out),
            Self::Group { group, why } => write!(out, "group {group}: {why}"),
            Self::Tls(why) => why.fmt(out),
            Self::Socket { address, why, hint } => {
                write!(out, "cannot listen on {address}: {why}")?;
                hint.iter().try_for_each(|hint| write!(out, ": {hint}"))
            }
            Self::Unix(why) => why.fmt(out),
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.why)
    }
}

impl Error for ListenFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address(why) => Some(why),
            Self::Group { why, .. } => Some(why),
            Self::Tls(why) => Some(why),
            Self::Socket { why, .. } => Some(why),
            Self::Unix(why) => Some(why),
        }
    }
}
