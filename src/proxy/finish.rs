//! An answer on its way back: hop-by-hop headers go, the pin is written, the session settled, the rule's
//! headers set.

use super::answer::Reply;
use super::choose::Chosen;
use super::context::RequestContext;
use super::outbound::OutboundRequest;
use super::refused::Refused;
use super::rewrite::{self, RewriteSides};
use super::{headers, session, upgrade};
use crate::affinity;
use crate::config::address::Scheme;
use crate::table::Node;
use crate::table::decide::Why;
use crate::upstream::answer::NodeAnswer;
use http::{StatusCode, header};

/// Makes of a node's answer what the client is given. `retries`: tries after the first.
pub(super) fn finish(
    context: &mut RequestContext<'_>,
    outbound: OutboundRequest,
    chosen: Chosen,
    answer: NodeAnswer,
    retries: u8,
) -> Result<Reply, Refused> {
    let (cluster, rule) = (context.to.cluster, context.to.rule);
    let Chosen { verdict, session } = chosen;
    let NodeAnswer { mut response, lease, queued, connect_ms, .. } = answer;
    if let Some(queued) = queued {
        context.open.record.queue_ms += queued.as_secs_f64() * 1000.0;
    }
    let elapsed_ms = context.open.elapsed_ms();
    context.open.record.answered(connect_ms, elapsed_ms, retries);
    let marks = affinity::PinResponse {
        method: &context.head.parts.method,
        secure: context.head.scheme == "https",
        now: context.unix,
        slot: verdict.node.live.slot,
        boot: verdict.node.live.report.boot(),
        honoured: verdict.honoured,
        stamp: context.to.reading.stamp,
        session: session.id,
        status: response.status(),
    };
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let protocol = if switching { response.headers().get(header::UPGRADE).cloned() } else { None };
    headers::strip_hop_by_hop(response.headers_mut());
    response.headers_mut().remove(header::TE);
    if cluster.conf.rewrite_responses {
        rewrite::responses(response.headers_mut(), &sides(context, &verdict.node));
    }
    let outcome = match verdict.why {
        Why::Forced => cluster.affinity.pass_by(response.headers_mut()),
        _ => cluster.affinity.finish(&marks, response.headers_mut()),
    };
    context.open.carry_on(session::conclude(
        cluster,
        &session,
        verdict.node.live.slot,
        &outcome,
        context.open.now,
    ));
    context.open.record.cookie = context.open.record.cookie.map(|_| outcome.cookie);
    if !rule.response_headers.is_empty() {
        rule.response_headers.apply(response.headers_mut(), &context.facts_at(&verdict.node));
    }
    context.open.show_why(response.headers_mut());
    *response.version_mut() = context.client.protocol.version();
    if switching {
        return upgrade::switch(context, outbound.into_upgrade(), protocol.as_ref(), response, lease);
    }
    context.open.lease = Some(lease);
    Ok(Reply::Node(response, cluster.conf.timeouts.response.get()))
}

/// The node's side and the client's, as the answer may name them.
fn sides<'a>(context: &'a RequestContext<'_>, node: &'a Node) -> RewriteSides<'a> {
    let (head, url) = (&context.head, &node.link.url);
    RewriteSides {
        node_scheme: if url.scheme == Scheme::Https { "https" } else { "http" },
        node_host: &url.host,
        node_port: url.port,
        scheme: head.scheme,
        host: head.parts.headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or(&head.host),
        swap: context.to.rule.swap.as_ref().filter(|swap| swap.applies(head.uri.path())),
    }
}
