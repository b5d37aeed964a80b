//! What would be decided for a request that nobody has sent.

use super::rng;
use crate::affinity::{Found, Gist, Incoming, Lost, bypass};
use crate::base::clock;
use crate::config::address::Bind;
use crate::proxy::recent::Decided;
use crate::serve::problem::Problem;
use crate::table::decide::{self, Decision, Facts, Verdict, Why};
use crate::table::route::{Action, Ask};
use crate::table::{Listener, Table};
use crate::wire::request_id::RequestId;
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use std::net::IpAddr;
use std::sync::Arc;

/// A request that nobody has sent.
#[derive(Debug)]
pub struct Request {
    /// Its target, with or without a host.
    pub uri: Uri,
    /// Its method.
    pub method: Method,
    /// Its headers.
    pub headers: HeaderMap,
    /// Who asks.
    pub client: IpAddr,
    /// The listener it comes through; else the one on the URL's port, else the first with a rule for it.
    pub listener: Option<String>,
}

/// Decides without a trace: no turn is charged, no session entered.
pub fn decide(table: &Table, request: &Request) -> Result<Decided, Problem> {
    let host = match (request.uri.host(), request.headers.get(header::HOST)) {
        (Some(host), _) => host.to_owned(),
        (None, Some(value)) => {
            value.to_str().ok().and_then(|host| host.parse::<Authority>().ok()).map_or_else(String::new, |a| a.host().into())
        }
        (None, None) => String::new(),
    };
    let ask = Ask {
        host: &host,
        path: request.uri.path(),
        query: request.uri.query(),
        method: &request.method,
        headers: &request.headers,
        client: request.client,
    };
    let (index, listener) = listener_for(table, request, &ask)?;
    let mut decided = Decided {
        id: RequestId::Own(0),
        at: clock::unix_ms(),
        client: request.client,
        listener: index as u32,
        revision: table.revision,
        rule: None,
        cluster: None,
        node: None,
        was: None,
        why: Why::None,
        gist: Gist::default(),
        unclaimed: None,
        refused: None,
        status: StatusCode::NOT_FOUND.as_u16(),
        retries: 0,
    };
    let Some(rule) = listener.router.find(&ask) else { return Ok(decided) };
    decided.rule = Some(rule.index as u32);
    let cluster = match &rule.action {
        Action::Cluster(index) => table.clusters.get(*index),
        Action::HandOff(hand_off) => table.clusters.get(hand_off.cluster),
        Action::Redirect(redirect) => {
            decided.status = redirect.status.as_u16();
            None
        }
        Action::Respond(answer) => {
            decided.status = answer.status.as_u16();
            None
        }
    };
    let Some(cluster) = cluster else { return Ok(decided) };
    let now = clock::unix_secs();
    let head = Incoming { method: &request.method, uri: &request.uri, headers: &request.headers, client: request.client, now };
    let reading = decide::recognise(cluster, &head);
    (decided.cluster, decided.gist, decided.status) = (Some(cluster.live.id), reading.gist(), 0);
    if reading.found == Found::Lost(Lost::UnknownRoute) {
        decided.unclaimed = cluster.affinity.unclaimed(&head);
    }
    if let Some(node) = bypass::carried(&request.headers).and_then(|value| cluster.forced_by(value, now)) {
        let forced = Verdict::forced(node);
        (decided.node, decided.why) = (Some(forced.node.live.slot), forced.why);
        return Ok(decided);
    }
    let mut rng = rng();
    for waited in [false, true] {
        let facts = Facts { tried: &[], hint: None, waited, now: clock::monotonic_secs(), dry: true };
        match decide::decide(cluster, &reading, &facts, &mut rng) {
            Decision::Serve(verdict) => {
                (decided.node, decided.why) = (Some(verdict.node.live.slot), verdict.why);
                decided.was = verdict.was.map(|slot| (slot, cluster.node(slot).map(|node| node.state())));
                break;
            }
            // a first check is awaited for a moment, then it is done without
            Decision::Wait => {}
            Decision::Refuse(refusal) => {
                (decided.refused, decided.status) = (Some(refusal), StatusCode::SERVICE_UNAVAILABLE.as_u16());
                break;
            }
        }
    }
    Ok(decided)
}

fn listener_for<'t>(table: &'t Table, request: &Request, ask: &Ask<'_>) -> Result<(usize, &'t Arc<Listener>), Problem> {
    let all = || table.listeners.iter().enumerate().filter_map(|(index, listener)| Some((index, listener.as_ref()?)));
    if let Some(name) = &request.listener {
        return all().find(|(_, listener)| *listener.name == **name).ok_or_else(|| {
            let known: Vec<&str> = all().map(|(_, listener)| &*listener.name).collect();
            Problem::new(StatusCode::NOT_FOUND, format!("There is no listener {name:?}; there are: {}.", known.join(", ")))
        });
    }
    let implied = request.uri.scheme_str().map(|scheme| if scheme == "https" { 443 } else { 80 });
    let wanted = request.uri.port_u16().or(implied);
    let is_on = |listener: &Listener| {
        let mut binds = listener.conf.bind.as_slice().iter().filter_map(|bind| bind.parse::<Bind>().ok());
        binds.any(|bind| matches!(bind, Bind::Tcp { port, .. } if Some(port) == wanted))
    };
    let by_port = all().find(|(_, listener)| is_on(listener));
    let by_rule = || all().find(|(_, listener)| listener.router.find(ask).is_some());
    let none = || Problem::new(StatusCode::NOT_FOUND, "There is no listener that it could come through.");
    by_port.or_else(by_rule).or_else(|| all().next()).ok_or_else(none)
}
