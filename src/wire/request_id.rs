//! A request's id: one of our own, or the one that a proxy in front has given it.

use http::HeaderValue;
use std::fmt;
use std::sync::Arc;

/// The longest id that is taken over.
const LONGEST: usize = 128;

/// A request's id. Each text is one id, whoever made it: 16 lower-case hexadecimal digits are always `Own`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestId {
    /// A number, written as 16 hexadecimal digits.
    Own(u64),
    /// As a proxy in front has written it.
    Given(Arc<str>),
}

impl RequestId {
    /// The id of that text, if it is one: letters, digits and `-._:/+=@`, 128 at most.
    pub fn parse(text: &str) -> Option<Self> {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-._:/+=@".contains(&b);
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(known) {
            return None;
        }
        let ours = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let number = u64::from_str_radix(text, 16).ok().filter(|_| ours);
        Some(number.map_or_else(|| Self::Given(text.into()), Self::Own))
    }

    /// The same from a header.
    pub fn read(value: &HeaderValue) -> Option<Self> {
        Self::parse(value.to_str().ok()?)
    }

    /// Its text, written into the buffer if it is not at hand.
    pub fn text<'a>(&'a self, buffer: &'a mut [u8; 16]) -> &'a str {
        match self {
            Self::Given(text) => text,
            Self::Own(id) => hex(*id, buffer),
        }
    }
}

/// A number as 16 hexadecimal digits.
pub fn hex(number: u64, buffer: &mut [u8; 16]) -> &str {
    let (high, low) = buffer.split_at_mut(8);
    high.copy_from_slice(&eight_digits(number >> 32).to_be_bytes());
    low.copy_from_slice(&eight_digits(number & 0xffff_ffff).to_be_bytes());
    std::str::from_utf8(buffer).unwrap_or_default()
}

/// The eight digits of 32 bits, all at once: each half byte is put into a byte of its own.
fn eight_digits(half: u64) -> u64 {
    let x = (half | half << 16) & 0x0000_ffff_0000_ffff;
    let x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    let x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // those above nine are carried into the upper half
    let letters = ((x + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    x + 0x3030_3030_3030_3030 + letters * 0x27
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; 16]))
    }
}

/// The trace that a W3C `traceparent` belongs to.
pub fn trace_of(traceparent: &HeaderValue) -> Option<&str> {
    let mut parts = traceparent.to_str().ok()?.split('-');
    let hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
    let good = hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && hex(parent, 16)
        && trace.bytes().any(|b| b != b'0');
    good.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_it_was_written_as() {
        for text in [
            "00000000000000ff",
            "a",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "00000000000000FF",
            "1-67891233-abc/2:3+=@._",
            &"x".repeat(128),
        ] {
            assert_eq!(RequestId::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(RequestId::parse("00000000000000ff"), Some(RequestId::Own(255)));
        for text in ["", "a b", "a\"b", "a\\", "ä", "<b>", &"x".repeat(129)] {
            assert_eq!(RequestId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_has_the_digits_that_everybody_gives_it() {
        let mut numbers =
            vec![0, u64::MAX, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x9a9a_9a9a_9a9a_9a9a];
        numbers.extend((0..64).map(|bit| 1 << bit));
        numbers.extend((0..1000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        for number in numbers {
            assert_eq!(hex(number, &mut [0; 16]), format!("{number:016x}"));
        }
    }

    #[test]
    fn a_trace_is_read_from_a_good_traceparent_only() {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for (value, good) in [
            (format!("00-{trace}-{parent}-01"), true),
            (format!("01-{trace}-{parent}-01-more"), true),
            (format!("ff-{trace}-{parent}-01"), false),
            (format!("00-{}-{parent}-01", "0".repeat(32)), false),
            (format!("00-{}-{parent}-01", trace.to_uppercase()), false),
            (format!("00-{trace}"), false),
            ("nonsense".into(), false),
        ] {
            let value = HeaderValue::from_str(&value).unwrap();
            assert_eq!(trace_of(&value), good.then_some(trace), "{value:?}");
        }
    }
}
