//! Targets with characters that no URL may have and that servers take nevertheless. Rules, pins and logs see
//! them escaped, as browsers write them; a node of HTTP/1 is sent what the client wrote.

use bytes::Bytes;
use http::Uri;
use http::uri::InvalidUri;
use std::borrow::Cow;

/// A target as it came, where that is no URL.
#[derive(Debug, Clone)]
pub struct RawTarget {
    raw: Bytes,
    /// The same as the URL that it is taken for.
    escaped: Bytes,
}

/// The URL that a target is, or stands for; the target is a part of the head.
pub fn read(head: &Bytes, target: &[u8]) -> Result<(Uri, Option<Box<RawTarget>>), InvalidUri> {
    match Uri::from_maybe_shared(head.slice_ref(target)) {
        Ok(uri) => Ok((uri, None)),
        Err(error) => escaped(head.slice_ref(target), error),
    }
}

fn escaped(raw: Bytes, error: InvalidUri) -> Result<(Uri, Option<Box<RawTarget>>), InvalidUri> {
    let escaped = Bytes::from(escape(&raw).ok_or(error)?);
    let uri = Uri::from_maybe_shared(escaped.clone())?;
    Ok((uri, Some(Box::new(RawTarget { raw, escaped }))))
}

/// Escapes what a path or a query may not have. `None`: it has nothing of that.
fn escape(target: &[u8]) -> Option<Vec<u8>> {
    let is_text = std::str::from_utf8(target).is_ok();
    let mut in_query = false;
    let mut out = Vec::with_capacity(target.len() + 32);
    for byte in target {
        in_query |= *byte == b'?';
        let escapes = match byte {
            b'<' | b'>' => true,
            b'"' => in_query,
            b'`' => !in_query,
            0x80.. => !is_text,
            _ => false,
        };
        if escapes {
            let digit = |half: u8| b"0123456789ABCDEF"[usize::from(half)];
            out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        } else {
            out.push(*byte);
        }
    }
    (out.len() > target.len()).then_some(out)
}

impl RawTarget {
    /// What stands for this part of the URL, which may have got another beginning since.
    pub fn written<'a>(&self, now: &'a str) -> Cow<'a, [u8]> {
        let ends = self.escaped.iter().rev().zip(now.as_bytes().iter().rev());
        let common = ends.take_while(|(then, now)| then == now).count();
        let before = self.escaped.len() - common;
        if self.raw.get(..before) != Some(&self.escaped[..before]) {
            // what was changed had such characters itself
            return Cow::Borrowed(now.as_bytes());
        }
        Cow::Owned([&now.as_bytes()[..now.len() - common], &self.raw[before..]].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(target: &[u8]) -> Result<(Uri, Option<Box<RawTarget>>), InvalidUri> {
        let head = Bytes::copy_from_slice(target);
        read(&head, &head)
    }

    #[test]
    fn every_byte_that_is_read_alike_everywhere_is_a_target() {
        for byte in (0x21..=0xffu8).filter(|byte| !matches!(byte, b'#' | 0x7f)) {
            for target in [&[b'/', byte, b'z'][..], &[b'/', b'?', byte, b'z'], b"http://a/\xe9"] {
                let (uri, raw) = read_all(target).unwrap_or_else(|e| panic!("{byte:x}: {e}"));
                let path = uri.path_and_query().unwrap().as_str();
                let written = raw.map_or(path.as_bytes().into(), |raw| raw.written(path).into_owned());
                assert!(target.ends_with(&written) && written[0] == b'/', "{byte:x}: {written:?}");
            }
        }
    }

    #[test]
    fn what_a_rule_has_not_changed_stays_as_it_came() {
        for (target, seen, now, written) in [
            (&b"/app/x?q=<b>"[..], "/app/x?q=%3Cb%3E", "/x?q=%3Cb%3E", &b"/x?q=<b>"[..]),
            (b"/a<%3C\xe9", "/a%3C%3C%E9", "/new/a%3C%3C%E9", b"/new/a<%3C\xe9"),
            (b"/a`b?\"`\"", "/a%60b?%22`%22", "/a%60b?%22`%22", b"/a`b?\"`\""),
            (b"/a<b", "/a%3Cb", "/other", b"/other"),
            (b"/a<b", "/a%3Cb", "/z3Cb", b"/z3Cb"),
            (b"/a<b/c", "/a%3Cb/c", "/%3Cb/x/c", b"/%3Cb/x/c"),
            (b"http://h?<", "http://h?%3C", "/?%3C", b"/?<"),
        ] {
            let (uri, raw) = read_all(target).unwrap();
            assert_eq!(uri, seen);
            let raw = raw.unwrap();
            assert_eq!(raw.written(now), written, "{}", String::from_utf8_lossy(&raw.written(now)));
        }
        assert!(read_all(b"/a%20?\"").unwrap().1.is_some());
        assert!(read_all("/é?é".as_bytes()).unwrap().1.is_none());
        assert!(read_all(b"/a b").is_err());
    }
}
