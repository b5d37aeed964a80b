//! A request from its first byte to the last of its answer: what is recorded of it and what it holds. Its end
//! gives all of it back.

use super::client::Client;
use super::flights::Flight;
use super::request_head::RequestHead;
use super::resolve::{Destination, Resolution};
use super::session::OpenSession;
use super::slot::RequestSlot;
use crate::base::clock::Now;
use crate::table::{Cluster, Listener};
use crate::telemetry::record::RequestRecord;
use crate::telemetry::termination::Termination;
use crate::upstream::answer::ConnectionGuard;
use http::{HeaderMap, HeaderName};
use std::rc::Rc;

/// The header that tells why, for those who are told.
pub const WHY: HeaderName = HeaderName::from_static("homing-why");

/// A request that has begun and is not over. Dropping it ends it: its place is given up, it is counted, and
/// its line is written.
pub struct OpenRequest {
    /// What will be told of it.
    pub record: RequestRecord,
    /// Its place at the node.
    pub slot: Option<RequestSlot>,
    /// Its connection to the node.
    pub lease: Option<ConnectionGuard>,
    /// Its session's mark of being in use.
    flight: Option<Flight>,
    client: Rc<Client>,
    start: Now,
    /// The latest look at the clock.
    pub now: Now,
    /// When the answer was through.
    ended: Option<Now>,
    /// The tunnel ends the request instead.
    handed_over: bool,
    /// It is a tunnel.
    tunnel: bool,
    /// Orders of operators about single sessions that were given before its node was chosen.
    pub orders_seen: u64,
}

impl OpenRequest {
    /// A request begins.
    pub fn begin(client: &Rc<Client>, listener: &Listener) -> Box<Self> {
        client.timers.begin();
        let now = Now::look();
        Box::new(Self {
            record: client.record(client.peer(listener), now),
            slot: None,
            lease: None,
            flight: None,
            client: client.clone(),
            start: now,
            now,
            ended: None,
            handed_over: false,
            tunnel: false,
            orders_seen: 0,
        })
    }

    /// It is known what is asked for, by whom, and what becomes of it by the table of this revision.
    pub fn resolved(
        &mut self,
        head: &RequestHead,
        resolution: &Resolution<'_>,
        listener: &Listener,
        revision: u64,
    ) {
        let worker = &self.client.worker;
        let span = worker.telemetry.span(&head.parts.headers, &worker.rng);
        self.record.asked(head.client, &head.id, &head.host, &head.parts, span);
        self.record.shows_why = listener.shows_why(head.client);
        if let Some(rule) = resolution.rule() {
            self.record.decision.ruled(revision, rule.index);
        }
        if let Resolution::Cluster(to) | Resolution::HandOff(to, _) = resolution {
            self.record.leads_to(to.cluster, &to.reading, to.unclaimed.clone());
            if let Some(text) = &to.unclaimed {
                self.record.note = format!("unknown-route:{text}").into();
            }
            warn_of_unclaimed(to, self.now);
        }
    }

    /// Tells in the answer why its node was chosen, if it is to tell.
    pub fn show_why(&self, headers: &mut HeaderMap) {
        if let Some(why) = self.record.why_shown() {
            headers.insert(WHY, why);
        }
    }

    /// The tunnel that follows takes over the record, the place and the clock.
    pub fn hand_over(&mut self, status: u16) -> Box<Self> {
        self.handed_over = true;
        self.client.timers.begin();
        let mut record =
            std::mem::replace(&mut self.record, self.client.record(&self.client.direct, self.now));
        record.decision.status = status;
        if let Some(cluster) = &record.cluster {
            cluster.traffic.tunnel_opened();
        }
        let slot = self.slot.take();
        let client = self.client.clone();
        Box::new(Self {
            record,
            slot,
            lease: None,
            flight: self.flight.take(),
            client,
            start: self.start,
            now: self.now,
            ended: None,
            handed_over: false,
            tunnel: true,
            orders_seen: self.orders_seen,
        })
    }

    /// From now on it is a request of this session, which is in use while it lasts.
    pub fn carry(&mut self, cluster: &Cluster, session: &OpenSession) {
        let flights = &self.client.worker.flights;
        self.flight.take().into_iter().for_each(|flight| flights.forget(flight));
        self.flight = session.live().map(|id| flights.begin(&cluster.live, id, self.now));
        self.record.decision.session = session.live().unwrap_or_default();
        self.orders_seen = cluster.live.orders.given();
    }

    /// Its session goes on by this id, or is over.
    pub fn carry_on(&mut self, session: Option<u64>) {
        let Some(flight) = self.flight.take() else { return };
        match session {
            Some(id) => {
                self.client.worker.flights.rename(&flight, id);
                self.record.decision.session = id;
                self.flight = Some(flight);
            }
            None => self.client.worker.flights.forget(flight),
        }
    }

    /// Looks at the clock again.
    pub fn look(&mut self) -> Now {
        self.now = Now::look();
        self.now
    }

    /// Gives up its place at the node, if it has one.
    pub fn leave_slot(&mut self, now: Now) {
        if let Some(slot) = self.slot.take() {
            slot.leave(now);
        }
    }

    /// Milliseconds from its beginning to the latest look at the clock.
    pub fn elapsed_ms(&self) -> f64 {
        self.now.since(self.start).as_secs_f64() * 1000.0
    }

    /// The answer is through.
    pub fn finish(mut self: Box<Self>) {
        let now = Now::look();
        self.ended = Some(now);
        if let Some(lease) = &mut self.lease {
            lease.give_back(now);
        }
    }

    /// What the request waited for when its client left: its own body, a place, or the answer.
    fn given_up(&self) -> Termination {
        match (self.record.has_node(), &self.slot) {
            (false, _) => Termination::ClientRequest,
            (true, None) => Termination::ClientQueue,
            (true, Some(_)) => Termination::ClientHeaders,
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let now = self.ended.unwrap_or_else(Now::look);
        if let Some(flight) = self.flight.take() {
            self.client.worker.flights.end(flight, self.record.cluster.as_deref(), now);
        }
        self.client.timers.end(now);
        if self.handed_over {
            return;
        }
        if self.record.decision.status == 0 {
            // nginx's word for a client that did not wait for the answer
            self.record.decision.status = 499;
            self.record.ended = self.given_up();
        }
        if let Some(cluster) = self.record.cluster.as_ref().filter(|_| self.tunnel) {
            cluster.traffic.tunnel_closed();
        }
        self.client.worker.telemetry.end(
            &self.record,
            &self.client.facts(),
            now.since(self.start),
            self.tunnel,
        );
        self.leave_slot(now);
    }
}

/// Says once of each route that clients name and no node has, what to do about it.
fn warn_of_unclaimed(to: &Destination<'_>, now: Now) {
    let Destination { cluster, reading, .. } = to;
    let Some(text) = to.unclaimed.as_ref().filter(|text| cluster.live.warned.is_first(text, now.ms())) else {
        return;
    };
    let (source, routes) =
        (cluster.affinity.source(&reading.gist()).unwrap_or_default(), cluster.roster.routes());
    if cluster.affinity.seals() && !reading.is_foreign() {
        return tracing::warn!(
            "cluster {}: {source} pins sessions to node {text}, which is not in it any more: they are placed anew",
            cluster.name
        );
    }
    tracing::warn!(
        "cluster {}: {source} says \"{text}\", which names no node: such sessions are placed anew; the routes that nodes have: {routes}; \
         if one of them is meant, give it route = \"{text}\"",
        cluster.name
    );
}
