//! Takes finished spans from the workers and sends them in batches, from the thread that called `start`. A
//! collector that is away costs spans, never requests.

use super::collector::{Collector, Failed};
use super::error::CollectorError;
use super::finished::FinishedSpan;
use super::{SpanTotals, otlp};
use crate::base::clock;
use crate::base::log_throttle::LogThrottle;
use crate::config::model;
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// Workers' shares on their way at one time, of 64 spans at most: this bounds the memory.
const QUEUE: usize = 128;
/// Spans that are sent at one time, or a share more.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// The pauses between tries to send a batch; behind the last it is lost.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// How long the end waits for the collector.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where all workers' spans go.
#[derive(Debug)]
pub struct Traces {
    sample: f64,
    queue: Mutex<Option<mpsc::Sender<Vec<FinishedSpan>>>>,
    task: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<ExportState>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct ExportState {
    exported: AtomicU64,
    failed: AtomicU64,
    closing: Notify,
}

impl Traces {
    /// Starts the task that sends them, if they are asked for.
    pub fn start(conf: Option<&model::Traces>) -> Result<Option<Arc<Self>>, CollectorError> {
        let Some(conf) = conf else { return Ok(None) };
        let collector = Collector::new(&conf.to)?;
        let (queue, spans) = mpsc::channel(QUEUE);
        let shared = Arc::new(ExportState::default());
        let export = Export {
            collector,
            service: conf.service.clone(),
            spans,
            shared: shared.clone(),
            seldom: LogThrottle::default(),
        };
        let task = tokio::task::spawn_local(export.run());
        Ok(Some(Arc::new(Self {
            sample: conf.sample,
            queue: Mutex::new(Some(queue)),
            task: Mutex::new(Some(task)),
            shared,
            dropped: Arc::default(),
        })))
    }

    /// The share of new traces that is kept.
    pub(super) fn sample(&self) -> f64 {
        self.sample
    }

    /// Where a worker hands over its spans.
    pub(super) fn queue(&self) -> Option<mpsc::Sender<Vec<FinishedSpan>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where a worker counts the spans that the queue did not take.
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        self.dropped.clone()
    }

    /// What became of spans.
    pub fn totals(&self) -> SpanTotals {
        let of = |count: &AtomicU64| count.load(Relaxed);
        SpanTotals {
            exported: of(&self.shared.exported),
            dropped: of(&self.dropped),
            failed: of(&self.shared.failed),
        }
    }

    /// Sends what is on its way, once. The workers have ended before.
    pub async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.shared.closing.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // whatever could not be sent by now is lost with the process
            let _ = tokio::time::timeout(PATIENCE, task).await;
        }
    }
}

struct Export {
    collector: Collector,
    service: String,
    spans: mpsc::Receiver<Vec<FinishedSpan>>,
    shared: Arc<ExportState>,
    seldom: LogThrottle,
}

impl Export {
    async fn run(mut self) {
        while let Some(first) = self.spans.recv().await {
            let batch = self.gather(first).await;
            let count = batch.len() as u64;
            let sent = self.send(otlp::encode(&self.service, batch).into()).await;
            (if sent { &self.shared.exported } else { &self.shared.failed }).fetch_add(count, Relaxed);
        }
    }

    /// What comes within a while.
    async fn gather(&mut self, first: Vec<FinishedSpan>) -> Vec<FinishedSpan> {
        let (mut batch, late) = (first, clock::timer_instant() + GATHER);
        while batch.len() < BATCH
            && let Ok(Some(more)) = tokio::time::timeout_at(late, self.spans.recv()).await
        {
            batch.extend(more);
        }
        batch
    }

    /// Whether the collector took it, at last.
    async fn send(&self, batch: Bytes) -> bool {
        let mut pauses = PAUSES.into_iter();
        loop {
            let failed = match self.collector.post(batch.clone()).await {
                Ok(()) => return true,
                Err(failed) => failed,
            };
            self.log_failure(&failed);
            let Some(pause) = pauses.next().filter(|_| failed.may_pass() && !self.spans.is_closed()) else {
                return false;
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.closing.notified() => {}
            }
        }
    }

    fn log_failure(&self, failed: &Failed) {
        if self.seldom.now().is_some() {
            tracing::warn!(
                "the collector at {} did not take spans: {failed}; see that it runs and takes OTLP over HTTP there, or change server.traces; \
                 requests go on, spans that wait for too long are lost",
                self.collector
            );
        }
    }
}
