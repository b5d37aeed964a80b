//! One span for each request, sent to a collector that speaks OpenTelemetry. That is in a binary built with the feature `otel`; in
//! any other there are no spans: their types have no value, so that an `Option` of one takes neither room nor a branch.

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod collector;
#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod finished;
#[cfg(feature = "otel")]
mod otlp;
#[cfg(feature = "otel")]
mod span;

#[cfg(not(feature = "otel"))]
pub use absent::{Span, Tracer, Traces};
#[cfg(feature = "otel")]
pub use export::Traces;
#[cfg(feature = "otel")]
pub use span::{Span, Tracer};

/// What became of spans since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Taken by the collector.
    pub exported: u64,
    /// Lost because the queue was full.
    pub dropped: u64,
    /// Lost because the collector did not take them.
    pub failed: u64,
}
