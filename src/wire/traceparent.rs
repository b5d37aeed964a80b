//! The header by which a request says which trace it belongs to (W3C Trace Context).

use super::request_id::trace_of;
use http::HeaderValue;
use std::fmt;

/// Whether whoever sent it keeps what it saw.
const SAMPLED: u8 = 1;
/// What is passed on of the flags: `SAMPLED`, and that the trace's id is random.
const KNOWN: u8 = 3;

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace.
    pub trace: u128,
    /// The span in it.
    pub span: u64,
    /// What is to be known of it.
    pub flags: u8,
}

impl Traceparent {
    /// The first span of a new trace; both ids are drawn.
    pub fn first(trace: u128, span: u64, sampled: bool) -> Self {
        // an id of noughts alone is none
        Self { trace: trace.max(1), span: span.max(1), flags: u8::from(sampled) }
    }

    /// A span under this one.
    pub fn under(self, span: u64) -> Self {
        Self { span: span.max(1), flags: self.flags & KNOWN, ..self }
    }

    /// Whether what is seen of it is kept.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// From a header, if it has one that is whole. Later versions may add to it.
    pub fn read(value: &HeaderValue) -> Option<Self> {
        let trace = u128::from_str_radix(trace_of(value)?, 16).ok()?;
        let text = value.to_str().ok()?;
        let span = u64::from_str_radix(text.get(36..52)?, 16).ok().filter(|span| *span != 0)?;
        let flags = text
            .get(53..55)
            .filter(|flags| flags.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))?;
        let rest = text.get(55..)?;
        let whole = rest.is_empty() || (!text.starts_with("00") && rest.starts_with('-'));
        whole.then_some(Self { trace, span, flags: u8::from_str_radix(flags, 16).ok()? })
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn it_is_what_it_was_written_as() {
        let read = Traceparent::read(&HeaderValue::from_static(GOOD)).unwrap();
        assert_eq!((read.to_string(), read.is_sampled()), (GOOD.to_owned(), true));
        let under = Traceparent { flags: 0xff, ..read }.under(0xa);
        assert_eq!(under.to_string(), "00-0af7651916cd43dd8448eb211c80319c-000000000000000a-03");
        assert_eq!(Traceparent::first(0, 0, false).to_string(), format!("00-{:032x}-{:016x}-00", 1, 1));
    }

    #[test]
    fn only_a_whole_one_is_read() {
        for (value, good) in [
            (GOOD.to_owned(), true),
            (GOOD.replacen("00", "cc", 1), true),
            (format!("{}-more", GOOD.replacen("00", "cc", 1)), true),
            (format!("{}more", GOOD.replacen("00", "cc", 1)), false),
            (format!("{GOOD}-more"), false),
            (GOOD.replace("b7ad6b7169203331", &"0".repeat(16)), false),
            (GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), false),
            (GOOD.replace("-01", "-+1"), false),
            (GOOD.replace("-01", "-0A"), false),
            (GOOD.replace("-01", ""), false),
            (GOOD.replace("-01", "-1"), false),
            (String::new(), false),
        ] {
            assert_eq!(Traceparent::read(&HeaderValue::from_str(&value).unwrap()).is_some(), good, "{value}");
        }
    }
}
