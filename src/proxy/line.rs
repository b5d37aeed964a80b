//! What is gathered for a request's log line while it is under way.

use super::access_log::Record;
use super::client::Client;
use super::recent::Decided;
use super::request_head::RequestHead;
use super::resolve::{Destination, Resolution};
use super::traces::Span;
use crate::affinity::{Gist, PinSent};
use crate::base::clock::Now;
use crate::config::model::LogFormat;
use crate::table::decide::{Refusal, Verdict, Why};
use crate::table::traffic::Ended;
use crate::table::{Cluster, ClusterLive, State};
use crate::wire::request_id::{RequestId, trace_of};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The header that tells why, for those who are told.
pub const WHY: HeaderName = HeaderName::from_static("homing-why");
/// The header that names the trace a request belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What is gathered for a request's log line. Cheap to make: names are shared, nothing is formatted before the end.
pub struct Line {
    time: u64,
    client: IpAddr,
    client_port: u16,
    head: Option<Head>,
    /// Its id.
    pub id: RequestId,
    /// Status; 0 until there is one.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// The cluster it went to.
    pub cluster: Option<Arc<ClusterLive>>,
    node: Option<Arc<str>>,
    was: Option<Arc<str>>,
    /// Why that node.
    pub why: Why,
    /// What else is worth knowing.
    pub note: Cow<'static, str>,
    /// Time spent waiting for a place at the node.
    pub queue_ms: f64,
    connect_ms: Option<f64>,
    response_ms: Option<f64>,
    retries: u8,
    /// It was tried on more than one node.
    redispatched: bool,
    /// Requests that waited for the node before this one.
    pub behind: u32,
    /// How it ended, as HAProxy abbreviates it.
    pub ended: [u8; 2],
    /// What became of the pin cookie in the answer; `None` for a cluster without one.
    pub cookie: Option<PinSent>,
    /// The answer tells why.
    pub shows_why: bool,
    revision: u64,
    rule: Option<u32>,
    gist: Gist,
    unclaimed: Option<Box<str>>,
    slot: Option<u32>,
    left: Option<(u32, Option<State>)>,
    refusal: Option<Refusal>,
    span: Option<Span>,
}

struct Head {
    method: Method,
    uri: Uri,
    host: String,
    version: Version,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
}

impl Head {
    fn of(parts: &Parts, host: String) -> Self {
        Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            host,
            version: parts.version,
            user_agent: parts.headers.get(header::USER_AGENT).cloned(),
            referer: parts.headers.get(header::REFERER).cloned(),
            traceparent: parts.headers.get(TRACEPARENT).cloned(),
        }
    }
}

impl Line {
    /// A request begins.
    pub fn begin(client: &Client, peer: SocketAddr, now: Now) -> Self {
        Self {
            time: now.unix_ms(),
            client: peer.ip(),
            client_port: peer.port(),
            head: None,
            id: client.worker.request_id(),
            status: 0,
            bytes: 0,
            cluster: None,
            node: None,
            was: None,
            why: Why::None,
            note: Cow::Borrowed(""),
            queue_ms: 0.0,
            connect_ms: None,
            response_ms: None,
            retries: 0,
            redispatched: false,
            behind: 0,
            ended: *b"--",
            cookie: None,
            shows_why: false,
            revision: 0,
            rule: None,
            gist: Gist::default(),
            unclaimed: None,
            slot: None,
            left: None,
            refusal: None,
            span: None,
        }
    }

    /// Whether a node was chosen.
    pub fn has_node(&self) -> bool {
        self.node.is_some()
    }

    /// It is known what is asked for, by whom, and what becomes of it by this table.
    pub fn resolved(&mut self, asked: &RequestHead, resolution: &Resolution<'_>, revision: u64, client: &Client) {
        self.ask(asked, client);
        if let Some(rule) = resolution.rule() {
            (self.revision, self.rule) = (revision, Some(rule.index as u32));
        }
        if let Resolution::Cluster(to) | Resolution::HandOff(to, _) = resolution {
            self.leads_to(to);
        }
    }

    fn ask(&mut self, asked: &RequestHead, client: &Client) {
        let parts = &asked.parts;
        let worker = &client.worker;
        self.span = worker.tracer.as_ref().map(|tracer| tracer.begin(&parts.headers, &mut worker.rng.borrow_mut()));
        self.client = asked.client;
        self.id = asked.id.clone();
        self.head = Some(Head::of(parts, asked.host.clone()));
    }

    /// What is known of a request that cannot be understood.
    pub fn overhear(&mut self, parts: &Parts) {
        let told = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // no user and no password
        let told = told.and_then(|host| host.rsplit('@').next());
        let host = parts.uri.authority().map(Authority::host).or(told).unwrap_or_default();
        self.head = Some(Head::of(parts, host.to_owned()));
    }

    /// What is sent to the node names its place in the trace, where requests are traced.
    pub fn tell_trace(&self, headers: &mut HeaderMap) {
        if let Some(span) = &self.span {
            span.tell(headers);
        }
    }

    fn leads_to(&mut self, to: &Destination<'_>) {
        self.cluster = Some(to.cluster.live.clone());
        self.gist = to.reading.gist();
        self.unclaimed.clone_from(&to.unclaimed);
        if let Some(text) = to.unclaimed.as_ref().filter(|text| to.cluster.live.warned.is_first(text)) {
            let source = to.cluster.affinity.source(&self.gist).unwrap_or_default();
            tracing::warn!(
                "cluster {}: {source} says \"{text}\", which names no node: such sessions are placed anew; if one is meant, give it route = \"{text}\"",
                to.cluster.name
            );
        }
    }

    /// A node was chosen.
    pub fn chosen(&mut self, cluster: &Cluster, verdict: &Verdict, now: Now) {
        let node = &verdict.node.spec.name;
        self.redispatched |= self.node.as_ref().is_some_and(|before| before != node);
        (self.node, self.slot) = (Some(node.clone()), Some(verdict.node.live.slot));
        // of a request that is moved again and again, the node it came from counts, not those it only knocked at
        if self.left.is_none() {
            self.why = verdict.why;
            self.was = verdict.was.and_then(|slot| cluster.roster.lives.get(slot as usize)).map(|live| live.name.clone());
            self.left = verdict.was.map(|slot| (slot, cluster.node(slot).map(|node| node.state(now))));
        }
    }

    /// Nobody serves it.
    pub fn refused(&mut self, refusal: Refusal) {
        (self.why, self.refusal) = (Why::None, Some(refusal));
    }

    /// What the answer tells, if it is to tell.
    pub fn why_shown(&self) -> Option<HeaderValue> {
        let told = || {
            let was = self.was.as_ref().map_or_else(String::new, |was| format!("; was={was}"));
            format!("{}; why={}{was}; id={}", self.node.as_deref().unwrap_or("-"), self.why.word(), self.id)
        };
        HeaderValue::try_from(self.shows_why.then(told)?).ok()
    }

    /// Tells in the answer, if it is to tell.
    pub fn show_why(&self, headers: &mut HeaderMap) {
        if let Some(why) = self.why_shown() {
            headers.insert(WHY, why);
        }
    }

    /// The head of the answer came.
    pub fn answered(&mut self, connect_ms: f64, at_ms: f64, retries: u8) {
        self.connect_ms = Some(connect_ms);
        self.response_ms = Some((at_ms - self.queue_ms - connect_ms).max(0.0));
        self.retries = retries;
    }

    /// The request ends: it is counted, its line is written and its span handed over.
    pub fn end(&self, client: &Client, took: Duration, tunnel: bool) {
        let traffic = self.cluster.as_ref().map_or(&*client.worker.traffic, |cluster| &cluster.traffic);
        let took_if_counted = (!tunnel).then_some(took);
        traffic.ended(&Ended { status: self.status, why: self.why, bytes: self.bytes, retries: self.retries, took: took_if_counted });
        client.worker.recent.borrow_mut().note(self.decided(client));
        self.log(client, took.as_secs_f64() * 1000.0);
    }

    fn decided(&self, client: &Client) -> Decided {
        Decided {
            id: self.id.clone(),
            at: self.time,
            client: self.client,
            listener: client.listener as u32,
            revision: self.revision,
            rule: self.rule,
            cluster: self.cluster.as_ref().map(|cluster| cluster.id),
            node: self.slot,
            was: self.left,
            why: self.why,
            gist: self.gist,
            unclaimed: self.unclaimed.clone(),
            refused: self.refusal,
            status: self.status,
            retries: self.retries,
        }
    }

    fn log(&self, client: &Client, duration_ms: f64) {
        let log = &client.worker.log;
        let kept = self.span.as_ref().filter(|span| span.is_sampled());
        if !log.on() && kept.is_none() {
            return;
        }
        let (mut id, mut trace) = ([0; 16], [0; 32]);
        let mut record = Record {
            time: self.time,
            client: self.client,
            client_port: self.client_port,
            status: self.status,
            bytes: self.bytes,
            duration_ms,
            cluster: self.cluster.as_ref().map(|cluster| &*cluster.name),
            node: self.node.as_deref(),
            was: self.was.as_deref(),
            why: self.why.word(),
            id: self.id.text(&mut id),
            listener: &client.opened.name,
            tls: client.tls.is_some(),
            queue_ms: self.node.is_some().then_some(self.queue_ms),
            connect_ms: self.connect_ms,
            response_ms: self.response_ms,
            retries: self.retries.into(),
            redispatched: self.redispatched,
            queued: [self.behind, 0],
            ended: self.ended,
            cookie: self.cookie,
            note: Some(&*self.note).filter(|n| !n.is_empty()),
            ..Record::default()
        };
        if log.format() == LogFormat::Httplog {
            record.connections = self.connections(client);
        }
        if let Some(head) = &self.head {
            record.method = head.method.as_str();
            record.host = &head.host;
            record.path = head.uri.path_and_query().map_or("*", |p| p.as_str());
            record.version = match head.version {
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2.0",
                _ => "HTTP/1.1",
            };
            record.user_agent = head.user_agent.as_ref().map(HeaderValue::as_bytes);
            record.referer = head.referer.as_ref().map(HeaderValue::as_bytes);
            record.trace = head.traceparent.as_ref().and_then(trace_of);
        }
        if let Some(span) = &self.span {
            record.trace = Some(span.trace(&mut trace));
        }
        log.push(&record);
        if let (Some(span), Some(tracer)) = (kept, &client.worker.tracer) {
            tracer.end(span, &record, self.rule);
        }
    }

    /// Client connections of the process and of the listener, requests at the cluster and at the node.
    fn connections(&self, client: &Client) -> [u32; 4] {
        let all = client.worker.table().listeners.iter().flatten().map(|listener| listener.connections.load(Relaxed)).sum();
        let (mut cluster, mut node) = (0, 0);
        if let Some(live) = &self.cluster {
            cluster = live.traffic.in_flight();
            let roster = live.roster.load();
            node = self.slot.and_then(|slot| roster.lives.get(slot as usize)).map_or(0, |live| live.in_flight());
        }
        [all, client.opened.connections.load(Relaxed), cluster, node]
    }
}
