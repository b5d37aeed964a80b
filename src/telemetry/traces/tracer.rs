//! Spans are begun from a request's head, ended with its log line, and handed over with others of their
//! worker. Nothing here waits.

use super::export::Traces;
use super::finished::FinishedSpan;
use super::span::{Span, TRACEPARENT};
use crate::base::clock;
use crate::telemetry::log_fields::LogEntry;
use crate::wire::traceparent::Traceparent;
use http::HeaderMap;
use rand::Rng;
use rand::rngs::SmallRng;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc;

/// A worker's spans are handed over when there are so many of them.
const FULL: usize = 64;
/// Characters kept of what a client can make as long as it likes.
const LONGEST: usize = 1024;

/// Makes the spans of one worker, and keeps those that are not yet handed over. Dropping it hands them over.
#[derive(Debug)]
pub struct Tracer {
    queue: Option<mpsc::Sender<Vec<FinishedSpan>>>,
    dropped: Arc<AtomicU64>,
    /// A new trace is kept when its id, so to speak, is below this.
    below: u64,
    finished: RefCell<Vec<FinishedSpan>>,
}

impl Tracer {
    /// One worker's.
    pub fn new(traces: &Traces) -> Self {
        Self {
            queue: traces.queue(),
            dropped: traces.dropped(),
            below: below(traces.sample()),
            finished: RefCell::default(),
        }
    }

    /// A request begins: under the span that its head names, else in a trace of its own.
    pub fn begin(&self, headers: &HeaderMap, rng: &mut SmallRng) -> Span {
        let mut named = headers.get_all(TRACEPARENT).iter();
        match (named.next().and_then(Traceparent::read), named.next()) {
            (Some(parent), None) => Span { place: parent.under(rng.random()), parent: Some(parent.span) },
            _ => {
                let trace: u128 = rng.random();
                // the same bits that others decide by who are to keep a share of traces
                let sampled = (trace as u64) >> 1 < self.below;
                Span { place: Traceparent::first(trace, rng.random(), sampled), parent: None }
            }
        }
    }

    /// A request is over, and this is what is known of it.
    pub fn end(&self, span: &Span, entry: &LogEntry<'_>) {
        let end = clock::unix_ns();
        let decision = &entry.record.decision;
        let finished = FinishedSpan {
            place: span.place,
            parent: span.parent,
            start: end.saturating_sub((entry.duration_ms * 1e6) as u64),
            end,
            client: decision.client.to_canonical(),
            tls: entry.connection.tls,
            status: decision.status,
            why: decision.why,
            rule: decision.rule,
            method: cut(entry.method()),
            path: cut(entry.path().split('?').next().unwrap_or_default()),
            host: cut(entry.host()),
            version: entry.version(),
            cluster: entry.cluster().map(str::to_owned),
            node: entry.node().map(str::to_owned),
            was: entry.was().map(str::to_owned),
            id: entry.id.to_owned(),
        };
        let full = {
            let mut all = self.finished.borrow_mut();
            all.push(finished);
            all.len() >= FULL
        };
        if full {
            self.flush();
        }
    }

    /// Hands over what there is. What does not fit into the queue is lost.
    pub fn flush(&self) {
        let finished = self.finished.take();
        let count = finished.len() as u64;
        if count > 0 && self.queue.as_ref().is_none_or(|queue| queue.try_send(finished).is_err()) {
            self.dropped.fetch_add(count, Relaxed);
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Of 63 random bits, such a share is below it.
fn below(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * (1u64 << 63) as f64) as u64
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Now;
    use crate::telemetry::log_fields::SOME_CONNECTION;
    use crate::telemetry::record::RequestRecord;
    use crate::telemetry::traces::span::TRACESTATE;
    use crate::wire::request_id::RequestId;
    use http::HeaderValue;
    use rand::SeedableRng;

    fn tracer(share: f64) -> (Tracer, mpsc::Receiver<Vec<FinishedSpan>>) {
        let (queue, receiver) = mpsc::channel(1);
        (
            Tracer {
                queue: Some(queue),
                dropped: Arc::default(),
                below: below(share),
                finished: RefCell::default(),
            },
            receiver,
        )
    }

    #[test]
    fn new_traces_are_kept_by_their_share() {
        let mut rng = SmallRng::seed_from_u64(1);
        for (share, least, most) in [(0.0, 0, 0), (0.25, 2300, 2700), (1.0, 10_000, 10_000)] {
            let (tracer, _receiver) = tracer(share);
            let kept = (0..10_000).filter(|_| tracer.begin(&HeaderMap::new(), &mut rng).is_sampled()).count();
            assert!((least..=most).contains(&kept), "{share}: {kept}");
        }
    }

    #[test]
    fn two_parents_are_none() {
        let (tracer, _receiver) = tracer(1.0);
        let mut headers = HeaderMap::new();
        headers.append(
            TRACEPARENT,
            HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
        );
        let mut rng = SmallRng::seed_from_u64(1);
        assert_eq!(tracer.begin(&headers, &mut rng).parent, Some(0xb7ad_6b71_6920_3331));
        headers.append(
            TRACEPARENT,
            HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-00"),
        );
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        let span = tracer.begin(&headers, &mut rng);
        assert!(span.parent.is_none() && span.is_sampled());
        span.inject(&mut headers);
        assert_eq!(headers.get_all(TRACEPARENT).iter().count(), 1);
        assert_eq!(
            (
                headers[TRACEPARENT].to_str().unwrap().contains(span.trace(&mut [0; 32])),
                headers.get(TRACESTATE)
            ),
            (true, None)
        );
    }

    #[test]
    fn a_full_queue_loses_spans_and_counts_them() {
        let (tracer, mut receiver) = tracer(1.0);
        let span = tracer.begin(&HeaderMap::new(), &mut SmallRng::seed_from_u64(1));
        let id = RequestId::Own(1);
        let mut record = RequestRecord::begin(id.clone(), ([127, 0, 0, 1], 1).into(), 0, Now::look());
        let (parts, ()) =
            http::Request::get(format!("/{}", "a".repeat(LONGEST))).body(()).unwrap().into_parts();
        record.asked([127, 0, 0, 1].into(), &id, "h", &parts, None);
        let entry = LogEntry {
            record: &record,
            connection: &SOME_CONNECTION,
            id: "1",
            trace: None,
            duration_ms: 1.0,
        };
        (0..FULL * 3 + 1).for_each(|_| tracer.end(&span, &entry));
        let dropped = tracer.dropped.clone();
        assert_eq!(
            (dropped.load(Relaxed), receiver.try_recv().unwrap()[0].path.chars().count()),
            (2 * FULL as u64, LONGEST)
        );
        drop(tracer);
        assert_eq!((dropped.load(Relaxed), receiver.try_recv().unwrap().len()), (2 * FULL as u64, 1));
    }
}
