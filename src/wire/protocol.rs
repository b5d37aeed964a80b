//! What is spoken on a connection: towards clients, and towards nodes.

use http::Version;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientProtocol {
    /// HTTP/1.1, or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

impl ClientProtocol {
    /// What was agreed on in a TLS handshake; who agreed on nothing speaks what was there first.
    pub fn agreed(alpn: Option<&[u8]>) -> Self {
        match alpn {
            Some(b"h2") => Self::Http2,
            _ => Self::Http1,
        }
    }

    /// The version of an answer.
    pub fn version(self) -> Version {
        match self {
            Self::Http1 => Version::HTTP_11,
            Self::Http2 => Version::HTTP_2,
        }
    }
}

/// What a node is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeProtocol {
    /// HTTP/1.1, and what it switches to.
    Http1,
    /// HTTP/2.
    Http2,
}

impl NodeProtocol {
    /// Its name in TLS handshakes.
    pub fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}
