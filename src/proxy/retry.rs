//! Whether a request that failed may be sent again, and where.

use super::context::RequestContext;
use super::refused::Refused;
use super::session::OpenSession;
use crate::base::clock::Now;
use crate::table::decide::Verdict;
use crate::table::evidence::FailureKind;
use crate::table::{Cluster, Node};
use crate::telemetry::termination::Termination;
use crate::upstream::client_network::ClientNetwork;
use crate::upstream::failure::{ExchangeFailure, SendError};
use crate::upstream::limits::{ConnectionUse, ExchangeLimits};
use crate::wire::protocol::ClientProtocol;
use http::{Method, StatusCode};

/// Methods that may be repeated without harm (RFC 9110 section 9.2.2).
pub fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// The tries of one request.
pub struct RetryState {
    tried: Vec<u32>,
    /// The wait for first checks is over.
    pub waited: bool,
    repeatable: bool,
    left: u8,
    count: u8,
    /// Nodes that refused a connection, once for each time: the balance may take turns among them.
    refused: Vec<u32>,
    /// Lost races with nodes that closed a kept connection: they cost no try, but end somewhere.
    races: u8,
    fresh: bool,
    /// The node that wants it over HTTP/1.1.
    http1: Option<u32>,
}

/// Tries at one node before another is asked: a node that just refused may be restarting its listener, and
/// leaving it costs the session.
const TRIES_PER_NODE: usize = 2;

/// Races absorbed for one request; from then on it gets a connection of its own.
const MOST_RACES: u8 = 3;

impl RetryState {
    /// None yet.
    pub fn new(cluster: &Cluster, repeatable: bool) -> Self {
        Self {
            tried: Vec::new(),
            waited: false,
            repeatable,
            left: cluster.conf.retries,
            count: 0,
            refused: Vec::new(),
            races: 0,
            fresh: false,
            http1: None,
        }
    }
    /// Nodes given up on.
    pub fn tried(&self) -> &[u32] {
        &self.tried
    }
    /// Tries after the first.
    pub fn count(&self) -> u8 {
        self.count.saturating_sub(1)
    }
    /// The next try begins.
    pub fn begin(&mut self) {
        self.count = self.count.saturating_add(1);
    }
    /// The node has no room for a new session.
    pub fn full(&mut self, slot: u32) {
        self.tried.push(slot);
    }

    /// What the next try may cost.
    pub(super) fn limits<'a>(
        &self,
        context: &RequestContext<'a>,
        node: &'a Node,
        switching: bool,
    ) -> ExchangeLimits<'a> {
        let (client, conf) = (context.client, &context.to.cluster.conf);
        ExchangeLimits {
            now: context.open.now,
            // streams of HTTP/2 are tasks of their own, which the connection's timer cannot wake
            alarm: (client.protocol == ClientProtocol::Http1).then_some(&client.timers.alarm),
            connect: conf.timeouts.connect.get(),
            response: conf.timeouts.response.get(),
            max_idle: conf.pool.max_idle,
            over: match () {
                () if switching => ConnectionUse::Switching,
                () if self.http1 == Some(node.live.slot) => ConnectionUse::Http1,
                () if self.fresh => ConnectionUse::New,
                () if self.repeatable => ConnectionUse::Any,
                () => ConnectionUse::Sure,
            },
            connections: conf.pool.http2_connections,
            queue: conf.queue_timeout.get(),
            waiting: &node.live.waiting,
            client: ClientNetwork::of(context.head.client),
            keep: conf.retry_body.0,
        }
    }

    /// Whether to try again after this failure. `intact`: the request can still be sent in full.
    pub fn again(
        &mut self,
        error: &SendError,
        verdict: &Verdict,
        session: &OpenSession,
        cluster: &Cluster,
        intact: bool,
        now: Now,
    ) -> bool {
        let unseen = error.kind.is_before_sending();
        if !error.race && error.kind.is_of_node() {
            cluster.live.failed(&verdict.node.live, unseen);
        }
        if let Some(met) = FailureKind::of(error.kind).filter(|_| !error.race) {
            judge(cluster, &verdict.node, met, &error.detail(), now);
        }
        let may = intact && (unseen || self.repeatable);
        if !may || error.kind.is_final() {
            return false;
        }
        if error.kind == ExchangeFailure::WantsHttp1 {
            return self.http1.replace(verdict.node.live.slot) != Some(verdict.node.live.slot);
        }
        let others = cluster.nodes().count() > self.tried.len() + 1;
        let stays = session.is_at_home(verdict);
        if error.kind == ExchangeFailure::Full {
            // who is pinned has waited for as long as may be; who is new may go where there is room
            self.tried.push(verdict.node.live.slot);
            return others && !stays;
        }
        if error.race && self.races < MOST_RACES {
            self.races += 1;
            self.fresh = self.races == MOST_RACES;
            return true;
        }
        self.fresh = true;
        // short of nobody listening it says little where others are answered, and a session that is on its
        // node is not moved for it
        let node = &verdict.node;
        let waits = error.kind != ExchangeFailure::Connect
            && stays
            && cluster.keeps(node, now)
            && cluster.outweighs_waits(node, now);
        let leaves = match error.kind {
            ExchangeFailure::Connect | ExchangeFailure::Unreached => !waits,
            ExchangeFailure::Unsent | ExchangeFailure::Declined => !waits && others,
            _ => false,
        };
        if leaves {
            // nobody has seen the request, so it costs no retry: another node is asked, as often as there are
            // others
            let slot = verdict.node.live.slot;
            self.refused.push(slot);
            if self.refused.iter().filter(|refused| **refused == slot).count() >= TRIES_PER_NODE {
                self.tried.push(slot);
            }
            return self.tried.len() <= cluster.roster.nodes.len();
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        // a node that takes a pinned request and breaks off is alive: its session stays, only what is new
        // goes elsewhere
        if error.kind == ExchangeFailure::NoAnswer && !stays && others {
            self.tried.push(verdict.node.live.slot);
        }
        true
    }
}

/// Whether the node is to be set aside for what a request met there.
fn judge(cluster: &Cluster, node: &Node, met: FailureKind, detail: &str, now: Now) {
    let (passive, witness) = (&cluster.conf.passive, cluster.witness(node, now));
    if met == FailureKind::Late && !witness.answers {
        node.live.evidence.waited(
            cluster.conf.timeouts.response.get().as_millis() as u64,
            passive.failures,
            now,
        );
    }
    if !node.live.evidence.failed(met, witness, passive.failures, passive.eject.get().as_millis() as u64, now)
    {
        return;
    }
    let kept = cluster.kept(node, now).map(|kept| format!("; {kept}: {}", node.keeps())).unwrap_or_default();
    tracing::warn!(
        "cluster {} node {} is set aside after {} failures: {detail}{kept}",
        cluster.name,
        node.spec.name,
        passive.failures
    );
    cluster.live.rescore(node.live.slot, now);
}

/// The answer for a failure that could not be mended.
pub fn refused(error: &SendError, cluster: &Cluster) -> Refused {
    let (status, message, ended) = match error.kind {
        ExchangeFailure::Connect | ExchangeFailure::Unreached | ExchangeFailure::Declined => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The server cannot be reached. Please try again.",
            Termination::ServerConnect,
        ),
        ExchangeFailure::Full => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Every place at the server is taken. Please try again.",
            Termination::QueueTimeout,
        ),
        ExchangeFailure::Unsent | ExchangeFailure::NoAnswer | ExchangeFailure::WantsHttp1 => {
            (StatusCode::BAD_GATEWAY, "The server broke off without an answer.", Termination::ServerHeaders)
        }
        ExchangeFailure::Unswitched => (
            StatusCode::BAD_GATEWAY,
            "The server does not switch protocols here.",
            Termination::ServerHeaders,
        ),
        ExchangeFailure::BadAnswer => {
            (StatusCode::BAD_GATEWAY, "The server's answer could not be understood.", Termination::BadAnswer)
        }
        ExchangeFailure::Timeout => (
            StatusCode::GATEWAY_TIMEOUT,
            "The server did not answer in time.",
            Termination::ServerHeadersTimeout,
        ),
        ExchangeFailure::Client => {
            (StatusCode::BAD_REQUEST, "The request's body broke off.", Termination::ClientRequest)
        }
        ExchangeFailure::Stalled => (
            StatusCode::REQUEST_TIMEOUT,
            "The rest of the request's body did not come in time.",
            Termination::ClientRequestTimeout,
        ),
    };
    let mut refused = Refused::new(status, message).note(error.detail()).ended(ended);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        refused.page = cluster.error_page.clone();
        refused.retry_after = Some(5);
    }
    refused
}
