//! What is gathered of a request while it is under way. Cheap to make: names are shared, nothing is formatted
//! before the end.

use super::recent::RecentDecision;
use super::termination::Termination;
use super::traces::Span;
use crate::affinity::{PinLookup, PinSent};
use crate::base::clock::Now;
use crate::table::decide::Verdict;
use crate::table::session_names::ShownSession;
use crate::table::{Cluster, ClusterLive};
use crate::wire::request_id::RequestId;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The header that names the trace a request belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What is known of a request so far.
pub struct RequestRecord {
    /// What was decided for it.
    pub decision: RecentDecision,
    pub(super) client_port: u16,
    pub(super) head: Option<RecordedHead>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// The cluster it went to.
    pub cluster: Option<Arc<ClusterLive>>,
    pub(super) node: Option<Arc<str>>,
    pub(super) was: Option<Arc<str>>,
    /// What else is worth knowing.
    pub note: Cow<'static, str>,
    /// Time spent waiting for a place at the node.
    pub queue_ms: f64,
    pub(super) connect_ms: Option<f64>,
    pub(super) response_ms: Option<f64>,
    /// It was tried on more than one node.
    pub(super) redispatched: bool,
    /// Requests that waited for the node before this one.
    pub behind: u32,
    /// How it ended.
    pub ended: Termination,
    /// What became of the pin cookie in the answer; `None` for a cluster without one.
    pub cookie: Option<PinSent>,
    /// The answer tells why.
    pub shows_why: bool,
    pub(super) span: Option<Span>,
}

/// What is kept of a request's head.
pub(super) struct RecordedHead {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) host: String,
    version: Version,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) referer: Option<HeaderValue>,
    pub(super) traceparent: Option<HeaderValue>,
}

impl RecordedHead {
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

    pub(super) fn version(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        }
    }

    pub(super) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("*", |p| p.as_str())
    }
}

impl RequestRecord {
    /// A request begins on a connection of this listener.
    pub fn begin(id: RequestId, peer: SocketAddr, listener: usize, now: Now) -> Self {
        Self {
            decision: RecentDecision::begin(id, now.unix_ms(), peer.ip(), listener as u32),
            client_port: peer.port(),
            head: None,
            bytes: 0,
            cluster: None,
            node: None,
            was: None,
            note: Cow::Borrowed(""),
            queue_ms: 0.0,
            connect_ms: None,
            response_ms: None,
            redispatched: false,
            behind: 0,
            ended: Termination::Complete,
            cookie: None,
            shows_why: false,
            span: None,
        }
    }

    /// Its session, as it is called where it is shown.
    pub fn session(&self) -> Option<ShownSession> {
        let cluster = self.cluster.as_ref().filter(|_| self.decision.session != 0)?;
        Some(cluster.names.shown(self.decision.session))
    }

    /// Whether a node was chosen.
    pub fn has_node(&self) -> bool {
        self.node.is_some()
    }

    /// It is known what is asked for, and by whom.
    pub fn asked(&mut self, client: IpAddr, id: &RequestId, host: &str, parts: &Parts, span: Option<Span>) {
        (self.decision.client, self.decision.id) = (client, id.clone());
        (self.head, self.span) = (Some(RecordedHead::of(parts, host.to_owned())), span);
    }

    /// What is known of a request that cannot be understood.
    pub fn overhear(&mut self, parts: &Parts) {
        let told = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // no user and no password
        let told = told.and_then(|host| host.rsplit('@').next());
        let host = parts.uri.authority().map(Authority::host).or(told).unwrap_or_default();
        self.head = Some(RecordedHead::of(parts, host.to_owned()));
    }

    /// What is sent to the node names its place in the trace, where requests are traced.
    pub fn tell_trace(&self, headers: &mut HeaderMap) {
        if let Some(span) = &self.span {
            span.inject(headers);
        }
    }

    /// It is for this cluster, and says this of its session there.
    pub fn leads_to(&mut self, cluster: &Cluster, reading: &PinLookup<'_>, unclaimed: Option<Box<str>>) {
        self.cluster = Some(cluster.live.clone());
        self.decision.leads_to(cluster, reading, unclaimed);
    }

    /// A node was chosen.
    pub fn chosen(&mut self, cluster: &Cluster, verdict: &Verdict, now: Now) {
        let node = &verdict.node.spec.name;
        self.redispatched |= self.node.as_ref().is_some_and(|before| before != node);
        self.node = Some(node.clone());
        if self.decision.was.is_none() {
            self.was = verdict
                .was
                .and_then(|slot| cluster.roster.lives.get(slot as usize))
                .map(|live| live.name.clone());
        }
        self.decision.chosen(cluster, verdict, now);
    }

    /// What the answer tells, if it is to tell.
    pub fn why_shown(&self) -> Option<HeaderValue> {
        let told = || {
            let was = self.was.as_ref().map_or_else(String::new, |was| format!("; was={was}"));
            let decision = &self.decision;
            format!(
                "{}; why={}{was}; id={}",
                self.node.as_deref().unwrap_or("-"),
                decision.why.word(),
                decision.id
            )
        };
        HeaderValue::try_from(self.shows_why.then(told)?).ok()
    }

    /// The head of the answer came.
    pub fn answered(&mut self, connect_ms: f64, at_ms: f64, retries: u8) {
        self.connect_ms = Some(connect_ms);
        self.response_ms = Some((at_ms - self.queue_ms - connect_ms).max(0.0));
        self.decision.retries = retries;
    }
}
