//! What a request is: who asks, which rule is for it, where that leads, and what the request says of its
//! session. A pure function of the table and of what came; who serves a request, hands it over or explains it
//! asks here, and nowhere else.

use super::request_head::{AmbiguousRequest, Arrival, RequestHead};
use crate::affinity::{FoundPin, Lost, PinLookup, bypass};
use crate::table::conditions::RouteQuery;
use crate::table::decide;
use crate::table::redirect::Redirect;
use crate::table::rule::{Action, Respond, Rule};
use crate::table::{Cluster, Listener, Node, Table};
use http::StatusCode;
use http::request::Parts;
use std::sync::Arc;

/// What becomes of a request.
pub enum Resolution<'t> {
    /// No rule is for it.
    NoRule,
    /// The rule redirects it.
    Redirect(&'t Rule, &'t Redirect),
    /// The rule answers it.
    Respond(&'t Rule, &'t Respond),
    /// It is told to go to a node by itself, with this status.
    HandOff(Destination<'t>, StatusCode),
    /// It is brought to a node.
    Cluster(Destination<'t>),
}

/// The cluster that a request is for, and what it says of its session there.
pub struct Destination<'t> {
    /// The rule that leads there.
    pub rule: &'t Rule,
    /// The cluster.
    pub cluster: &'t Arc<Cluster>,
    /// The operator's word that stands above the pin.
    pub bypass: Bypass<'t>,
    /// What the pin says.
    pub reading: PinLookup<'t>,
    /// The route it names that no node has, fit to be shown.
    pub unclaimed: Option<Box<str>>,
}

/// Whether a request carries a bypass.
#[derive(Debug, Clone, Copy)]
pub enum Bypass<'t> {
    /// None.
    Absent,
    /// One that leads to this node.
    To(&'t Arc<Node>),
    /// One that is not good, and counts for nothing.
    Refused,
}

impl<'t> Resolution<'t> {
    /// The rule that is for it.
    pub fn rule(&self) -> Option<&'t Rule> {
        match self {
            Self::NoRule => None,
            Self::Redirect(rule, _) | Self::Respond(rule, _) => Some(rule),
            Self::HandOff(to, _) | Self::Cluster(to) => Some(to.rule),
        }
    }
}

/// Resolves a request. Refused is what could be understood in two ways.
pub fn resolve<'t>(
    table: &'t Table,
    listener: &'t Listener,
    arrival: &Arrival<'_>,
    parts: Parts,
) -> Result<(RequestHead, Resolution<'t>), Box<AmbiguousRequest>> {
    let head = RequestHead::read(listener, arrival, parts)?;
    let resolution = find(table, listener, arrival, &head).unwrap_or(Resolution::NoRule);
    Ok((head, resolution))
}

fn find<'t>(
    table: &'t Table,
    listener: &'t Listener,
    arrival: &Arrival<'_>,
    head: &RequestHead,
) -> Option<Resolution<'t>> {
    let rule = listener.router.find(&RouteQuery {
        host: &head.host,
        path: head.parts.uri.path(),
        query: head.parts.uri.query(),
        method: &head.parts.method,
        headers: &head.parts.headers,
        client: head.client,
    })?;
    let to = |cluster: usize| Some(Destination::of(rule, table.clusters.get(cluster)?, arrival, head));
    Some(match &rule.action {
        Action::Cluster(cluster) => Resolution::Cluster(to(*cluster)?),
        Action::HandOff(hand_off) => Resolution::HandOff(to(hand_off.cluster)?, hand_off.status),
        Action::Redirect(redirect) => Resolution::Redirect(rule, redirect),
        Action::Respond(respond) => Resolution::Respond(rule, respond),
    })
}

impl<'t> Destination<'t> {
    fn of(rule: &'t Rule, cluster: &'t Arc<Cluster>, arrival: &Arrival<'_>, head: &RequestHead) -> Self {
        let bypass = match bypass::carried(&head.parts.headers, head.own_cookies.bypass) {
            None => Bypass::Absent,
            Some(value) => {
                cluster.forced_by(value, arrival.now.unix_secs()).map_or(Bypass::Refused, Bypass::To)
            }
        };
        let pin = head.pin_request(arrival.now.unix_secs());
        let reading = decide::recognise(cluster, &pin, arrival.now.secs());
        let unclaimed = match reading.found {
            FoundPin::Lost(Lost::UnknownRoute) => {
                cluster.affinity.unclaimed(&pin, |hash| cluster.roster.name_of_hash(hash))
            }
            _ => None,
        };
        Self { rule, cluster, bypass, reading, unclaimed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::affinity::{KeyRing, Via};
    use crate::base::clock::Now;
    use crate::config;
    use crate::table::compile::{TableContext, adopt, compile};
    use crate::wire::protocol::ClientProtocol;
    use crate::wire::request_id::RequestId;
    use std::path::Path;

    const CONF: &str = r#"
[listener.web]
bind = "127.0.0.1:0"
trusted-proxies = ["10.0.0.0/8"]
[[rule]]
path = "/old"
redirect = { to = "/new" }
[[rule]]
source = "192.0.2.0/24"
cluster = "inner"
[[rule]]
host = "shop.test"
cluster = "shop"
[[rule]]
host = "go.test"
hand-off = { cluster = "shop" }
[cluster.inner.nodes]
i = "http://127.0.0.1:1"
[cluster.shop]
affinity = { cookie = "SRV", value = "route" }
[cluster.shop.nodes]
a = { url = "http://127.0.0.1:2", public-url = "http://a.test" }
b = { url = "http://127.0.0.1:3", public-url = "http://b.test" }
"#;

    /// A peer, the head, and what that is.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

    /// In words: who asks, the rule's place, what becomes of it, and what the pin says.
    fn resolved(table: &Table, peer: &str, head: &[(&str, &str)]) -> String {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        for (name, value) in head {
            match *name {
                "uri" => parts.uri = value.parse().unwrap(),
                name => drop(
                    parts.headers.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap()),
                ),
            }
        }
        let arrival = Arrival {
            peer: peer.parse().unwrap(),
            protocol: ClientProtocol::Http1,
            scheme: "http",
            id: &RequestId::Own(7),
            now: Now::look(),
        };
        let (head, resolution) = match resolve(table, table.listeners[0].as_ref().unwrap(), &arrival, parts) {
            Ok(resolved) => resolved,
            Err(unclear) => return format!("{} {}", unclear.refused.status.as_u16(), unclear.refused.note),
        };
        let rule = resolution.rule().map_or("-".to_owned(), |rule| rule.index.to_string());
        let what = match &resolution {
            Resolution::NoRule => "nothing".to_owned(),
            Resolution::Redirect(..) => "redirect".to_owned(),
            Resolution::Respond(..) => "respond".to_owned(),
            Resolution::HandOff(to, _) => format!("hand-off {}", words(to)),
            Resolution::Cluster(to) => words(to),
        };
        format!("{} {rule} {what}", head.client)
    }

    fn words(to: &Destination<'_>) -> String {
        let bypass = match to.bypass {
            Bypass::Absent => String::new(),
            Bypass::To(node) => format!(" to {}", node.spec.name),
            Bypass::Refused => " refused".to_owned(),
        };
        let pin = match to.reading.found {
            FoundPin::Pin { slots, via: Via::Cookie } => format!(" pin {slots:?}"),
            FoundPin::Lost(lost) => format!(" {lost:?} {}", to.unclaimed.as_deref().unwrap_or("-")),
            _ => String::new(),
        };
        format!("{}{pin}{bypass}", to.cluster.name)
    }

    #[test]
    fn a_request_is_what_its_head_its_peer_and_the_table_make_it() {
        let loaded = config::parse_str(CONF, Path::new("homing.toml")).unwrap();
        let context = TableContext { files: &loaded.files, keys: &Arc::new(KeyRing::generate()) };
        let table = compile(Arc::new(loaded.config), &context, None).unwrap();
        adopt(&table, Now::look());
        let good = table
            .clusters
            .iter()
            .find(|cluster| &*cluster.name == "shop")
            .unwrap()
            .bypass
            .issue("b", Now::look().unix_secs() + 1000)
            .unwrap();
        let cases: &[Case] = &[
            ("203.0.113.1", &[("host", "shop.test")], "203.0.113.1 2 shop"),
            ("203.0.113.1", &[("host", "shop.test"), ("x-forwarded-for", "192.0.2.1")], "203.0.113.1 2 shop"),
            ("10.0.0.1", &[("host", "shop.test"), ("x-forwarded-for", "192.0.2.1")], "192.0.2.1 1 inner"),
            (
                "10.0.0.1",
                &[("host", "shop.test"), ("x-forwarded-for", "192.0.2.1, 198.51.100.1")],
                "198.51.100.1 2 shop",
            ),
            ("203.0.113.1", &[("host", "shop.test:80"), ("cookie", "SRV=b")], "203.0.113.1 2 shop pin [1]"),
            (
                "203.0.113.1",
                &[("host", "shop.test"), ("cookie", "SRV=z")],
                "203.0.113.1 2 shop UnknownRoute z",
            ),
            ("203.0.113.1", &[("host", "shop.test"), ("homing-bypass", &*good)], "203.0.113.1 2 shop to b"),
            ("203.0.113.1", &[("host", "shop.test"), ("homing-bypass", "x")], "203.0.113.1 2 shop refused"),
            (
                "203.0.113.1",
                &[("host", "go.test"), ("cookie", "SRV=a")],
                "203.0.113.1 3 hand-off shop pin [0]",
            ),
            (
                "203.0.113.1",
                &[("host", "a.test"), ("uri", "http://shop.test/old/x")],
                "203.0.113.1 0 redirect",
            ),
            ("203.0.113.1", &[("host", "a.test"), ("uri", "http://shop.test/x")], "203.0.113.1 2 shop"),
            ("203.0.113.1", &[("host", "a.test")], "203.0.113.1 - nothing"),
            ("203.0.113.1", &[], "400 no-host"),
            ("203.0.113.1", &[("host", "a b")], "400 bad-host"),
            ("203.0.113.1", &[("uri", "http://x@shop.test/")], "400 userinfo-in-authority"),
        ];
        for (peer, head, wanted) in cases {
            assert_eq!(resolved(&table, peer, head), *wanted, "{peer} {head:?}");
        }
    }
}
