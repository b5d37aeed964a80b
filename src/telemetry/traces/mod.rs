//! One span for each request, sent to a collector that speaks OpenTelemetry. That is in a binary built with
//! the feature `otel`; in any other there are no spans: their types have no value, so that an `Option` of one
//! takes neither room nor a branch.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod collector;
mod error;
#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod finished;
#[cfg(not(feature = "otel"))]
mod no_span;
#[cfg(feature = "otel")]
mod otlp;
#[cfg(feature = "otel")]
mod span;
#[cfg(feature = "otel")]
mod tracer;

#[cfg(not(feature = "otel"))]
pub use absent::{Tracer, Traces};
pub use error::CollectorError;
#[cfg(feature = "otel")]
pub use export::Traces;
#[cfg(not(feature = "otel"))]
pub use no_span::Span;
#[cfg(feature = "otel")]
pub use span::Span;
#[cfg(feature = "otel")]
pub use tracer::Tracer;

/// What became of spans since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpanTotals {
    /// Taken by the collector.
    pub exported: u64,
    /// Lost because the queue was full.
    pub dropped: u64,
    /// Lost because the collector did not take them.
    pub failed: u64,
}
