//! HTTP/1 (RFC 9112): heads and bodies from bytes, and to bytes. Clients are read strictly: at the first byte
//! that two implementations could read in two ways the reading ends, since lenient reading is how requests
//! are smuggled. Nodes are trusted, and read as leniently as other proxies read them.

mod body;
mod head;
pub mod request;
pub mod response;
#[cfg(test)]
mod tests;

pub use super::Malformed;
pub use body::{BodyPart, BodyReader, begin_chunk};
pub use head::HeadScan;

use http::{HeaderMap, HeaderName, header};

/// Where a message's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// As the chunks say.
    Chunked,
    /// When the connection is closed: an answer's only.
    UntilClose,
}

/// Writes a header line.
pub fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    // one growth at most
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes header lines, and those that frame the body in place of what the map says of it. With
/// [`Framing::None`] a length in the map stays: it may be that of an answer to HEAD.
pub fn lines(out: &mut Vec<u8>, headers: &HeaderMap, framing: Framing) {
    let framed = framing != Framing::None;
    for (name, value) in headers {
        if is_framing(name) && (framed || name == header::TRANSFER_ENCODING) {
            continue;
        }
        line(out, name.as_str().as_bytes(), value.as_bytes());
    }
    match framing {
        Framing::Length(length) => {
            line(out, b"content-length", itoa::Buffer::new().format(length).as_bytes())
        }
        Framing::Chunked => line(out, b"transfer-encoding", b"chunked"),
        Framing::None | Framing::UntilClose => {}
    }
}

/// Whether a list header has this member.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|member| member.trim().eq_ignore_ascii_case(token))
}

fn is_framing(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING
}
