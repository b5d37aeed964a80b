//! Answers on their way to the client: those of nodes, and our own.

use super::open_request::{OpenRequest, WHY};
use super::refused::Refused;
use crate::base::clock;
use crate::telemetry::termination::Termination;
use crate::transport::MessageBodyError;
use crate::transport::message_body::MessageBody;
use crate::wire::protocol::ClientProtocol;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Where an answer comes from.
pub enum Reply {
    /// A node, with the time limit between parts of its body.
    Node(Response<MessageBody>, Duration),
    /// Ourselves.
    Own(Response<Bytes>),
}

/// What the client is given. The request is over with the answer's body.
pub fn answer(
    served: Result<Reply, Refused>,
    mut request: Box<OpenRequest>,
    protocol: ClientProtocol,
) -> Response<AnswerBody> {
    let record = &mut request.record;
    match served {
        Ok(Reply::Node(response, limit)) => {
            record.decision.status = response.status().as_u16();
            response.map(|body| AnswerBody::node(body, limit, request))
        }
        Ok(Reply::Own(mut response)) => {
            (record.decision.status, record.ended) = (response.status().as_u16(), Termination::Local);
            request.show_why(response.headers_mut());
            response.map(|body| AnswerBody::held(body, request))
        }
        Err(refused) => {
            let why = record.why_shown();
            let mut response = refusal(refused, request);
            why.into_iter().for_each(|why| drop(response.headers_mut().insert(WHY, why)));
            // what follows may be no request, but what a tunnel would have carried
            let unclear =
                matches!(response.status(), StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED);
            if protocol == ClientProtocol::Http1 && unclear {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    }
}

/// The body of an answer. Its end, or its drop, ends the request.
pub struct AnswerBody {
    source: Source,
    request: Option<Box<OpenRequest>>,
}

enum Source {
    Empty,
    Held(Bytes),
    Node(MessageBody, Flow),
}

/// The time limit between two parts of an answer; the timer is made when a part is first waited for.
struct Flow {
    limit: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl AnswerBody {
    /// A body of our own.
    pub fn held(bytes: Bytes, request: Box<OpenRequest>) -> Self {
        Self {
            source: if bytes.is_empty() { Source::Empty } else { Source::Held(bytes) },
            request: Some(request),
        }
    }

    /// A node's body.
    pub fn node(body: MessageBody, limit: Duration, mut request: Box<OpenRequest>) -> Self {
        if body.is_end_stream() {
            if let Some(lease) = &mut request.lease {
                lease.give_back(request.now);
            }
            request.leave_slot(request.now);
            return Self { source: Source::Empty, request: Some(request) };
        }
        Self {
            source: Source::Node(body, Flow { limit, alarm: None, waiting: false }),
            request: Some(request),
        }
    }

    /// The answer is through.
    fn finish(&mut self) {
        if let Some(request) = self.request.take() {
            request.finish();
        }
    }

    /// The answer is not through and goes no further.
    fn break_off(&mut self, ended: Termination) {
        if let Some(mut request) = self.request.take() {
            request.record.note = "answer-broken-off".into();
            request.record.ended = ended;
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        match &self.source {
            Source::Node(body, _) if !body.is_end_stream() => self.break_off(Termination::ClientData),
            _ => self.finish(),
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = MessageBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match &mut this.source {
            Source::Empty => {
                this.finish();
                Poll::Ready(None)
            }
            Source::Held(bytes) => {
                let bytes = std::mem::take(bytes);
                this.source = Source::Empty;
                if let Some(request) = &mut this.request {
                    request.record.bytes += bytes.len() as u64;
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Source::Node(body, flow) => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    flow.waiting = false;
                    if let (Some(data), Some(request)) = (frame.data_ref(), &mut this.request) {
                        request.record.bytes += data.len() as u64;
                    }
                    Poll::Ready(Some(Ok(frame)))
                }
                Poll::Ready(Some(Err(error))) => {
                    this.break_off(Termination::ServerData);
                    Poll::Ready(Some(Err(error)))
                }
                Poll::Ready(None) => {
                    this.finish();
                    Poll::Ready(None)
                }
                Poll::Pending if flow.is_over(cx) => {
                    this.break_off(Termination::ServerDataTimeout);
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

/// The answer in place of a node's.
fn refusal(refused: Refused, mut request: Box<OpenRequest>) -> Response<AnswerBody> {
    let record = &mut request.record;
    (record.decision.status, record.ended) = (refused.status.as_u16(), refused.ended);
    if !refused.note.is_empty() {
        record.note = refused.note;
    }
    let (html, id, status) = (refused.page.is_some(), &record.decision.id, refused.status);
    let body = refused
        .page
        .unwrap_or_else(|| Bytes::from(format!("{} {}\nRequest {id}\n", status.as_u16(), refused.message)));
    let mut response = Response::new(AnswerBody::held(body, request));
    *response.status_mut() = status;
    let kind = if html { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = refused.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
