//! Why an address cannot be understood: what is wrong, and behind ": write " what is right.

use std::fmt;

/// The longest path a Unix socket may have on every system.
pub(super) const LONGEST_SOCKET_PATH: usize = 103;

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressError {
    /// A scheme that no node is spoken to by.
    Scheme(String),
    /// A node's address without a scheme.
    NoScheme(String),
    /// A user, or a password.
    User,
    /// A path behind a node's address.
    Path,
    /// A scheme in front of an address to listen on.
    ListenScheme {
        /// The scheme.
        scheme: String,
        /// What is behind it.
        rest: String,
    },
    /// A port for every address, without saying for which.
    EveryAddress {
        /// As it is written.
        text: String,
        /// The port.
        port: String,
    },
    /// A port without an address.
    PortAlone(String),
    /// A Unix socket without a path.
    NoSocket,
    /// A path that no Unix socket can have.
    SocketPath,
    /// A bracket that is not closed.
    OpenBracket(String),
    /// No IPv6 address in brackets.
    NoIpv6(String),
    /// An IPv6 address without brackets.
    BareIpv6(String),
    /// No port.
    Port(String),
    /// A port is missing.
    NoPort(String),
    /// No host.
    Host(String),
}

impl fmt::Display for AddressError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => {
                write!(out, "`{scheme}://` is not spoken to nodes: write http://host:port, https://host:port or unix:/path")
            }
            Self::NoScheme(text) => write!(out, "`{text}` has no scheme: write http://{text} or https://{text}"),
            Self::User => out.write_str("a node's address takes no user name or password: write only host and port"),
            Self::Path => out.write_str("a node's address ends with its port: write paths in a rule, with `rewrite` or `strip-prefix`"),
            Self::ListenScheme { scheme, rest } => {
                write!(out, "an address to listen on has no `{scheme}://`: write \"{rest}\"")
            }
            Self::EveryAddress { text, port } => {
                write!(out, "`{text}` has no address: write \"0.0.0.0:{port}\" for all of IPv4, \"[::]:{port}\" for all of IPv6 too")
            }
            Self::PortAlone(port) => {
                write!(out, "`{port}` is only a port: write \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" for all addresses")
            }
            Self::NoSocket => out.write_str("`unix:` names no socket: write unix:/path/of.sock"),
            Self::SocketPath => {
                write!(out, "a socket's path can have {LONGEST_SOCKET_PATH} bytes at most: write a shorter one")
            }
            Self::OpenBracket(text) => write!(out, "`{text}` has no closing bracket: write \"[::1]:8080\""),
            Self::NoIpv6(host) => write!(out, "`{host}` is not an IPv6 address: write it as in \"[::1]:8080\""),
            Self::BareIpv6(text) => write!(out, "an IPv6 address stands in brackets: write \"[{text}]:8080\""),
            Self::Port(port) => write!(out, "`{port}` is not a port: write a number from 0 to 65535"),
            Self::NoPort(text) => write!(out, "`{text}` has no port: write \"{text}:8080\""),
            Self::Host(host) => write!(out, "`{host}` is not a host: write a name or an address, as in \"127.0.0.1:8080\""),
        }
    }
}

impl std::error::Error for AddressError {}
