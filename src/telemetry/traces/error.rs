//! Why spans cannot be sent where they are to go.

use crate::config::address::AddressError;
use crate::wire::pem_error::TlsError;
use std::error::Error;
use std::fmt;

/// What is wrong with the address of a collector.
#[derive(Debug)]
pub enum CollectorError {
    /// It is none.
    Address(AddressError),
    /// TLS towards it.
    Tls(TlsError),
    /// No certificate can have this name.
    ServerName(String),
    /// No header can name this host.
    Authority(String),
}

impl fmt::Display for CollectorError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => why.fmt(out),
            Self::Tls(why) => why.fmt(out),
            Self::ServerName(name) => write!(out, "`{name}` cannot be a certificate's name"),
            Self::Authority(host) => write!(out, "`{host}` cannot be a Host header"),
        }
    }
}

impl Error for CollectorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address(why) => Some(why),
            Self::Tls(why) => Some(why),
            Self::ServerName(_) | Self::Authority(_) => None,
        }
    }
}
