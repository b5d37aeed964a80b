//! What would be decided for a request that nobody has sent.

use crate::base::clock::{self, Now};
use crate::config::address::Address;
use crate::proxy::request_head::{AmbiguousRequest, Arrival, RequestHead};
use crate::proxy::resolve::{Bypass, Resolution, resolve};
use crate::serve::problem::Problem;
use crate::table::decide::{self, Decision, DecisionInput, Verdict};
use crate::table::{Listener, Table};
use crate::telemetry::recent::RecentDecision;
use crate::wire::protocol::ClientProtocol;
use crate::wire::request_id::RequestId;
use http::{HeaderMap, Method, StatusCode, Uri, Version, header};
use rand::SeedableRng;
use rand::rngs::SmallRng;
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
    /// Who is at the other end: the client, or a proxy that speaks for it.
    pub client: IpAddr,
    /// The listener it comes through; else the one on the URL's port, else the first with a rule for it.
    pub listener: Option<String>,
}

impl Request {
    /// What it would be, if it came over HTTP/1 through this listener.
    fn resolve<'t>(
        &self,
        table: &'t Table,
        listener: &'t Listener,
    ) -> Result<(RequestHead, Resolution<'t>), Box<AmbiguousRequest>> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        (parts.method, parts.uri, parts.headers) =
            (self.method.clone(), self.uri.clone(), self.headers.clone());
        if self.uri.authority().is_none() && !self.headers.contains_key(header::HOST) {
            // who asks about no host asks as those who need not name one
            parts.version = Version::HTTP_10;
        }
        let (id, now) = (&RequestId::Own(0), Now::look());
        let scheme = if listener.conf.tls.is_some() { "https" } else { "http" };
        let arrival = Arrival { peer: self.client, protocol: ClientProtocol::Http1, scheme, id, now };
        resolve(table, listener, &arrival, parts)
    }
}

/// Decides without a trace: no turn is charged, no session entered.
pub fn decide(table: &Table, request: &Request) -> Result<RecentDecision, Problem> {
    let (index, listener) = listener_for(table, request)?;
    let mut decided =
        RecentDecision::begin(RequestId::Own(0), clock::unix_ms(), request.client, index as u32);
    decided.status = StatusCode::NOT_FOUND.as_u16();
    let (head, resolution) = match request.resolve(table, listener) {
        Ok(resolved) => resolved,
        Err(unclear) => {
            decided.status = unclear.refused.status.as_u16();
            return Ok(decided);
        }
    };
    decided.client = head.client;
    if let Some(rule) = resolution.rule() {
        decided.ruled(table.revision, rule.index);
    }
    let to = match resolution {
        Resolution::Cluster(to) | Resolution::HandOff(to, _) => to,
        Resolution::NoRule => return Ok(decided),
        Resolution::Redirect(_, redirect) => {
            decided.status = redirect.status.as_u16();
            return Ok(decided);
        }
        Resolution::Respond(_, answer) => {
            decided.status = answer.status.as_u16();
            return Ok(decided);
        }
    };
    decided.status = 0;
    decided.leads_to(to.cluster, &to.reading, to.unclaimed);
    let (mut rng, now) = (rng(), Now::look());
    if let Bypass::To(node) = to.bypass {
        decided.chosen(to.cluster, &Verdict::forced(node), now);
        return Ok(decided);
    }
    for waited in [false, true] {
        let facts = DecisionInput { tried: &[], hint: None, waited, now, dry: true };
        match decide::decide(to.cluster, &to.reading, &facts, &mut rng) {
            Decision::Serve(verdict) => {
                decided.chosen(to.cluster, &verdict, now);
                break;
            }
            // a first check is awaited for a moment, then it is done without
            Decision::Wait => {}
            Decision::Refuse(refusal) => {
                decided.refused(refusal);
                decided.status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
                break;
            }
        }
    }
    Ok(decided)
}

fn listener_for<'t>(table: &'t Table, request: &Request) -> Result<(usize, &'t Arc<Listener>), Problem> {
    let all = || {
        table.listeners.iter().enumerate().filter_map(|(index, listener)| Some((index, listener.as_ref()?)))
    };
    if let Some(name) = &request.listener {
        return all().find(|(_, listener)| *listener.name == **name).ok_or_else(|| {
            let known: Vec<&str> = all().map(|(_, listener)| &*listener.name).collect();
            Problem::new(
                StatusCode::NOT_FOUND,
                format!("There is no listener {name:?}; there are: {}.", known.join(", ")),
            )
        });
    }
    let implied = request.uri.scheme_str().map(|scheme| if scheme == "https" { 443 } else { 80 });
    let wanted = request.uri.port_u16().or(implied);
    let is_on = |listener: &Listener| {
        let mut binds = listener.conf.bind.as_slice().iter().filter_map(|bind| bind.parse::<Address>().ok());
        binds.any(|bind| bind.host_and_port().is_some_and(|(_, port)| Some(port) == wanted))
    };
    let by_port = all().find(|(_, listener)| is_on(listener));
    let has_rule = |listener: &Listener| {
        request.resolve(table, listener).is_ok_and(|(_, resolution)| resolution.rule().is_some())
    };
    let by_rule = || all().find(|(_, listener)| has_rule(listener));
    let none = || Problem::new(StatusCode::NOT_FOUND, "There is no listener that it could come through.");
    by_port.or_else(by_rule).or_else(|| all().next()).ok_or_else(none)
}

/// The same draws for everybody who asks: what is drawn at random cannot be foretold.
pub fn rng() -> SmallRng {
    SmallRng::seed_from_u64(1)
}
