//! A request's span while it is under way.

use crate::wire::traceparent::Traceparent;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::Write;

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The span of a request under way.
pub struct Span {
    pub(super) place: Traceparent,
    /// The span it is under, in the same trace.
    pub(super) parent: Option<u64>,
}

impl Span {
    /// Whether it is sent to the collector.
    pub fn is_sampled(&self) -> bool {
        self.place.is_sampled()
    }

    /// Tells the node that its part of the trace is under this span.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.place.to_string()) {
            headers.insert(TRACEPARENT, value);
        }
        // what others have added to a trace says nothing of a new one
        if self.parent.is_none() {
            headers.remove(TRACESTATE);
        }
    }

    /// The trace's id, written into the buffer.
    pub fn trace<'t>(&self, buffer: &'t mut [u8; 32]) -> &'t str {
        // 32 digits fit
        let _ = write!(&mut buffer[..], "{:032x}", self.place.trace);
        std::str::from_utf8(buffer).unwrap_or_default()
    }
}
