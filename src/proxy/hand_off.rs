//! Hands a client over: it is told which node is its own, and goes there by itself from then on.

use super::answer::Reply;
use super::choose::{FirstRequest, bypassed, choose};
use super::context::RequestContext;
use super::refused::Refused;
use super::retry::RetryState;
use super::{respond, session};
use crate::table::decide::Verdict;
use http::StatusCode;

/// Chooses a node as for any request, and redirects the client to it.
pub(super) async fn serve(context: &mut RequestContext<'_>, status: StatusCode) -> Result<Reply, Refused> {
    let cluster = context.to.cluster;
    // many such clients look alike, and each begins a session of its own
    let mut first = FirstRequest::alone(context.client);
    let verdict = match bypassed(context) {
        Some(node) => Verdict::forced(node),
        None => {
            let mut tries = RetryState::new(cluster, false);
            let chosen = choose(context, &mut first, &mut tries).await?;
            session::hand_over(cluster, &chosen.verdict, first.session, context.open.now);
            chosen.verdict
        }
    };
    context.open.record.chosen(cluster, &verdict, context.open.now);
    let facts = context.facts_at(&verdict.node);
    Ok(respond::hand_off(status, &verdict.node, &context.head.uri, context.to.rule, &facts))
}
