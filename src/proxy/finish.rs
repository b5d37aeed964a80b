//! An answer on its way back: hop-by-hop headers go, the pin is written, the session settled, the rule's headers set.

use super::answer::Reply;
use super::client::Client;
use super::open_request::OpenRequest;
use super::refused::Refused;
use super::request_head::RequestHead;
use super::session::{self, Session};
use super::{headers, upgrade};
use crate::affinity::Reading;
use crate::config::address::Scheme;
use crate::table::decide::{Verdict, Why};
use crate::table::route::Rule;
use crate::table::{Cluster, Listener};
use crate::upstream::send::Answer;
use http::{HeaderMap, StatusCode, header};
use std::rc::Rc;
use std::sync::Arc;

/// An answer that came, with everything it is to be marked by.
pub(super) struct Done<'a> {
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) rule: &'a Rule,
    pub(super) asked: &'a RequestHead,
    pub(super) reading: &'a Reading<'a>,
    pub(super) verdict: Verdict,
    pub(super) session: Session,
    pub(super) unix: u64,
}

impl Done<'_> {
    pub(super) async fn finish(
        self,
        client: &Rc<Client>,
        listener: &Listener,
        answer: Answer,
        upgrade: Option<upgrade::Wanted>,
        open: &mut Box<OpenRequest>,
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
        response.headers_mut().remove(header::TE);
        if cluster.conf.rewrite_responses {
            let url = &verdict.node.link.url;
            let sides = super::rewrite::Sides {
                node_scheme: if url.scheme == Scheme::Https { "https" } else { "http" },
                node_host: &url.host,
                node_port: url.port,
                scheme: client.scheme(),
                host: asked.parts.headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or(&asked.host),
                swap: rule.swap.as_ref().filter(|swap| swap.applies(asked.uri.path())),
            };
            super::rewrite::responses(response.headers_mut(), &sides);
        }
        let outcome = match verdict.why {
            Why::Forced => cluster.affinity.pass_by(response.headers_mut()),
            _ => cluster.affinity.finish(&marks, response.headers_mut()),
        };
        open.carry_on(session::settle(cluster, &session, verdict.node.live.slot, &outcome, open.now));
        open.record.cookie = open.record.cookie.map(|_| outcome.cookie);
        if !rule.response_headers.is_empty() {
            rule.response_headers.apply(response.headers_mut(), &asked.facts_at(client, listener, cluster, &verdict.node));
        }
        open.show_why(response.headers_mut());
        *response.version_mut() = client.protocol.version();
        if switching {
            return upgrade::switch(client, cluster, upgrade, protocol, response, lease, open);
        }
        open.lease = Some(lease);
        Ok(Reply::Node(response, cluster.conf.timeouts.response.get()))
    }
}

fn forwarded_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"https"))
}
