//! Answers on their way to the client: those of nodes, and our own.

use super::client::Client;
use super::flights::Flight;
use super::line::Line;
use super::session::Session;
use super::slot::RequestSlot;
use crate::base::clock::{self, Now};
use crate::table::{Cluster, Listener};
use crate::transport::content::{Content, ContentError};
use crate::upstream::send::Lease;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Where an answer comes from.
pub enum Reply {
    /// A node, with the time limit between parts of its body.
    Node(Response<Content>, Duration),
    /// Ourselves.
    Own(Response<Bytes>),
}

/// The body of an answer. Its end, or its drop, ends the request: the line is logged and the node's place given up.
pub struct AnswerBody {
    source: Source,
    trail: Option<Box<Trail>>,
}

enum Source {
    Empty,
    Held(Bytes),
    Node(Content, Flow),
}

/// The time limit between two parts of an answer; the timer is made when a part is first waited for.
struct Flow {
    limit: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

/// What goes along with a request to its end.
pub struct Trail {
    /// The line that will be logged.
    pub record: Line,
    /// Its place at the node.
    pub slot: Option<RequestSlot>,
    /// Its connection to the node.
    pub lease: Option<Lease>,
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
}

impl Trail {
    /// A request begins.
    pub fn begin(client: &Rc<Client>, listener: &Listener) -> Box<Self> {
        client.timers.begin();
        let now = Now::look();
        Box::new(Self {
            record: Line::begin(client, client.peer(listener).at, now),
            slot: None,
            lease: None,
            flight: None,
            client: client.clone(),
            start: now,
            now,
            ended: None,
            handed_over: false,
            tunnel: false,
        })
    }
    /// The tunnel that follows takes over the line, the place and the clock.
    pub fn hand_over(&mut self, status: u16) -> Box<Self> {
        self.handed_over = true;
        self.client.timers.begin();
        let mut record = std::mem::replace(&mut self.record, Line::begin(&self.client, self.client.direct.at, self.now));
        record.status = status;
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
        })
    }
    /// From now on it is a request of this session, which is in use while it lasts.
    pub fn carry(&mut self, cluster: &Cluster, session: &Session) {
        let flights = &self.client.worker.flights;
        self.flight.take().into_iter().for_each(|flight| flights.forget(flight));
        self.flight = session.live().map(|id| flights.begin(&cluster.live, id, self.now));
    }
    /// Its session goes on by this id, or is over.
    pub fn carry_on(&mut self, session: Option<u64>) {
        let Some(flight) = self.flight.take() else { return };
        match session {
            Some(id) => {
                self.client.worker.flights.rename(&flight, id);
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
    /// Milliseconds from its beginning to the latest look at the clock.
    pub fn elapsed_ms(&self) -> f64 {
        self.now.since(self.start).as_secs_f64() * 1000.0
    }
    /// The answer is through.
    fn finish(mut self: Box<Self>) {
        let now = Now::look();
        self.ended = Some(now);
        if let Some(lease) = &mut self.lease {
            lease.give_back(now);
        }
    }
    /// What the request waited for when its client left: its own body, a place, or the answer.
    fn given_up(&self) -> [u8; 2] {
        match (self.record.has_node(), &self.slot) {
            (false, _) => *b"CR",
            (true, None) => *b"CQ",
            (true, Some(_)) => *b"CH",
        }
    }
    /// The client's connection.
    pub fn client(&self) -> &Rc<Client> {
        &self.client
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        let now = self.ended.unwrap_or_else(Now::look);
        if let Some(flight) = self.flight.take() {
            self.client.worker.flights.end(flight, self.record.cluster.as_deref(), now);
        }
        self.client.timers.end(now);
        if self.handed_over {
            return;
        }
        if self.record.status == 0 {
            // nginx's word for a client that did not wait for the answer
            self.record.status = 499;
            self.record.ended = self.given_up();
        }
        if let Some(cluster) = self.record.cluster.as_ref().filter(|_| self.tunnel) {
            cluster.traffic.tunnel_closed();
        }
        self.record.end(&self.client, now.since(self.start), self.tunnel);
    }
}

impl AnswerBody {
    /// A body of our own.
    pub fn held(bytes: Bytes, trail: Box<Trail>) -> Self {
        Self { source: if bytes.is_empty() { Source::Empty } else { Source::Held(bytes) }, trail: Some(trail) }
    }

    /// A node's body.
    pub fn node(body: Content, limit: Duration, mut trail: Box<Trail>) -> Self {
        if body.is_end_stream() {
            if let Some(lease) = &mut trail.lease {
                lease.give_back(trail.now);
            }
            trail.slot = None;
            return Self { source: Source::Empty, trail: Some(trail) };
        }
        Self { source: Source::Node(body, Flow { limit, alarm: None, waiting: false }), trail: Some(trail) }
    }

    /// The answer is through.
    fn finish(&mut self) {
        if let Some(trail) = self.trail.take() {
            trail.finish();
        }
    }

    /// The answer is not through and goes no further.
    fn break_off(&mut self, ended: &[u8; 2]) {
        if let Some(mut trail) = self.trail.take() {
            trail.record.note = "answer-broken-off".into();
            trail.record.ended = *ended;
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        match &self.source {
            Source::Node(body, _) if !body.is_end_stream() => self.break_off(b"CD"),
            _ => self.finish(),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match &mut this.source {
            Source::Empty => {
                this.finish();
                Poll::Ready(None)
            }
            Source::Held(bytes) => {
                let bytes = std::mem::take(bytes);
                this.source = Source::Empty;
                if let Some(trail) = &mut this.trail {
                    trail.record.bytes += bytes.len() as u64;
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Source::Node(body, flow) => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    flow.waiting = false;
                    if let (Some(data), Some(trail)) = (frame.data_ref(), &mut this.trail) {
                        trail.record.bytes += data.len() as u64;
                    }
                    Poll::Ready(Some(Ok(frame)))
                }
                Poll::Ready(Some(Err(error))) => {
                    this.break_off(b"SD");
                    Poll::Ready(Some(Err(error)))
                }
                Poll::Ready(None) => {
                    this.finish();
                    Poll::Ready(None)
                }
                Poll::Pending if flow.is_over(cx) => {
                    this.break_off(b"sD");
                    Poll::Ready(Some(Err("the node sent nothing within the response timeout".into())))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Held(bytes) => bytes.is_empty(),
            Source::Node(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Held(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Node(body, _) => body.size_hint(),
        }
    }
}

impl Flow {
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = clock::timer_instant() + self.limit;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !self.waiting {
            self.waiting = true;
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx).is_ready()
    }
}

/// An answer that we give in place of a node.
#[derive(Debug)]
pub struct Refused {
    /// Its status.
    pub status: StatusCode,
    /// What happened and what to do next, for the person who reads it.
    pub message: &'static str,
    /// When to try again, in seconds.
    pub retry_after: Option<u32>,
    /// For the log.
    pub note: String,
    /// How it ended, as HAProxy abbreviates it.
    pub ended: [u8; 2],
    /// The cluster's own page.
    pub page: Option<Bytes>,
}

impl Refused {
    /// A plain refusal.
    pub fn new(status: StatusCode, message: &'static str) -> Self {
        Self { status, message, retry_after: None, note: String::new(), ended: *b"PR", page: None }
    }
    /// With what goes into the log.
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
    /// With how it ended, where we are not the ones who refuse it.
    pub fn ended(self, ended: &[u8; 2]) -> Self {
        Self { ended: *ended, ..self }
    }
    /// With when to try again.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// As an answer.
    pub fn into_response(self, mut trail: Box<Trail>) -> Response<AnswerBody> {
        (trail.record.status, trail.record.ended) = (self.status.as_u16(), self.ended);
        if !self.note.is_empty() {
            trail.record.note = self.note.into();
        }
        let (html, id) = (self.page.is_some(), &trail.record.id);
        let body = self.page.unwrap_or_else(|| Bytes::from(format!("{} {}\nRequest {id}\n", self.status.as_u16(), self.message)));
        let mut response = Response::new(AnswerBody::held(body, trail));
        *response.status_mut() = self.status;
        let kind = if html { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
