//! What is written down of requests: a record for each while it is under way, and from it the access log, the
//! latest decisions, spans and counts. It takes plain facts and knows nothing of how a request is served.

pub mod destination;
pub mod log_fields;
pub mod log_format;
mod log_text;
pub mod log_writer;
pub mod recent;
pub mod record;
pub mod termination;
pub mod traces;
pub mod visitors;

use crate::table::Traffic;
use crate::table::traffic::EndedRequest;
use crate::wire::request_id::{hex, trace_of};
use http::HeaderMap;
use log_fields::{ConnectionFacts, LogEntry};
use log_writer::LogBuffer;
use rand::rngs::SmallRng;
use recent::RecentDecisions;
use record::RequestRecord;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use traces::{Span, Tracer};
use visitors::{SessionVisitor, Visitors};

/// What one data-plane thread writes down. Nothing here is locked, and nothing waits.
pub struct Telemetry {
    /// Access-log lines not yet handed to the writer.
    log: LogBuffer,
    /// Makes spans, where requests are traced.
    tracer: Option<Tracer>,
    /// The latest requests, and why they went where they went.
    recent: RefCell<RecentDecisions>,
    /// Who was seen last in which session.
    visitors: RefCell<Visitors>,
    /// Something is to be handed over.
    news: Cell<bool>,
    noticed: Notify,
    /// What is counted of requests that belong to no cluster, and of connections.
    pub traffic: Arc<Traffic>,
}

impl Telemetry {
    /// A thread's.
    pub fn new(log: LogBuffer, tracer: Option<Tracer>, traffic: Arc<Traffic>) -> Self {
        Self {
            log,
            tracer,
            recent: RefCell::default(),
            visitors: RefCell::default(),
            news: Cell::new(false),
            noticed: Notify::new(),
            traffic,
        }
    }

    /// Lines go to the newest log from here on.
    pub fn follow(&self) {
        self.log.follow();
    }

    /// The span of a request that begins with this head, where requests are traced.
    pub fn span(&self, headers: &HeaderMap, rng: &RefCell<SmallRng>) -> Option<Span> {
        self.tracer.as_ref().map(|tracer| tracer.begin(headers, &mut rng.borrow_mut()))
    }

    /// Whether lines tell how many connections there are: finding that out costs something.
    pub fn tells_connections(&self) -> bool {
        self.log.tells_connections()
    }

    /// A request ends: it is counted and remembered, its line is written and its span handed over.
    pub fn end(
        &self,
        record: &RequestRecord,
        connection: &ConnectionFacts<'_>,
        took: Duration,
        tunnel: bool,
    ) {
        let traffic = record.cluster.as_ref().map_or(&*self.traffic, |cluster| &cluster.traffic);
        let decision = &record.decision;
        let took_if_counted = (!tunnel).then_some(took);
        traffic.ended(&EndedRequest {
            status: decision.status,
            why: decision.why,
            bytes: record.bytes,
            retries: decision.retries,
            took: took_if_counted,
        });
        if let Some(cluster) = record.cluster.as_ref().filter(|_| decision.session != 0) {
            let agent = record.head.as_ref().and_then(|head| head.user_agent.as_ref());
            let session = (cluster.id, decision.session);
            self.visitors.borrow_mut().note(session, decision.client, agent, decision.at);
        }
        self.recent.borrow_mut().note(decision.clone());
        self.log(record, connection, took);
    }

    fn log(&self, record: &RequestRecord, connection: &ConnectionFacts<'_>, took: Duration) {
        let kept = record.span.as_ref().filter(|span| span.is_sampled());
        if !self.log.on() && kept.is_none() {
            return;
        }
        let (mut id, mut trace) = ([0; 16], [0; 32]);
        let trace = match &record.span {
            Some(span) => Some(span.trace(&mut trace)),
            None => record.head.as_ref().and_then(|head| head.traceparent.as_ref()).and_then(trace_of),
        };
        let (id, duration_ms) = (record.decision.id.text(&mut id), took.as_secs_f64() * 1000.0);
        let mut session = [0; 16];
        let session = record.session().map(|shown| hex(shown.0, &mut session));
        let entry = LogEntry { record, connection, id, session, trace, duration_ms };
        self.log.push(&entry);
        if let (Some(span), Some(tracer)) = (kept, &self.tracer) {
            tracer.end(span, &entry);
        }
        if !self.news.replace(true) {
            self.noticed.notify_one();
        }
    }

    /// Waits until something is to be handed over.
    pub async fn has_news(&self) {
        while !self.news.get() {
            self.noticed.notified().await;
        }
    }

    /// Hands over what is to be told of requests. Never waits.
    pub fn flush(&self) {
        self.news.set(false);
        self.log.flush();
        if let Some(tracer) = &self.tracer {
            tracer.flush();
        }
    }

    /// Who was seen in these sessions of a cluster.
    pub fn visitors(&self, cluster: u32, sessions: &[u64]) -> Vec<SessionVisitor> {
        self.visitors.borrow().find(cluster, sessions)
    }

    /// The latest requests, for whoever asks why.
    pub fn recall(&self) -> RecentDecisions {
        self.recent.borrow().clone()
    }
}
