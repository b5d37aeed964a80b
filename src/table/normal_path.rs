//! The path as rules see it: one spelling for every way a client can write the same path, so that no rule is
//! got around.

use std::borrow::Cow;

/// A path in its one spelling.
#[derive(Debug)]
pub struct NormalPath<'a> {
    /// Percent-encoding undone once, backslashes turned, doubled slashes joined, dot segments resolved.
    pub text: Cow<'a, str>,
    /// True when segments were resolved, joined or turned: the raw path then has another shape, not just
    /// another spelling.
    pub reshaped: bool,
}

/// Brings a path into its one spelling; a path that already has it costs one pass and no memory.
///
/// Servers behind us undo `%61`, and many take `//`, `\`, `/./`, `/../`, `/..;x/` (servlet containers) and
/// even `%2f` for what they resemble, and path parameters (`;jsessionid=…`) belong to no path there. So all
/// of these are undone before rules look. `%3B`, `%25`, control characters and bytes that are not UTF-8 stay
/// encoded, and a `%` that begins no escape becomes `%25`.
pub fn normal(path: &str) -> NormalPath<'_> {
    let bytes = path.as_bytes();
    let plain = memchr::memchr3(b'%', b'\\', b';', bytes).is_none()
        && !bytes.windows(2).any(|pair| pair[0] == b'/' && matches!(pair[1], b'/' | b'.'));
    if plain {
        return NormalPath { text: Cow::Borrowed(path), reshaped: false };
    }
    let (decoded, turned) = decode(path);
    let text = resolve(&decoded);
    let reshaped = turned || text != decoded;
    NormalPath { text: Cow::Owned(text), reshaped }
}

/// Undoes percent-encoding once and leaves out path parameters. The flag is set when a backslash or an
/// encoded slash became a slash.
fn decode(path: &str) -> (String, bool) {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut turned) = (0, false);
    while at < bytes.len() {
        let length = match (bytes[at], escape(&bytes[at..])) {
            (b';', _) => memchr::memchr2(b'/', b'\\', &bytes[at..]).unwrap_or(bytes.len() - at),
            (b'\\', _) => {
                turned = true;
                out.push(b'/');
                1
            }
            (b'%', Some(b'/' | b'\\')) => {
                turned = true;
                out.push(b'/');
                3
            }
            // A decoded semicolon would look like the start of a path parameter, which it is not.
            (b'%', Some(b';' | b'%' | ..0x20 | 0x7f)) => {
                out.extend(bytes[at..at + 3].iter().map(u8::to_ascii_uppercase));
                3
            }
            (b'%', Some(value)) => {
                out.push(value);
                3
            }
            // A bare one stands for itself; left as it is, it could make a new escape with what is decoded
            // behind it.
            (b'%', None) => {
                out.extend_from_slice(b"%25");
                1
            }
            (other, _) => {
                out.push(other);
                1
            }
        };
        at += length;
    }
    match String::from_utf8(out) {
        Ok(text) => (text, turned),
        Err(error) => (encode_invalid(error.as_bytes()), turned),
    }
}

/// The byte that an escape at the start of `bytes` stands for.
fn escape(bytes: &[u8]) -> Option<u8> {
    let pair = bytes.strip_prefix(b"%")?.get(..2)?;
    Some(hex(pair[0])? << 4 | hex(pair[1])?)
}

/// Keeps what is not UTF-8 as it came: percent-encoded.
fn encode_invalid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Joins doubled slashes and resolves dot segments.
fn resolve(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let Some(rest) = path.strip_prefix('/') else {
        return path.to_owned();
    };
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "" if !last => {}
            "." if last => out.push('/'),
            "." => {}
            ".." => {
                out.truncate(out.rfind('/').unwrap_or(0));
                if last {
                    out.push('/');
                }
            }
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    out
}

pub(super) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Percent-encodes what may not stand in a path (and query) on the wire; what is already encoded stays.
pub fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    for byte in path.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'#' | b'\\' | b'^' | b'|' | 0..=0x20 | 0x7f.. => {
                out.push_str(&format!("%{byte:02X}"))
            }
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for (raw, expected, reshaped) in [
            ("/shop/cart", "/shop/cart", false),
            ("/%61dmin", "/admin", false),
            ("/public/../admin", "/admin", true),
            ("/public/%2e%2e/admin", "/admin", true),
            ("/public/.%2E/admin", "/admin", true),
            ("/public/..;x=1/admin", "/admin", true),
            ("/public%2f..%2fadmin", "/admin", true),
            ("/public/..\\admin", "/admin", true),
            ("/public/..%5cadmin", "/admin", true),
            ("//admin", "/admin", true),
            ("/./admin/.", "/admin/", true),
            ("/a/..", "/", true),
            ("/../../..", "/", true),
            ("/a//", "/a/", true),
            ("/.well-known/x", "/.well-known/x", false),
            ("/a;x=1/b;jsessionid=2", "/a/b", false),
            ("/;x/admin", "/admin", true),
            ("/a%3Bx", "/a%3Bx", false),
            ("/a%252e", "/a%252e", false),
            ("/%ff%00%zz%", "/%FF%00%25zz%25", false),
            ("/a/%2%65%2%65/b", "/a/%252e%252e/b", false),
            ("/%1f%3b%2", "/%1F%3B%252", false),
            ("/caf%C3%A9", "/café", false),
            ("*", "*", false),
            ("", "", false),
        ] {
            let path = normal(raw);
            assert_eq!((path.text.as_ref(), path.reshaped), (expected, reshaped), "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_settles(raw in "/[a.%/;\\\\2eéF]{0,24}") {
            let once = normal(&raw).text.into_owned();
            proptest::prop_assert!(!once.contains("/../") && !once.contains("//"));
            proptest::prop_assert!(encode(&once).parse::<http::uri::PathAndQuery>().is_ok());
        }
    }
}
