//! HTTP/2 towards clients, on the `h2` crate itself: every stream a task of its own.

use super::client_io::ClientIo;
use super::date;
use super::uploads::Uploads;
use crate::proxy::answer::AnswerBody;
use crate::proxy::client::Client;
use crate::proxy::interim::InterimSink;
use crate::proxy::{exchange, headers};
use crate::table::Listener;
use crate::transport::h2::{Tunnel, send_body};
use crate::transport::http1::Side;
use crate::transport::message_body::MessageBody;
use crate::transport::receiving::{Receiving, Taking};
use crate::transport::tunnel::End;
use crate::wire::http2 as wire;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// What a stream may have ready to be sent.
const SEND_BUFFER: usize = 256 << 10;

/// A client's connection: takes requests until it ends.
pub struct ClientConnection {
    streams: h2::server::Connection<ClientIo, Bytes>,
    uploads: Uploads,
    client: Rc<Client>,
}

impl ClientConnection {
    /// Opens one: the client's preface was seen, or agreed on by TLS.
    pub async fn open(io: ClientIo, conf: &Listener, client: Rc<Client>) -> Result<Self, h2::Error> {
        let mut builder = h2::server::Builder::new();
        let uploads = Uploads::begin(&mut builder, &client.worker.uploads);
        let streams = builder
            .max_concurrent_streams(conf.conf.max_streams)
            .max_header_list_size(conf.conf.max_header_size.get().min(u32::MAX as usize) as u32)
            .max_send_buffer_size(SEND_BUFFER)
            .enable_connect_protocol()
            .handshake(io)
            .await?;
        Ok(Self { streams, uploads, client })
    }

    /// Takes no more requests (GOAWAY), and ends when those under way are through.
    pub fn graceful_shutdown(&mut self) {
        self.streams.graceful_shutdown();
    }
}

impl Future for ClientConnection {
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            while let Poll::Ready(accepted) = this.streams.poll_accept(cx) {
                let Some(accepted) = accepted else { return Poll::Ready(Ok(())) };
                let (request, respond) = accepted?;
                let upload = (!request.body().is_end_stream()).then(|| this.uploads.welcome());
                tokio::task::spawn_local(serve(this.client.clone(), request, respond, upload));
            }
            if !this.uploads.update(&mut this.streams, cx) {
                return Poll::Pending;
            }
        }
    }
}

/// Serves one stream. Its errors are the client's, who has reset it or is gone.
async fn serve(
    client: Rc<Client>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    upload: Option<Rc<dyn Taking>>,
) {
    let table = client.worker.table();
    let limits = &client.listener_in(&table).conf;
    let (patience, most) = (limits.idle_timeout.get(), limits.max_headers.into());
    let headless = request.method() == Method::HEAD;
    let (mut parts, stream) = request.into_parts();
    if let Err(why) = wire::request(&mut parts, most) {
        // RFC 9113 section 8.2.1: an error of the stream, told with a status; the client's other requests go on
        let response = exchange::refuse(&client, why, Some(&parts));
        return told(answer(respond, response, headless, None, patience).await);
    }
    let (respond, receiving) = (Rc::new(RefCell::new(respond)), Receiving::new(stream, upload));
    // the bytes behind an extended CONNECT are no body, but a tunnel's if the answer agrees to it
    let (body, tunnel, handover) = match parts.method == Method::CONNECT {
        true => {
            let (give, handover) = oneshot::channel();
            (MessageBody::Empty, Some((give, receiving)), Some(handover))
        }
        false => {
            let body = MessageBody::stream(Side::Client, &parts.headers, receiving);
            (body.timed_by(|| client.timers.begin_upload()), None, None)
        }
    };
    let response = {
        let mut served = pin!(exchange::serve(
            client,
            table,
            InterimSink::H2(respond.clone()),
            handover,
            Request::from_parts(parts, body)
        ));
        poll_fn(|cx| match served.as_mut().poll(cx) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            // reset by the client, who does not want the answer any more
            Poll::Pending => respond.borrow_mut().poll_reset(cx).map(|_| None),
        })
        .await
    };
    // the exchange is over, and its share with it
    if let (Some(response), Some(respond)) = (response, Rc::into_inner(respond)) {
        told(answer(respond.into_inner(), response, headless, tunnel, patience).await);
    }
}

/// The client has reset the stream, or is gone.
fn told(answered: Result<(), h2::Error>) {
    if let Err(error) = answered {
        tracing::debug!("HTTP/2 stream: {error}");
    }
}

type Tunnelled = (oneshot::Sender<End>, Receiving);

async fn answer(
    mut respond: SendResponse<Bytes>,
    response: Response<AnswerBody>,
    headless: bool,
    tunnel: Option<Tunnelled>,
    patience: Duration,
) -> Result<(), h2::Error> {
    let (mut head, body) = response.into_parts();
    headers::strip_hop_by_hop(&mut head.headers);
    head.headers.entry(header::DATE).or_insert_with(date::now);
    if let Some((give, receiving)) = tunnel
        && head.status.is_success()
    {
        if give.is_closed() {
            // the node has answered, but not switched: to the client a success would be a tunnel
            head.status = StatusCode::BAD_GATEWAY;
            return respond.send_response(Response::from_parts(head, ()), true).map(drop);
        }
        let send = respond.send_response(Response::from_parts(head, ()), false)?;
        drop(give.send(Box::new(Tunnel::new(send, receiving))));
        return Ok(());
    }
    match head.status {
        // RFC 9110 section 8.6
        StatusCode::NO_CONTENT => drop(head.headers.remove(header::CONTENT_LENGTH)),
        _ => announce_length(&mut head.headers, &body),
    }
    let end = headless || body.is_end_stream();
    let stream = respond.send_response(Response::from_parts(head, ()), end)?;
    match end {
        true => Ok(()),
        false => send_body(body, stream, patience).await,
    }
}

fn announce_length(headers: &mut HeaderMap, body: &AnswerBody) {
    if !body.is_end_stream()
        && let Some(length) = body.size_hint().exact()
    {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}
