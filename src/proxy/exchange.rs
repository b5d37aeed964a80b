//! One request, from head to answer. `serve` reads as the table of contents: rule, pin, decision, place, node, answer.

use super::answer::{AnswerBody, Refused, Trail};
use super::client::Client;
use super::headers::{self, Origin};
use super::interim::Interims;
use super::line::WHY;
use super::seat::Seat;
use super::session::{self, Clash, Session};
use super::{hand_off, respond, retry, upgrade};
use crate::affinity::{Found, Incoming as PinRequest, PinSent, Reading, bypass};
use crate::base::clock;
use crate::base::hash::{hash64, hash64_pair};
use crate::config::address::Scheme;
use crate::table::decide::{self, Decision, Refusal, Verdict, Why};
use crate::table::route::{Action, Ask, Rule};
use crate::table::{Cluster, Listener, Node};
use crate::upstream::body::{RequestBody, Upload};
use crate::upstream::send::{self, Answer};
use crate::wire::content::{Content, ContentError};
use crate::wire::template::Facts;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body;
use http_body_util::BodyExt;
use rand::RngCore;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How long a request waits for the first check of a node that was never checked.
const FIRST_CHECK: Duration = Duration::from_secs(1);

/// Serves one request.
pub async fn serve(client: Rc<Client>, interims: Interims, request: Request<Content>) -> Result<Response<AnswerBody>, Infallible> {
    let mut trail = Trail::begin(&client);
    let expects = !client.h2 && headers::expects_continue(request.headers());
    let served = async {
        let (parts, body) = request.into_parts();
        let asked = Asked::read(&client, parts, trail.record.id)?;
        trail.record.ask(&asked.parts, &asked.host, asked.client);
        let table = client.worker.table();
        let listener = table.listeners.get(client.listener).and_then(Option::as_ref).unwrap_or(&client.conf);
        trail.record.shows_why = listener.shows_why(asked.client);
        let rule = find_rule(listener, &asked)?;
        trail.record.matched(table.revision, rule.index);
        match &rule.action {
            Action::Cluster(index) => {
                let cluster = table.clusters.get(*index).cloned().ok_or_else(no_rule)?;
                to_cluster(&client, &interims, listener, rule, cluster, asked, body, &mut trail).await
            }
            Action::HandOff(hand_off) => {
                let cluster = table.clusters.get(hand_off.cluster).cloned().ok_or_else(no_rule)?;
                hand_off::serve(&client, listener, rule, hand_off.status, &cluster, asked, &mut trail).await
            }
            Action::Redirect(redirect) => Ok(respond::redirect(redirect, rule, &asked.facts(&client, listener))),
            Action::Respond(answer) => Ok(respond::answer(answer, rule, &asked.facts(&client, listener))),
        }
    }
    .await;
    Ok(match served {
        Ok(Reply::Node(response, limit)) => {
            trail.record.status = response.status().as_u16();
            response.map(|body| AnswerBody::node(body, limit, trail))
        }
        Ok(Reply::Own(mut response)) => {
            (trail.record.status, trail.record.ended) = (response.status().as_u16(), *b"LR");
            trail.record.show_why(response.headers_mut());
            response.map(|body| AnswerBody::held(body, trail))
        }
        Err(refused) => {
            let why = trail.record.why_shown();
            let mut response = refused.into_response(trail);
            why.into_iter().for_each(|why| drop(response.headers_mut().insert(WHY, why)));
            // a body that still waits to be asked for is not asked for any more
            if expects || (!client.h2 && response.status() == StatusCode::BAD_REQUEST) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    })
}

/// Where an answer comes from.
pub enum Reply {
    /// A node, with the time limit between parts of its body.
    Node(Response<Content>, Duration),
    /// Ourselves.
    Own(Response<Bytes>),
}

impl Reply {
    /// The client may send the body or not: what comes next on its connection could be either.
    fn is_the_last(&mut self) {
        if let Self::Node(response, _) = self {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// A request with what was found out about it.
pub struct Asked {
    /// Its id.
    pub id: u64,
    /// Its head; from `prepare` on as the node is sent it.
    pub parts: Parts,
    /// Its target as it came.
    pub uri: Uri,
    /// The host it asks for, without port, as written.
    pub host: String,
    /// Who asks: told by trusted proxies, else the peer.
    pub client: IpAddr,
    /// The peer may speak for others.
    pub trusted: bool,
}

impl Asked {
    /// Reads what every later step needs; refuses what could be understood in two ways.
    fn read(client: &Client, mut parts: Parts, id: u64) -> Result<Self, Refused> {
        let bad = |why: &'static str| Refused::new(StatusCode::BAD_REQUEST, "The request is ambiguous or malformed.").note(why);
        if parts.method == Method::CONNECT && parts.extensions.get::<h2::ext::Protocol>().is_none() {
            return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "This is not a forward proxy."));
        }
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let (first, second) = (hosts.next().cloned(), hosts.next());
        if second.is_some() {
            return Err(bad("duplicate-host"));
        }
        if let Some(authority) = parts.uri.authority() {
            // RFC 9112 section 3.2.2: the authority of an absolute URI stands above Host
            if client.h2 && first.as_ref().is_some_and(|h| !h.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())) {
                return Err(bad("host-and-authority-differ"));
            }
            if authority.as_str().contains('@') {
                return Err(bad("userinfo-in-authority"));
            }
            let value = HeaderValue::try_from(authority.as_str()).map_err(|_| bad("bad-authority"))?;
            parts.headers.insert(header::HOST, value);
        }
        let host = match parts.headers.get(header::HOST) {
            Some(value) => host_of(value.to_str().map_err(|_| bad("bad-host"))?).ok_or_else(|| bad("bad-host"))?.to_owned(),
            None if parts.version == Version::HTTP_10 => String::new(),
            None => return Err(bad("no-host")),
        };
        if let Some(path) = parts.uri.path_and_query().cloned().filter(|_| parts.uri.scheme().is_some()) {
            parts.uri = path.into();
        }
        let trusted = client.conf.trusts(client.address());
        let asker = if trusted { headers::real_client(&parts.headers, client.address(), &client.conf.trusted) } else { client.address() };
        let uri = parts.uri.clone();
        Ok(Self { id, parts, uri, host, client: asker, trusted })
    }

    /// What header values may refer to.
    pub fn facts<'a>(&'a self, client: &'a Client, listener: &'a Listener) -> Facts<'a> {
        Facts {
            client_ip: Some(self.client),
            client_port: Some(client.source.port()),
            host: Some(&self.host),
            port: Some(client.local.port()),
            scheme: Some(client.scheme()),
            method: Some(self.parts.method.as_str()),
            path: Some(self.uri.path()),
            query: self.uri.query(),
            listener: Some(&listener.name),
            headers: Some(&self.parts.headers),
            tls_version: client.tls.as_ref().map(|t| t.version),
            tls_cipher: client.tls.as_ref().map(|t| t.cipher.as_str()),
            tls_sni: client.tls.as_ref().and_then(|t| t.sni.as_deref()),
            tls_client: client.tls.as_ref().and_then(|t| t.client.as_ref()),
            request_id: Some(self.id),
            cluster: None,
            node: None,
            route: None,
        }
    }
}

/// The host without its port and trailing dot; `None` if it is none.
fn host_of(value: &str) -> Option<&str> {
    let host = match value.strip_prefix('[') {
        Some(rest) => &value[..rest.find(']')? + 2],
        None => value.split_once(':').map_or(value, |(host, _)| host),
    };
    let rest = &value[host.len()..];
    let port_ok = rest.is_empty() || rest.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let host_ok = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%![]:$&'()*+,;=".contains(&b));
    (port_ok && host_ok).then(|| host.strip_suffix('.').unwrap_or(host))
}

fn no_rule() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "No rule matches this host and path.").note("no-rule")
}

fn find_rule<'t>(listener: &'t Listener, asked: &Asked) -> Result<&'t Rule, Refused> {
    let ask = Ask {
        host: &asked.host,
        path: asked.parts.uri.path(),
        query: asked.parts.uri.query(),
        method: &asked.parts.method,
        headers: &asked.parts.headers,
        client: asked.client,
    };
    listener.router.find(&ask).ok_or_else(no_rule)
}

/// Brings a request to a node of the cluster, and the answer back.
#[allow(clippy::too_many_arguments, reason = "everything a request comes with")]
async fn to_cluster(
    client: &Rc<Client>,
    interims: &Interims,
    listener: &Listener,
    rule: &Rule,
    cluster: Arc<Cluster>,
    mut asked: Asked,
    body: Content,
    trail: &mut Box<Trail>,
) -> Result<Reply, Refused> {
    trail.record.cluster = Some(cluster.live.clone());
    trail.record.cookie = cluster.affinity.pins_by_cookie().then_some(PinSent::None);
    let unix = clock::unix_secs();
    let forced = bypassed(&cluster, &mut asked.parts.headers, unix, trail);
    let head =
        PinRequest { method: &asked.parts.method, uri: &asked.parts.uri, headers: &asked.parts.headers, client: asked.client, now: unix };
    let mut reading = decide::recognise(&cluster, &head);
    trail.record.heard(&reading);
    let mut first = FirstRequest::of(client, &cluster, &reading, &asked);
    let mut upgrade = upgrade::wanted(client, &asked.parts);
    // RFC 9110 section 10.1.1: it means nothing from HTTP/1.0, nor without a body
    let expects = headers::expects_continue(&asked.parts.headers)
        && asked.parts.version > Version::HTTP_10
        && upgrade.is_none()
        && !body.is_end_stream();
    let told = interims.of(asked.parts.version);
    prepare(client, rule, &cluster, &mut asked)?;
    if expects {
        asked.parts.headers.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
    }
    let load = Load::new(client, body, &asked.parts, &cluster, upgrade.is_some(), expects).await?;
    let mut tries = retry::Tries::new(&cluster, load.is_repeatable());
    loop {
        let (verdict, session) = match &forced {
            Some(node) => (Verdict::forced(node), Session::none()),
            None => choose(client, &cluster, &reading, &mut first, &mut tries, trail).await?,
        };
        tries.begin();
        trail.record.chosen(&cluster, &verdict);
        trail.seat = None;
        let waiting = Instant::now();
        let Some(seat) = Seat::take(&cluster, &verdict.node, cluster.conf.queue_timeout.get()).await else {
            session::abandon(&cluster, &session);
            return Err(unavailable(&cluster, "Every place at the server is taken. Please try again.", "queue-timeout").ended(b"sQ"));
        };
        trail.record.queue_ms = waiting.elapsed().as_secs_f64() * 1000.0;
        trail.record.behind = seat.behind;
        trail.seat = Some(seat);
        let request = load.request(&asked, &verdict, &cluster, rule, client, listener, upgrade.as_ref());
        let limits = tries.limits(&cluster, upgrade.is_some());
        client.watch.want_body(load.streams());
        match send::send(&client.worker.pool, &verdict.node.link, request, &limits, async |i| told.pass_on(i).await).await {
            Ok(answer) => {
                client.watch.want_body(false);
                verdict.node.live.answered();
                if load.is_repeatable() && session::is_over(&cluster, &session, &verdict, &asked.parts, answer.response.headers(), unix) {
                    reading = cluster.affinity.freed(&reading);
                    first = FirstRequest::of(client, &cluster, &reading, &asked);
                    continue;
                }
                trail.record.answered(answer.connect_ms, trail.elapsed_ms(), tries.count());
                let done = Done { cluster: &cluster, rule, asked: &asked, reading: &reading, verdict, session, unix };
                let mut reply = done.finish(client, listener, answer, upgrade.take(), trail).await?;
                if !client.h2 && load.is_withdrawn() {
                    reply.is_the_last();
                }
                return Ok(reply);
            }
            Err(error) => {
                if error.race {
                    trail.record.note = "keepalive-race".into();
                }
                session::abandon(&cluster, &session);
                if tries.again(&error, &verdict, &cluster, load.is_intact()) {
                    continue;
                }
                return Err(retry::refused(&error, &cluster));
            }
        }
    }
}

/// The node that a bypass leads to. One that is not good counts for nothing.
pub(super) fn bypassed(cluster: &Cluster, headers: &mut HeaderMap, now: u64, trail: &mut Trail) -> Option<Arc<Node>> {
    let wanted = cluster.bypass.open(bypass::carried(headers)?, now);
    bypass::hide(headers);
    let node = wanted.and_then(|wanted| cluster.nodes().find(|node| hash64(node.spec.name.as_bytes()) == wanted));
    if node.is_none() {
        trail.record.note = "bypass-refused".into();
        cluster.live.bypass_refused.fetch_add(1, Relaxed);
    }
    node.cloned()
}

/// Changes the head into what a node is sent.
fn prepare(client: &Client, rule: &Rule, cluster: &Cluster, asked: &mut Asked) -> Result<(), Refused> {
    let too_long = |_| Refused::new(StatusCode::URI_TOO_LONG, "The rewritten path is too long.");
    if let Some(path) = asked.parts.uri.path_and_query().map(|p| rule.target(p)).transpose().map_err(too_long)?.flatten() {
        asked.parts.uri = path.into();
    }
    let version = asked.parts.version;
    let parts = &mut asked.parts;
    cluster.affinity.prepare(&mut parts.uri, &mut parts.headers);
    let host = parts.headers.get(header::HOST).cloned();
    let origin = Origin {
        client: client.address(),
        client_text: &client.address_text,
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
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Ok(())
}

/// The body, and whether the request can be sent again.
struct Load {
    body: Payload,
    repeatable: bool,
}

enum Payload {
    Held(Bytes),
    Streamed(Rc<Upload>),
}

impl Load {
    /// A small body of a request that may be repeated is held in full; every other is streamed, once the node wants it if
    /// the client `expects` to be told.
    async fn new(client: &Client, body: Content, parts: &Parts, cluster: &Cluster, upgrade: bool, expects: bool) -> Result<Self, Refused> {
        let idempotent = retry::is_idempotent(&parts.method);
        if upgrade || body.is_end_stream() {
            return Ok(Self { body: Payload::Held(Bytes::new()), repeatable: idempotent && !upgrade });
        }
        if expects {
            return Ok(Self { body: Payload::Streamed(Upload::new(body, true)), repeatable: idempotent });
        }
        let small = body.size_hint().upper().is_some_and(|n| n <= cluster.conf.retry_body.0);
        if small && idempotent {
            client.watch.want_body(true);
            let broken =
                |e: ContentError| Refused::new(StatusCode::BAD_REQUEST, "The request's body broke off.").note(e.to_string()).ended(b"CR");
            let bytes = body.collect().await.map_err(broken)?.to_bytes();
            client.watch.want_body(false);
            return Ok(Self { body: Payload::Held(bytes), repeatable: true });
        }
        Ok(Self { body: Payload::Streamed(Upload::new(body, false)), repeatable: false })
    }

    fn is_repeatable(&self) -> bool {
        self.repeatable && self.is_intact()
    }
    fn streams(&self) -> bool {
        matches!(self.body, Payload::Streamed(_))
    }
    /// Nothing of the body is lost: the request can still be sent in full.
    fn is_intact(&self) -> bool {
        !matches!(&self.body, Payload::Streamed(upload) if upload.is_begun())
    }
    /// It was answered before anybody asked for the body.
    fn is_withdrawn(&self) -> bool {
        matches!(&self.body, Payload::Streamed(upload) if upload.is_withdrawn())
    }

    #[allow(clippy::too_many_arguments, reason = "everything a request is made of")]
    fn request(
        &self,
        asked: &Asked,
        verdict: &Verdict,
        cluster: &Cluster,
        rule: &Rule,
        client: &Client,
        listener: &Listener,
        upgrade: Option<&upgrade::Wanted>,
    ) -> Request<RequestBody> {
        let mut parts = asked.parts.clone();
        if !cluster.conf.preserve_host || !parts.headers.contains_key(header::HOST) {
            parts.headers.insert(header::HOST, verdict.node.link.authority.clone());
        }
        if cluster.conf.tell_state {
            parts.headers.insert("homing-state", HeaderValue::from_static(verdict.node.state().word()));
        }
        if !rule.request_headers.is_empty() {
            let mut facts = asked.facts(client, listener);
            facts.cluster = Some(&cluster.name);
            facts.node = Some(&verdict.node.spec.name);
            facts.route = Some(&verdict.node.spec.route);
            rule.request_headers.apply(&mut parts.headers, &facts);
        }
        if let Some(upgrade) = upgrade {
            upgrade.ask(&mut parts);
        }
        let body = match &self.body {
            Payload::Held(bytes) if bytes.is_empty() => RequestBody::Empty,
            Payload::Held(bytes) => RequestBody::Held(Some(bytes.clone())),
            Payload::Streamed(upload) => RequestBody::Stream(upload.clone()),
        };
        Request::from_parts(parts, body)
    }
}

/// A request without a pin: what makes parallel ones of the same client go to one node.
pub(super) struct FirstRequest {
    identity: u64,
    /// The session it will have if it begins one.
    pub(super) session: u64,
    hint: Option<u32>,
    applies: bool,
}

impl FirstRequest {
    fn of(client: &Client, cluster: &Cluster, reading: &Reading<'_>, asked: &Asked) -> Self {
        let fresh = client.worker.rng.borrow_mut().next_u64();
        let applies = matches!(reading.found, Found::Absent) && !cluster.affinity.is_none();
        if !applies {
            return Self { identity: 0, session: fresh, hint: None, applies };
        }
        let agent = asked.parts.headers.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
        let mut address = [0; 16];
        match asked.client {
            IpAddr::V4(v4) => address[..4].copy_from_slice(&v4.octets()),
            IpAddr::V6(v6) => address = v6.octets(),
        }
        let mut first = Self { identity: hash64_pair(&address, agent), session: fresh, hint: None, applies };
        first.look(client, cluster);
        first
    }

    /// One that has nothing to do with those before it.
    pub(super) fn alone(client: &Client) -> Self {
        Self { identity: 0, session: client.worker.rng.borrow_mut().next_u64(), hint: None, applies: false }
    }

    /// Looks where another one of them went, if one has gone.
    fn look(&mut self, client: &Client, cluster: &Cluster) {
        if let Some((slot, session)) = client.burst(&cluster.name, self.identity).filter(|_| self.applies) {
            (self.hint, self.session) = (Some(slot), session);
        }
    }
}

/// Decides, waits for first checks, and enters the session into the ledger.
pub(super) async fn choose(
    client: &Rc<Client>,
    cluster: &Arc<Cluster>,
    reading: &Reading<'_>,
    first: &mut FirstRequest,
    tries: &mut retry::Tries,
    trail: &mut Trail,
) -> Result<(Verdict, Session), Refused> {
    let mut hint = first.hint;
    let mut first_check = None;
    loop {
        let facts = decide::Facts { tried: tries.tried(), hint, waited: tries.waited, now: clock::monotonic_secs(), dry: false };
        let decision = decide::decide(cluster, reading, &facts, &mut *client.worker.rng.borrow_mut());
        match decision {
            Decision::Serve(verdict) => {
                let session = match session::enter(cluster, reading, &verdict, first.session, tries.tried()) {
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
                if first.applies && first.hint.is_none() {
                    client.remember(&cluster.name, first.identity, verdict.node.live.slot, session.id);
                }
                return Ok((verdict, session));
            }
            Decision::Wait => {
                let deadline = *first_check.get_or_insert_with(|| tokio::time::Instant::now() + FIRST_CHECK);
                tries.waited = !checked(cluster, deadline).await;
                // all that waited here are let go at once
                first.look(client, cluster);
                hint = first.hint;
            }
            Decision::Refuse(refusal) => {
                trail.record.refused(refusal);
                return Err(match refusal {
                    Refusal::Strict => {
                        unavailable(cluster, "Your session's server is not there at the moment. Please try again.", "strict")
                    }
                    Refusal::Full => unavailable(cluster, "Every server has all the sessions it may have. Please try again.", "full"),
                    Refusal::NoNode => unavailable(cluster, "No server is there at the moment. Please try again.", "no-node"),
                });
            }
        }
    }
}

fn unavailable(cluster: &Cluster, message: &'static str, note: &str) -> Refused {
    let mut refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE, message).note(note).ended(b"SC").retry_after(5);
    refused.page = cluster.error_page.clone();
    refused
}

/// Waits until the first check of some node is over. False when it is the deadline that is.
async fn checked(cluster: &Cluster, deadline: tokio::time::Instant) -> bool {
    let unknown = cluster.nodes().filter(|n| n.state() == crate::table::State::Unknown);
    let mut changes: Vec<_> = unknown.take(16).map(|n| Box::pin(n.live.changed.notified())).collect();
    for change in &mut changes {
        change.as_mut().enable();
    }
    let any = std::future::poll_fn(|cx| match changes.iter_mut().any(|c| c.as_mut().poll(cx).is_ready()) {
        true => std::task::Poll::Ready(()),
        false => std::task::Poll::Pending,
    });
    // woken at least every 50 ms: a change between the look and the wait is then not missed for long
    let step = deadline.min(tokio::time::Instant::now() + Duration::from_millis(50));
    let _ = tokio::time::timeout_at(step, any).await;
    tokio::time::Instant::now() < deadline
}

/// An answer that came, with everything it is to be marked by.
struct Done<'a> {
    cluster: &'a Arc<Cluster>,
    rule: &'a Rule,
    asked: &'a Asked,
    reading: &'a Reading<'a>,
    verdict: Verdict,
    session: Session,
    unix: u64,
}

impl Done<'_> {
    async fn finish(
        self,
        client: &Rc<Client>,
        listener: &Listener,
        answer: Answer,
        upgrade: Option<upgrade::Wanted>,
        trail: &mut Box<Trail>,
    ) -> Result<Reply, Refused> {
        let Self { cluster, rule, asked, verdict, session, .. } = self;
        let Answer { mut response, lease, .. } = answer;
        let marks = crate::affinity::Answer {
            method: &asked.parts.method,
            secure: client.tls.is_some() || (asked.trusted && forwarded_https(&asked.parts.headers)),
            now: self.unix,
            slot: verdict.node.live.slot,
            boot: verdict.node.live.told.boot(),
            honoured: verdict.honoured,
            stamp: self.reading.stamp,
            session: session.id,
            status: response.status(),
        };
        let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = if switching { response.headers().get(header::UPGRADE).cloned() } else { None };
        headers::strip_hop_by_hop(response.headers_mut());
        if cluster.conf.rewrite_responses {
            let url = &verdict.node.link.url;
            let sides = super::rewrite::Sides {
                node_scheme: if url.scheme == Scheme::Https { "https" } else { "http" },
                node_host: &url.host,
                node_port: url.port,
                scheme: client.scheme(),
                host: asked.parts.headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or(&asked.host),
                strip_prefix: rule.strip_prefix.as_deref(),
            };
            super::rewrite::responses(response.headers_mut(), &sides);
        }
        let outcome = match verdict.why {
            Why::Forced => cluster.affinity.pass_by(response.headers_mut()),
            _ => cluster.affinity.finish(&marks, response.headers_mut()),
        };
        session::settle(cluster, &session, verdict.node.live.slot, &outcome);
        trail.record.cookie = trail.record.cookie.map(|_| outcome.cookie);
        if !rule.response_headers.is_empty() {
            let mut facts = asked.facts(client, listener);
            facts.cluster = Some(&cluster.name);
            facts.node = Some(&verdict.node.spec.name);
            facts.route = Some(&verdict.node.spec.route);
            rule.response_headers.apply(response.headers_mut(), &facts);
        }
        trail.record.show_why(response.headers_mut());
        *response.version_mut() = if client.h2 { Version::HTTP_2 } else { Version::HTTP_11 };
        if switching {
            return upgrade::switch(client, cluster, upgrade, protocol, response, trail);
        }
        trail.lease = Some(lease);
        Ok(Reply::Node(response, cluster.conf.timeouts.response.get()))
    }
}

fn forwarded_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"https"))
}
