//! One request, from head to answer. `serve` and `to_cluster` read as the table of contents: what it is, decision, place,
//! node, answer.

use super::answer::{AnswerBody, Reply};
use super::choose::{FirstRequest, bypassed, choose, unavailable};
use super::client::Client;
use super::finish::Done;
use super::headers::{self, Origin};
use super::interim::Interims;
use super::load::Load;
use super::open_request::{OpenRequest, WHY};
use super::refused::Refused;
use super::request_head::{Arrival, RequestHead};
use super::resolve::{Destination, Resolution, resolve};
use super::session::{self, Session};
use super::slot::RequestSlot;
use super::upgrade::{self, Handover};
use super::worker::HeldTable;
use super::{hand_off, respond, retry};
use crate::affinity::PinSent;
use crate::table::decide::Verdict;
use crate::table::route::Rule;
use crate::table::{Cluster, Listener};
use crate::telemetry::termination::Termination;
use crate::transport::content::Content;
use crate::upstream::{passages, send};
use crate::wire::protocol::ClientProtocol;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body;
use std::rc::Rc;

/// Serves one request, all of it by the table that was in force when it came.
pub async fn serve(
    client: Rc<Client>,
    table: HeldTable,
    interims: Interims,
    handover: Option<Handover>,
    request: Request<Content>,
) -> Response<AnswerBody> {
    let listener = client.listener_in(&table);
    let mut open = OpenRequest::begin(&client, listener);
    let served = async {
        let (parts, body) = request.into_parts();
        let (id, now) = (&open.record.decision.id, open.now);
        let arrival = Arrival { peer: client.peer(listener).at.ip(), protocol: client.protocol, id, now, unix: now.unix_secs() };
        let (asked, resolution) = resolve(&table, listener, &arrival, parts).map_err(|unclear| {
            open.record.overhear(&unclear.parts);
            unclear.refused
        })?;
        open.resolved(&asked, &resolution, listener, table.revision);
        match resolution {
            Resolution::Cluster(to) => to_cluster(&client, &interims, listener, to, asked, body, handover, &mut open).await,
            Resolution::HandOff(to, status) => hand_off::serve(&client, listener, to, status, asked, &mut open).await,
            Resolution::Redirect(rule, redirect) => Ok(respond::redirect(redirect, rule, &asked.facts(&client, listener))),
            Resolution::Respond(rule, answer) => Ok(respond::answer(answer, rule, &asked.facts(&client, listener))),
            Resolution::NoRule => Err(Refused::new(StatusCode::NOT_FOUND, "No rule matches this host and path.").note("no-rule")),
        }
    }
    .await;
    match served {
        Ok(Reply::Node(response, limit)) => {
            open.record.decision.status = response.status().as_u16();
            response.map(|body| AnswerBody::node(body, limit, open))
        }
        Ok(Reply::Own(mut response)) => {
            (open.record.decision.status, open.record.ended) = (response.status().as_u16(), Termination::Local);
            open.show_why(response.headers_mut());
            response.map(|body| AnswerBody::held(body, open))
        }
        Err(refused) => {
            let why = open.record.why_shown();
            let mut response = refused.into_response(open);
            why.into_iter().for_each(|why| drop(response.headers_mut().insert(WHY, why)));
            if client.protocol == ClientProtocol::Http1 && response.status() == StatusCode::BAD_REQUEST {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    }
}

/// Brings a request to a node of the cluster, and the answer back.
#[allow(clippy::too_many_arguments, reason = "everything a request comes with")]
async fn to_cluster(
    client: &Rc<Client>,
    interims: &Interims,
    listener: &Listener,
    to: Destination<'_>,
    mut asked: RequestHead,
    body: Content,
    handover: Option<Handover>,
    request: &mut Box<OpenRequest>,
) -> Result<Reply, Refused> {
    let (rule, cluster, mut reading) = (to.rule, to.cluster, to.reading);
    if asked.passed.circle(rule.index) || cluster.conf.via && headers::passages(&asked.parts.headers) >= passages::MOST {
        let message = "The request goes in a circle: a node of the cluster leads back to this proxy.";
        return Err(Refused::new(StatusCode::LOOP_DETECTED, message).note("loop"));
    }
    request.record.cookie = cluster.affinity.pins_by_cookie().then_some(PinSent::None);
    let unix = request.now.unix_secs();
    let forced = bypassed(&to, &mut asked.parts.headers, request);
    let mut first = FirstRequest::of(client, cluster, &reading, &asked);
    let mut upgrade = upgrade::wanted(client, cluster, &asked.parts, &body, handover);
    // RFC 9110 section 10.1.1: it means nothing from HTTP/1.0, nor without a body
    let expects = headers::expects_continue(&asked.parts.headers)
        && asked.parts.version > Version::HTTP_10
        && upgrade.is_none()
        && !body.is_end_stream();
    let told = interims.of(asked.parts.version);
    prepare(client, listener, rule, cluster, &mut asked)?;
    request.record.tell_trace(&mut asked.parts.headers);
    if expects {
        asked.parts.headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    }
    let bodiless = body.is_end_stream();
    let load = Load::new(body, &asked.parts, cluster, upgrade.is_some(), expects).await?;
    if !bodiless {
        request.look();
    }
    let mut tries = retry::Tries::new(cluster, load.is_repeatable());
    loop {
        let (verdict, session) = match forced {
            Some(node) => (Verdict::forced(node), Session::none()),
            None => choose(client, cluster, &reading, &mut first, &mut tries, request).await?,
        };
        tries.begin();
        request.carry(cluster, &session);
        request.record.chosen(cluster, &verdict, request.now);
        request.slot = None;
        let Some(slot) = RequestSlot::take(cluster, &verdict.node, cluster.conf.queue_timeout.get()).await else {
            session::abandon(cluster, &session, request.look());
            return Err(unavailable(cluster, "Every place at the server is taken. Please try again.", "queue-timeout")
                .ended(Termination::QueueTimeout));
        };
        if let Some(waited) = slot.waited {
            request.record.queue_ms = waited.as_secs_f64() * 1000.0;
            request.look();
        }
        request.record.behind = slot.behind;
        request.slot = Some(slot);
        let head = Load::head(&asked, &verdict, cluster, rule, client, listener, upgrade.as_ref());
        let limits = tries.limits(cluster, &verdict.node, client, asked.client, upgrade.is_some(), request.now);
        match send::send(&client.worker.pool, &verdict.node.link, head, load.body(), &limits, async |i| told.pass_on(i).await).await {
            Ok(answer) => {
                verdict.node.live.answered(answer.response.status(), request.look());
                if load.is_repeatable()
                    && session::is_over(cluster, &session, &verdict, &asked.parts, answer.response.headers(), request.now)
                {
                    reading = cluster.affinity.freed(&reading);
                    first = FirstRequest::of(client, cluster, &reading, &asked);
                    continue;
                }
                if let Some(queued) = answer.queued {
                    request.record.queue_ms += queued.as_secs_f64() * 1000.0;
                }
                request.record.answered(answer.connect_ms, request.elapsed_ms(), tries.count());
                let done = Done { cluster, rule, asked: &asked, reading: &reading, verdict, session, unix };
                return done.finish(client, listener, answer, upgrade.take(), request).await;
            }
            Err(error) => {
                if error.race {
                    request.record.note = "keepalive-race".into();
                }
                let now = request.look();
                session::abandon(cluster, &session, now);
                if tries.again(&error, &verdict, &session, cluster, load.is_intact(), now) {
                    continue;
                }
                return Err(retry::refused(&error, cluster));
            }
        }
    }
}

/// Changes the head into what a node is sent.
fn prepare(client: &Client, listener: &Listener, rule: &Rule, cluster: &Cluster, asked: &mut RequestHead) -> Result<(), Refused> {
    let too_long = |_| Refused::new(StatusCode::URI_TOO_LONG, "The rewritten path is too long.");
    if let Some(path) = asked.parts.uri.path_and_query().map(|p| rule.target(p)).transpose().map_err(too_long)?.flatten() {
        asked.parts.uri = path.into();
    }
    let version = asked.parts.version;
    let parts = &mut asked.parts;
    cluster.affinity.prepare(&mut parts.headers);
    let host = parts.headers.get(header::HOST).cloned();
    let peer = client.peer(listener);
    let origin = Origin {
        client: peer.at.ip(),
        client_text: &peer.text,
        trusted: asked.trusted,
        scheme: client.scheme(),
        host: host.as_ref(),
        port: &client.port_text,
    };
    headers::strip_hop_by_hop(&mut parts.headers);
    parts.headers.remove(header::EXPECT);
    headers::forwarded(&mut parts.headers, cluster.conf.forwarded, &origin);
    if cluster.conf.via {
        headers::via(&mut parts.headers, version);
    }
    if let Some(name) = &listener.request_id {
        parts.headers.insert(name, client.worker.as_header(&asked.id));
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Ok(())
}
