//! One request, from head to answer. `serve` and `to_cluster` are the table of contents of this folder.

use super::answer::{AnswerBody, Reply, answer};
use super::choose::{Chosen, FirstRequest, bypassed, choose};
use super::client::Client;
use super::context::RequestContext;
use super::finish::finish;
use super::interim::InterimSink;
use super::open_request::OpenRequest;
use super::outbound::OutboundRequest;
use super::place::place;
use super::refused::Refused;
use super::request_head::Arrival;
use super::resolve::{Resolution, resolve};
use super::retry::{self, RetryState};
use super::upgrade::UpgradeHandoff;
use super::worker::HeldTable;
use super::{hand_off, headers, respond, session};
use crate::affinity::PinSent;
use crate::transport::message_body::MessageBody;
use crate::upstream::loop_marks;
use crate::wire::Malformed;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use std::rc::Rc;

/// Serves one request, all of it by the table that was in force when it came.
pub async fn serve(
    client: Rc<Client>,
    table: HeldTable,
    interims: InterimSink,
    handoff: Option<UpgradeHandoff>,
    request: Request<MessageBody>,
) -> Response<AnswerBody> {
    let listener = client.listener_in(&table);
    let mut open = OpenRequest::begin(&client, listener);
    let served = async {
        let (parts, body) = request.into_parts();
        let (id, now) = (&open.record.decision.id, open.now);
        let (interims, unix) = (interims.of(parts.version), now.unix_secs());
        let (peer, protocol, scheme) = (client.peer(listener).at.ip(), client.protocol, client.scheme());
        let arrival = Arrival { peer, protocol, scheme, id, now };
        let (head, resolution) = resolve(&table, listener, &arrival, parts).map_err(|unclear| {
            open.record.overhear(&unclear.parts);
            unclear.refused
        })?;
        open.resolved(&head, &resolution, listener, table.revision);
        let (to, hand_off) = match resolution {
            Resolution::Cluster(to) => (to, None),
            Resolution::HandOff(to, status) => (to, Some(status)),
            Resolution::Redirect(rule, redirect) => {
                return Ok(respond::redirect(redirect, rule, &head.facts(&client, listener)));
            }
            Resolution::Respond(rule, answer) => {
                return Ok(respond::answer(answer, rule, &head.facts(&client, listener)));
            }
            Resolution::NoRule => {
                return Err(Refused::new(StatusCode::NOT_FOUND, "No rule matches this host and path.")
                    .note("no-rule"));
            }
        };
        let mut context =
            RequestContext { client: &client, listener, to, head, interims, unix, open: &mut open };
        match hand_off {
            Some(status) => hand_off::serve(&mut context, status).await,
            None => to_cluster(&mut context, body, handoff).await,
        }
    }
    .await;
    answer(served, open, client.protocol)
}

/// Answers what is no request, with what is known of its head.
pub fn refuse(client: &Rc<Client>, why: Malformed, head: Option<&Parts>) -> Response<AnswerBody> {
    let table = client.worker.table();
    let mut open = OpenRequest::begin(client, client.listener_in(&table));
    head.into_iter().for_each(|head| open.record.overhear(head));
    answer(Err(Refused::malformed(why)), open, client.protocol)
}

/// Brings a request to a node of its cluster, and the answer back.
async fn to_cluster(
    context: &mut RequestContext<'_>,
    body: MessageBody,
    handoff: Option<UpgradeHandoff>,
) -> Result<Reply, Refused> {
    let cluster = context.to.cluster;
    refuse_circle(context)?;
    context.client.leaves_by_closing.set(cluster.conf.abort_on_close);
    context.open.record.cookie = cluster.affinity.pins_by_cookie().then_some(PinSent::None);
    let forced = bypassed(context);
    let mut first = FirstRequest::of(context);
    let outbound = OutboundRequest::prepare(context, body, handoff).await?;
    let mut tries = RetryState::new(cluster, outbound.is_repeatable());
    loop {
        let chosen = match forced {
            Some(node) => Chosen::forced(node),
            None => choose(context, &mut first, &mut tries).await?,
        };
        tries.begin();
        place(context, &chosen).await?;
        match outbound.send(context, &chosen.verdict, &tries).await {
            Ok(answer) if outbound.is_repeatable() && chosen.is_over(context, answer.response.headers()) => {
                context.to.reading = cluster.affinity.freed(&context.to.reading);
                first = FirstRequest::of(context);
            }
            Ok(answer) => {
                first.answered(context.client, cluster);
                return finish(context, outbound, chosen, answer, tries.count());
            }
            Err(error) => {
                session::abandon(cluster, &chosen.session, chosen.verdict.node.live.slot, context.open.now);
                if !tries.again(
                    &error,
                    &chosen.verdict,
                    &chosen.session,
                    cluster,
                    outbound.is_intact(),
                    context.open.now,
                ) {
                    return Err(retry::refused(&error, cluster));
                }
            }
        }
    }
}

fn refuse_circle(context: &RequestContext<'_>) -> Result<(), Refused> {
    let RequestContext { to, head, .. } = context;
    if head.passed.circle(to.rule.index)
        || to.cluster.conf.via && headers::passages(&head.parts.headers) >= loop_marks::MOST
    {
        let message = "The request goes in a circle: a node of the cluster leads back to this proxy.";
        return Err(Refused::new(StatusCode::LOOP_DETECTED, message).note("loop"));
    }
    Ok(())
}
