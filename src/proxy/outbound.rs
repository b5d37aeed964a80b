//! What is sent to a node: the head made for it, and the body, held or streamed, with the word whether it can
//! be sent again.

use super::context::RequestContext;
use super::forwarded::{self, Origin};
use super::headers;
use super::own_cookie;
use super::refused::Refused;
use super::retry::{self, RetryState};
use super::upgrade::{UpgradeHandoff, UpgradeRequest};
use crate::table::decide::Verdict;
use crate::transport::MessageBodyError;
use crate::transport::body_progress::Stalled;
use crate::transport::message_body::MessageBody;
use crate::upstream::answer::NodeAnswer;
use crate::upstream::body::{RequestBody, Upload};
use crate::upstream::failure::{ExchangeFailure, SendError};
use crate::upstream::loop_marks;
use crate::upstream::send::send;
use crate::wire::target::RawTarget;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode, Version, header};
use http_body::Body;
use http_body_util::BodyExt;
use std::borrow::Cow;
use std::rc::Rc;

/// What is sent to a node beside the head, which is the context's, and whether it can be sent again.
pub(super) struct OutboundRequest {
    body: Payload,
    repeatable: bool,
    upgrade: Option<UpgradeRequest>,
}

enum Payload {
    Held(Bytes),
    Streamed(Rc<Upload>),
}

impl OutboundRequest {
    /// Changes the head into what a node is sent, and takes in the body as far as it is held.
    pub(super) async fn prepare(
        context: &mut RequestContext<'_>,
        body: MessageBody,
        handoff: Option<UpgradeHandoff>,
    ) -> Result<Self, Refused> {
        let upgrade = UpgradeRequest::wanted(context, &body, handoff);
        let bodiless = body.is_end_stream();
        // RFC 9110 section 10.1.1: it means nothing from HTTP/1.0, nor without a body
        let expects = headers::expects_continue(&context.head.parts.headers)
            && context.head.parts.version > Version::HTTP_10
            && upgrade.is_none()
            && !bodiless;
        prepare_head(context)?;
        let headers = &mut context.head.parts.headers;
        context.open.record.tell_trace(headers);
        if expects {
            headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
        }
        let idempotent = retry::is_idempotent(&context.head.parts.method);
        if bodiless || upgrade.is_some() {
            let repeatable = idempotent && upgrade.is_none();
            return Ok(Self { body: Payload::Held(Bytes::new()), repeatable, upgrade });
        }
        let (body, repeatable) = take_in(context, body, idempotent, expects).await?;
        context.open.look();
        Ok(Self { body, repeatable, upgrade })
    }

    pub(super) fn is_repeatable(&self) -> bool {
        self.repeatable && self.is_intact()
    }
    /// Nothing of the body is lost: the request can still be sent in full.
    pub(super) fn is_intact(&self) -> bool {
        !matches!(&self.body, Payload::Streamed(upload) if !upload.is_intact())
    }
    /// The upgrade that it asks for.
    pub(super) fn into_upgrade(self) -> Option<UpgradeRequest> {
        self.upgrade
    }

    /// Sends it to the node that was chosen, and brings the head of its answer.
    pub(super) async fn send(
        &self,
        context: &mut RequestContext<'_>,
        verdict: &Verdict,
        tries: &RetryState,
    ) -> Result<NodeAnswer, SendError> {
        let (node, interims) = (&verdict.node, context.interims);
        let sent = {
            let limits = tries.limits(context, node, self.upgrade.is_some());
            let (pool, head) = (&context.client.worker.pool, self.head(context, verdict));
            send(pool, &node.link, head, self.body(), &limits, async |i| interims.pass_on(i).await).await
        };
        let now = context.open.look();
        match &sent {
            Ok(answer) => node.live.answered(answer.response.status(), now),
            Err(error) if error.race => context.open.record.note = "keepalive-race".into(),
            Err(_) => {}
        }
        sent
    }

    /// The head for this node: as it was prepared, unless something is to be said to it alone.
    fn head<'a>(&self, context: &'a RequestContext<'_>, verdict: &Verdict) -> Cow<'a, Parts> {
        let (node, conf, rule) = (&verdict.node, &context.to.cluster.conf, context.to.rule);
        let mut head = Cow::Borrowed(&context.head.parts);
        // behind an own node is the window itself
        if !node.link.is_meant() && context.head.own_cookies.window {
            own_cookie::hide(&mut head.to_mut().headers);
        }
        if !conf.preserve_host || !head.headers.contains_key(header::HOST) {
            head.to_mut().headers.insert(header::HOST, node.link.authority.clone());
        }
        if conf.tell_state {
            head.to_mut()
                .headers
                .insert("homing-state", HeaderValue::from_static(node.state(context.open.now).word()));
        }
        if !rule.request_headers.is_empty() {
            rule.request_headers.apply(&mut head.to_mut().headers, &context.facts_at(node));
        }
        // last, so that no rule takes it off
        if node.link.is_homeward() {
            let mark = context.head.passed.on(rule.index, node.link.is_meant());
            head.to_mut().headers.insert(loop_marks::HEADER, mark);
        }
        if let Some(upgrade) = &self.upgrade {
            upgrade.ask(head.to_mut());
        }
        head
    }

    /// The body, from its beginning.
    fn body(&self) -> RequestBody {
        match &self.body {
            Payload::Held(bytes) if bytes.is_empty() => RequestBody::Empty,
            Payload::Held(bytes) => RequestBody::Held(Some(bytes.clone())),
            Payload::Streamed(upload) => {
                upload.rewind();
                RequestBody::Stream(upload.clone())
            }
        }
    }
}

/// A small body of a request that may be repeated is held in full; every other is streamed, once the node
/// wants it if the client `expects` to be told. With it, whether it can be sent again.
async fn take_in(
    context: &RequestContext<'_>,
    body: MessageBody,
    idempotent: bool,
    expects: bool,
) -> Result<(Payload, bool), Refused> {
    let cluster = context.to.cluster;
    if expects {
        return Ok((Payload::Streamed(Upload::new(body, true)), idempotent));
    }
    let small = body.size_hint().upper().is_some_and(|n| n <= cluster.conf.retry_body.0);
    if small && idempotent {
        let bytes =
            body.collect().await.map_err(|error| retry::refused(&not_in_full(&error), cluster))?.to_bytes();
        return Ok((Payload::Held(bytes), true));
    }
    Ok((Payload::Streamed(Upload::new(body, false)), false))
}

/// Changes the head into what any node is sent.
fn prepare_head(context: &mut RequestContext<'_>) -> Result<(), Refused> {
    let RequestContext { client, listener, to, head, .. } = context;
    let too_long = |_| Refused::new(StatusCode::URI_TOO_LONG, "The rewritten path is too long.");
    if let Some(path) =
        head.parts.uri.path_and_query().map(|p| to.rule.target(p)).transpose().map_err(too_long)?.flatten()
    {
        head.parts.uri = path.into();
    }
    let conf = &to.cluster.conf;
    let parts = &mut head.parts;
    to.cluster.affinity.prepare(&mut parts.headers);
    let host = parts.headers.get(header::HOST).cloned();
    let peer = client.peer(listener);
    let origin = Origin {
        peer: peer.at.ip(),
        peer_text: &peer.text,
        client: head.client,
        trusted: head.trusted,
        scheme: head.scheme,
        hop_scheme: client.scheme(),
        host: host.as_ref(),
        port: &client.port_text,
    };
    headers::strip_hop_by_hop(&mut parts.headers);
    parts.headers.remove(header::EXPECT);
    forwarded::tell(&mut parts.headers, head.claims, to.cluster.forwarding, &origin);
    if conf.via {
        headers::via(&mut parts.headers, parts.version);
    }
    if let Some(name) = &listener.request_id {
        parts.headers.insert(name, client.worker.as_header(&head.id));
    }
    parts.version = Version::HTTP_11;
    let raw = parts.extensions.remove::<RawTarget>();
    parts.extensions.clear();
    raw.into_iter().for_each(|raw| drop(parts.extensions.insert(raw)));
    Ok(())
}

fn not_in_full(error: &MessageBodyError) -> SendError {
    let kind = if error.is::<Stalled>() { ExchangeFailure::Stalled } else { ExchangeFailure::Client };
    SendError::new(kind, error.to_string())
}
