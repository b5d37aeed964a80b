//! The mark on a request of ours that comes back to us: where it has been. It is put on only where a node may
//! be one of our own doors, and taken off at the door; towards others nothing tells that we were here.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use rand::RngCore;
use std::fmt::Write;
use std::sync::LazyLock;

/// Where it stands.
pub const HEADER: HeaderName = HeaderName::from_static("homing-passages");

/// Times that a request may pass through us.
pub const MOST: usize = 10;

/// What only this process writes: a stranger's mark is none.
static SECRET: LazyLock<String> = LazyLock::new(|| {
    let mut secret = [0; 16];
    rand::rng().fill_bytes(&mut secret);
    secret.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
});
/// The word that somebody meant it to get to a door of the control plane.
const MEANT: &str = "own";

/// Where a request of ours has been.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoopMarks {
    rules: Vec<usize>,
    meant: bool,
}

impl LoopMarks {
    /// Takes the mark off. Nothing of it is left, nor of what passes for one.
    pub fn take(headers: &mut HeaderMap) -> Self {
        if !headers.contains_key(HEADER) {
            return Self::default();
        }
        let read = Self::read(headers);
        headers.remove(HEADER);
        read.unwrap_or_default()
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        // a stranger's line may stand before ours
        headers.get_all(HEADER).iter().find_map(|line| {
            let mut words = line.to_str().ok()?.split(' ');
            (words.next()? == *SECRET).then(|| {
                let mut read = Self::default();
                words.for_each(|word| match word.parse() {
                    Ok(rule) => read.rules.push(rule),
                    Err(_) => read.meant |= word == MEANT,
                });
                read
            })
        })
    }

    /// Whether it goes in a circle when it is served by this rule.
    pub fn circle(&self, rule: usize) -> bool {
        self.rules.contains(&rule) || self.rules.len() >= MOST
    }

    /// The mark for a node that may be ourselves, which this rule sends it to. `meant`: it may be a door of
    /// the control plane.
    pub fn on(&self, rule: usize, meant: bool) -> HeaderValue {
        let mut text = SECRET.clone();
        for rule in self.rules.iter().chain([&rule]) {
            let _ = write!(text, " {rule}");
        }
        if meant {
            text.push(' ');
            text.push_str(MEANT);
        }
        // made of digits, letters and blanks
        HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Whether a request came through us to where nobody meant it to come: a client's, then, whatever address it
/// comes from.
pub fn strayed(headers: &HeaderMap) -> bool {
    headers.contains_key(HEADER) && LoopMarks::read(headers).is_some_and(|passed| !passed.meant)
}

/// The same of a head that was not parsed.
pub fn strayed_in(head: &[u8]) -> bool {
    memchr::memmem::find(head, SECRET.as_bytes()).is_some_and(|at| {
        let line = head[at..].split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
        !line.ends_with(MEANT.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(lines: &[HeaderValue]) -> HeaderMap {
        lines.iter().map(|line| (HEADER, line.clone())).collect()
    }

    #[test]
    fn a_request_is_known_again_by_the_rules_it_has_met() {
        let mut passed = LoopMarks::default();
        for rule in 0..MOST {
            assert!(!passed.circle(rule), "{rule}");
            let mut headers = marked(&[HeaderValue::from_static("0 1 2 3"), passed.on(rule, false)]);
            passed = LoopMarks::take(&mut headers);
            assert!(headers.is_empty() && passed.circle(rule) && passed.circle(0), "{passed:?}");
        }
        assert!(passed.circle(99), "it has passed often enough");
    }

    #[test]
    fn what_strangers_write_is_no_mark_and_goes_no_further() {
        let mut headers =
            marked(&[HeaderValue::from_static("0123456789abcdef 1"), HeaderValue::from_static("")]);
        assert!(!strayed(&headers));
        assert_eq!(LoopMarks::take(&mut headers), LoopMarks::default());
        assert!(headers.is_empty());
    }

    #[test]
    fn the_control_plane_takes_what_was_meant_for_it() {
        for meant in [false, true] {
            let mark = LoopMarks::default().on(7, meant);
            assert_eq!(strayed(&marked(std::slice::from_ref(&mark))), !meant);
            let head = format!(
                "POST / HTTP/1.1\r\nhoming-passages: {}\r\nhost: own\r\n\r\n",
                mark.to_str().unwrap()
            );
            assert_eq!(strayed_in(head.as_bytes()), !meant, "{head}");
        }
        assert!(!strayed(&HeaderMap::new()) && !strayed_in(b"POST / HTTP/1.1\r\n\r\n"));
    }
}
