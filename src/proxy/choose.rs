//! The way to a decision: parallel first requests agree, first checks are waited for, and the session is
//! entered.

use super::client::Client;
use super::context::RequestContext;
use super::refused::Refused;
use super::resolve::Bypass;
use super::retry::RetryState;
use super::session::{self, Clash, ConnectionSession, OpenSession};
use crate::affinity::{FoundPin, PinLookup, bypass, visitor};
use crate::base::clock;
use crate::table::decide::{self, Decision, Refusal, Verdict};
use crate::table::{Cluster, Node};
use crate::telemetry::recent::Manner;
use crate::telemetry::termination::Termination;
use http::{HeaderMap, StatusCode};
use rand::RngCore;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long a request waits for the first check of a node that was never checked.
const FIRST_CHECK: Duration = Duration::from_secs(1);

/// The node that was chosen, and the session's entry in the ledger.
pub(super) struct Chosen {
    pub(super) verdict: Verdict,
    pub(super) session: OpenSession,
}

impl Chosen {
    /// A bypass leads there, past everything else.
    pub(super) fn forced(node: &Arc<Node>) -> Self {
        Self { verdict: Verdict::forced(node), session: OpenSession::none() }
    }

    /// Whether this answer shows that the session was over before the request came.
    pub(super) fn is_over(&self, context: &RequestContext<'_>, answer: &HeaderMap) -> bool {
        session::is_over(
            context.to.cluster,
            &self.session,
            &self.verdict,
            &context.head.parts,
            answer,
            context.open.now,
        )
    }
}

/// The node that a bypass leads to. No node is to see the bypass, and one that is not good counts for
/// nothing.
pub(super) fn bypassed<'t>(context: &mut RequestContext<'t>) -> Option<&'t Arc<Node>> {
    let node = match context.to.bypass {
        Bypass::Absent => return None,
        Bypass::To(node) => Some(node),
        Bypass::Refused => {
            context.open.record.note = "bypass-refused".into();
            context.to.cluster.live.bypass_refused.fetch_add(1, Relaxed);
            None
        }
    };
    bypass::hide(&mut context.head.parts.headers);
    node
}

/// A request without a pin: what makes parallel ones of the same client go to one node.
pub(super) struct FirstRequest {
    identity: u64,
    /// The session it will have if it begins one.
    pub(super) session: u64,
    hint: Option<u32>,
    /// The session is that of an earlier one on this connection.
    joined: bool,
    applies: bool,
}

impl FirstRequest {
    pub(super) fn of(context: &RequestContext<'_>) -> Self {
        let RequestContext { client, to, head, .. } = context;
        let (cluster, reading) = (to.cluster, &to.reading);
        let fresh = client.worker.rng.borrow_mut().next_u64();
        let applies = matches!(reading.found, FoundPin::Absent) && !cluster.affinity.is_none();
        if !applies {
            return Self { identity: 0, session: fresh, hint: None, joined: false, applies };
        }
        let identity = visitor(head.client, head.is_hearsay(), &head.parts.headers);
        let mut first = Self { identity, session: fresh, hint: None, joined: false, applies };
        first.look(client, cluster);
        first
    }

    /// One that has nothing to do with those before it.
    pub(super) fn alone(client: &Client) -> Self {
        Self {
            identity: 0,
            session: client.worker.rng.borrow_mut().next_u64(),
            hint: None,
            joined: false,
            applies: false,
        }
    }

    /// Its answer is about to be sent.
    pub(super) fn answered(&self, client: &Client, cluster: &Cluster) {
        if self.applies {
            client.answered(&cluster.name, self.identity);
        }
    }

    /// Looks where another one of them went, if one has gone.
    fn look(&mut self, client: &Client, cluster: &Cluster) {
        if let Some((slot, session)) = client.burst(&cluster.name, self.identity).filter(|_| self.applies) {
            (self.hint, self.session, self.joined) = (Some(slot), session, true);
        }
    }

    /// The visitor that it looks like, if that is all that tells its session from others.
    fn visitor(cluster: &Cluster, reading: &PinLookup<'_>) -> Option<u64> {
        reading.session.filter(|_| !cluster.affinity.identifies() && !cluster.affinity.is_none())
    }
}

/// Decides, waits for first checks, and enters the session into the ledger.
pub(super) async fn choose(
    context: &mut RequestContext<'_>,
    first: &mut FirstRequest,
    tries: &mut RetryState,
) -> Result<Chosen, Refused> {
    let (client, cluster, reading, open) =
        (context.client, context.to.cluster, &context.to.reading, &mut *context.open);
    let alike = FirstRequest::visitor(cluster, reading);
    let mut hint = first.hint;
    let (mut first_check, mut learned) = (None, None);
    loop {
        let facts = decide::DecisionInput {
            tried: tries.tried(),
            hint,
            waited: tries.waited,
            now: open.now,
            dry: false,
        };
        let decision = decide::decide(cluster, reading, &facts, &mut *client.worker.rng.borrow_mut());
        match decision {
            Decision::Serve(verdict) => {
                let slot = verdict.node.live.slot;
                let met = match first.joined && hint == Some(slot) {
                    true => Some(first.session),
                    false => alike
                        .filter(|_| verdict.honoured)
                        .and_then(|visitor| client.recent_placement(&cluster.name, visitor, slot)),
                };
                let caller = ConnectionSession {
                    fresh: first.session,
                    met,
                    connection: client.direct.at.port().into(),
                };
                let session =
                    match session::enter(cluster, reading, &verdict, &caller, tries.tried(), open.now) {
                        Ok(session) => session,
                        Err(Clash::Elsewhere(slot)) => {
                            hint = Some(slot);
                            continue;
                        }
                        Err(Clash::Full) => {
                            tries.full(verdict.node.live.slot);
                            continue;
                        }
                    };
                if session.took_place {
                    open.record.note = "took-place".into();
                    open.record.decision.manner = Manner::TookPlace;
                } else if met.is_some() && first.joined {
                    open.record.decision.manner = Manner::Together;
                }
                if let Some(visitor) = alike.filter(|_| verdict.honoured) {
                    client.remember_placement(&cluster.name, visitor, slot, session.id);
                }
                if first.applies && first.hint.is_none() {
                    client.remember(&cluster.name, first.identity, slot, session.id);
                }
                return Ok(Chosen { verdict, session });
            }
            Decision::Wait => {
                let deadline = *first_check.get_or_insert_with(|| clock::timer_instant() + FIRST_CHECK);
                if let Some(learned) = learned.take() {
                    let in_time = tokio::time::timeout_at(deadline, learned).await.is_ok();
                    tries.waited = !in_time || clock::timer_instant() >= deadline;
                    open.look();
                    // all that waited here are let go at once
                    first.look(client, cluster);
                    hint = first.hint;
                }
                // what is learned while the next decision is made is not missed
                learned = Some(cluster.live.next_learned());
            }
            Decision::Refuse(refusal) => {
                open.record.decision.refused(refusal);
                return Err(refused(cluster, refusal));
            }
        }
    }
}

/// What a client is told whom nobody serves.
fn refused(cluster: &Cluster, refusal: Refusal) -> Refused {
    let (message, note) = match refusal {
        Refusal::Disabled => {
            ("This application is switched off at the moment. Please try again later.", "disabled")
        }
        Refusal::Strict => ("Your session's server is not there at the moment. Please try again.", "strict"),
        Refusal::Full => ("Every server has all the sessions it may have. Please try again.", "full"),
        Refusal::NoNode => ("No server is there at the moment. Please try again.", "no-node"),
    };
    unavailable(cluster, message, note)
}

pub(super) fn unavailable(cluster: &Cluster, message: &'static str, note: &'static str) -> Refused {
    let mut refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE, message)
        .note(note)
        .ended(Termination::ServerConnect)
        .retry_after(5);
    refused.page = cluster.error_page.clone();
    refused
}
