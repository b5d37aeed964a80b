//! HTTP/1 towards clients: one request after the other. Between two of them nothing is held but the socket.

use super::date;
use super::leaving::Leaving;
use crate::base::clock::Now;
use crate::proxy::answer::AnswerBody;
use crate::proxy::client::Client;
use crate::proxy::interim::InterimSink;
use crate::proxy::worker::HeldTable;
use crate::proxy::{exchange, headers};
use crate::transport::http1::{H1Body, H1Connection, NoHead, Upgraded};
use crate::transport::message_body::MessageBody;
use crate::transport::sending::Sending;
use crate::transport::tunnel::End;
use crate::wire::http1::request::{self, Head};
use crate::wire::http1::{Framing, Malformed, line, response};
use http::response::Parts;
use http::{Method, Request, Response, StatusCode, Version, header};
use http_body::Body;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::oneshot;

/// What is read of a body that nobody wanted, so that the connection can be kept.
const FORGOTTEN: usize = 256 << 10;
/// How long what a client still sends is read after it was told that its connection ends, and how long it may
/// be silent: closing at once would take the answer away from it.
const LINGER: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(2));

/// What becomes of a connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It takes the next request.
    Next,
    /// It is closed. True: the client may still be sending.
    Close(bool),
    /// It is gone, or somebody else's by now.
    Gone,
}

/// Serves requests until the connection is through. `ending`: no more than those that have come.
pub async fn serve(connection: Rc<H1Connection>, client: Rc<Client>, ending: &Cell<bool>) {
    let mut served = false;
    let sending = loop {
        let most = || client.listener_in(&client.worker.table()).conf.max_header_size.get();
        let head = poll_fn(|cx| match connection.poll_head(cx, most) {
            Poll::Ready(head) => Poll::Ready(Some(head)),
            // one that was just opened has its first request on the way
            Poll::Pending if ending.get() && served && !connection.is_in_head() => Poll::Ready(None),
            Poll::Pending => {
                if connection.is_in_head() {
                    client.timers.begin_head();
                }
                Poll::Pending
            }
        });
        let Some(head) = head.await else { break false };
        // the table in force when the head is there is that of the request
        let table = client.worker.table();
        let head = match head {
            Ok(head) => request::parse(&head, client.listener_in(&table).conf.max_headers.into()),
            Err(NoHead::Malformed(why)) => Err(why),
            Err(_) if connection.is_in_head() => Err(Malformed::CutShort),
            Err(NoHead::Closed | NoHead::Broken | NoHead::Failed(_)) => return,
        };
        let head = match head {
            Ok(head) => head,
            Err(why) => return Box::pin(refuse(&connection, &client, why)).await,
        };
        // its state lives on the heap, so that an idle connection does not pay for it
        match Box::pin(exchange(&connection, &client, table, head, ending)).await {
            After::Next => served = true,
            After::Close(sending) => break sending,
            After::Gone => return,
        }
    };
    Box::pin(close(&connection, &client, sending)).await;
}

/// Answers what is no request, and ends the connection: nobody knows where the next would begin.
pub async fn refuse(connection: &Rc<H1Connection>, client: &Rc<Client>, why: Malformed) {
    let response = exchange::refuse(client, why, None);
    let asked = Asked { headless: false, version: Version::HTTP_11, keep_alive: false };
    let ending = Cell::new(true);
    let told = answer(connection, client, response, &asked, Leaving::default(), &ending);
    // the client may be gone
    if tokio::time::timeout(LINGER.1, told).await.is_ok() {
        // who is late has sent nothing more that could take the answer away, or drips on
        close(connection, client, why != Malformed::Late).await;
    }
}

async fn close(connection: &H1Connection, client: &Client, sending: bool) {
    if !sending && !connection.is_tls() {
        // closing it says all there is to say; what came behind the request is read first, since it would
        // reset the connection
        let _ = connection.poll_end(&mut Context::from_waker(Waker::noop()));
        return;
    }
    let told = tokio::time::timeout(LINGER.1, poll_fn(|cx| connection.poll_shutdown(cx))).await;
    if sending && matches!(told, Ok(Ok(()))) {
        if connection.has_reader() {
            rest(connection, client, &mut 1, &Cell::new(false)).await;
        }
        connection.abandon_body();
        let linger = async {
            while let Ok(true) =
                tokio::time::timeout(LINGER.1, poll_fn(|cx| connection.poll_forget(cx))).await
            {}
        };
        let _ = tokio::time::timeout(LINGER.0, linger).await;
    }
}

/// Waits for the rest of a request's body, within the limits of a request. True if it is through, and the
/// next may come.
async fn rest(connection: &H1Connection, client: &Client, left: &mut usize, ending: &Cell<bool>) -> bool {
    client.timers.begin();
    // the answer is through, so that only the client is waited for
    client.timers.pace.body.may_pause(false);
    let through = poll_fn(|cx| match connection.poll_rest(cx, left) {
        // within a body nobody sends another request: closing takes none away
        Poll::Pending if ending.get() && !connection.has_reader() => Poll::Ready(false),
        polled => polled,
    })
    .await;
    client.timers.end(Now::look());
    through
}

async fn exchange(
    connection: &Rc<H1Connection>,
    client: &Rc<Client>,
    table: HeldTable,
    head: Head,
    ending: &Cell<bool>,
) -> After {
    let Head { parts, framing, keep_alive } = head;
    let asked = Asked { headless: parts.method == Method::HEAD, version: parts.version, keep_alive };
    let waits = framing != Framing::None
        && parts.version > Version::HTTP_10
        && headers::expects_continue(&parts.headers);
    connection.begin_body(framing, waits);
    let body = match framing {
        Framing::None => MessageBody::Empty,
        _ => MessageBody::H1(H1Body::new(connection.clone())),
    };
    let (give, handover) = parts.headers.contains_key(header::UPGRADE).then(oneshot::channel).unzip();
    let request = Request::from_parts(parts, body);
    let mut leaving = Leaving::default();
    let response = {
        let mut served = pin!(exchange::serve(
            client.clone(),
            table,
            InterimSink::H1(connection.clone()),
            handover,
            request
        ));
        poll_fn(|cx| match served.as_mut().poll(cx) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => leaving.poll(cx, connection, client).map(|()| None),
        })
        .await
    };
    let Some(response) = response else { return After::Gone };
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let after = answer(connection, client, response, &asked, leaving, ending).await;
    match give {
        Some(give) if switching && after == After::Next => {
            drop(give.send(Box::new(Upgraded::new(connection.clone())) as End));
            After::Gone
        }
        _ => after,
    }
}

/// What an answer's form depends on.
struct Asked {
    headless: bool,
    version: Version,
    keep_alive: bool,
}

async fn answer(
    connection: &Rc<H1Connection>,
    client: &Client,
    response: Response<AnswerBody>,
    asked: &Asked,
    mut leaving: Leaving,
    ending: &Cell<bool>,
) -> After {
    let (mut head, body) = response.into_parts();
    let framing = framing(&mut head, &body, asked);
    head.version = asked.version;
    let closes =
        head.headers.remove(header::CONNECTION).filter(|_| head.status != StatusCode::SWITCHING_PROTOCOLS);
    // what was not asked for is not asked for any more, and the client may send it or not
    let unwanted = connection.is_body_unwanted(FORGOTTEN);
    let last =
        !asked.keep_alive || framing == Framing::UntilClose || ending.get() || closes.is_some() || unwanted;
    let says = match () {
        () if head.status == StatusCode::SWITCHING_PROTOCOLS => Some("upgrade"),
        () if last => Some("close"),
        () if asked.version == Version::HTTP_10 => Some("keep-alive"),
        () => None,
    };
    connection.queue(|out| {
        response::write(out, &head, framing);
        finish_head(out, &head, says);
    });
    drop(head);
    let mut sending = Sending::new(body, framing);
    let mut left = if unwanted { 0 } else { FORGOTTEN };
    let sent = poll_fn(|cx| match sending.poll(cx, connection) {
        Poll::Ready(Ok(())) => Poll::Ready(true),
        Poll::Ready(Err(_)) => {
            // to hear nothing at all reads as if the request had not come, and browsers send it again
            let _ = connection.poll_flush(cx);
            Poll::Ready(false)
        }
        // a client that sends all before it reads takes nothing of the answer until then
        Poll::Pending => match connection.poll_rest(cx, &mut left) {
            Poll::Ready(true) => leaving.poll(cx, connection, client).map(|()| false),
            _ => Poll::Pending,
        },
    });
    match sent.await {
        false => After::Gone,
        true if last => After::Close(!connection.is_body_done()),
        true if connection.is_body_done() || Box::pin(rest(connection, client, &mut left, ending)).await => {
            After::Next
        }
        true => After::Close(true),
    }
}

/// How the body is framed for this client.
fn framing(head: &mut Parts, body: &AnswerBody, asked: &Asked) -> Framing {
    let length = body.size_hint().exact();
    if head.status == StatusCode::NO_CONTENT || head.status.is_informational() {
        head.headers.remove(header::CONTENT_LENGTH);
        return Framing::None;
    }
    if asked.headless || head.status == StatusCode::NOT_MODIFIED {
        if let (true, Some(length @ 1..)) = (asked.headless, length) {
            head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
        }
        return Framing::None;
    }
    match length {
        Some(length) => Framing::Length(length),
        None if asked.version == Version::HTTP_10 => Framing::UntilClose,
        None => Framing::Chunked,
    }
}

/// Writes what every head ends with.
fn finish_head(out: &mut Vec<u8>, head: &Parts, connection: Option<&str>) {
    if !head.headers.contains_key(header::DATE) {
        line(out, b"date", date::now().as_bytes());
    }
    if let Some(connection) = connection {
        line(out, b"connection", connection.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
