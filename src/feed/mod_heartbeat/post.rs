//! Connections that a message is posted on.
//!
//! Served by hand because of what Tomcat does: behind the body it sends a line end that the length does not
//! count, and whoever closes the connection before that is read takes the answer away with it; and without an
//! answer its timer thread waits for ever. So every connection gets one answer, soon, and is closed in order.

use super::datagram_handler::{DatagramHandler, DatagramRejection};
use crate::control::members;
use crate::heartbeat::{datagram, post};
use crate::listen::{AcceptSocket, Peer};
use crate::serve::{ControlPlace, ControlPlaces, PlaceLimits};
use crate::transport::stream::Stream;
use crate::upstream::loop_marks;
use http::StatusCode;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Connections at one time; beyond it the one that has been there longest goes.
const PLACES: PlaceLimits = PlaceLimits { connections: 128, spare: 0 };
/// The longest a request may take, and its answer.
const LIMIT: Duration = Duration::from_secs(5);
/// How long the sender has to close once it is answered.
const LINGER: Duration = Duration::from_secs(1);

pub(super) async fn accept(listener: Rc<AcceptSocket>, handler: Rc<DatagramHandler>) {
    let start = |stream, peer: Peer, place: Option<Rc<ControlPlace>>| {
        if let Some(from) = peer.address().map(|peer| peer.ip()).filter(|from| handler.admits(*from)) {
            let (handler, held) = (handler.clone(), place.clone());
            let task = tokio::task::spawn_local(async move {
                connection(stream, from, &handler).await;
                drop(held);
            });
            place.iter().for_each(|place| place.is_served_by(task.abort_handle()));
        }
    };
    // closed by ending the task
    let places = ControlPlaces::new(PLACES);
    listener.accept_until(pending(), async || Some(places.enter().await), start).await;
}

async fn connection(mut stream: Stream, from: IpAddr, handler: &DatagramHandler) {
    let served = tokio::time::timeout(LIMIT, async {
        let answer = match request(&mut stream).await? {
            Ok(message) => match handler.handle(datagram::read_post(&message, from), from).await {
                Ok(mut known) => {
                    known.once_saved().await;
                    post::answer(StatusCode::OK, "OK")
                }
                Err(deaf) => post::answer(status_of(&deaf), &deaf.to_string()),
            },
            Err(refusal) => refusal.answer(),
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    });
    if let Ok(Ok(())) = served.await {
        // what was sent and not read makes the kernel reset the connection, and the answer with it
        let mut rest = [0; 512];
        let _ = tokio::time::timeout(LINGER, async {
            while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
        })
        .await;
    }
}

/// The message of the one request on a connection.
async fn request(stream: &mut Stream) -> io::Result<Result<Vec<u8>, post::PostRefusal>> {
    let mut received = Vec::with_capacity(512);
    let mut part = [0; 1024];
    loop {
        match post::read(&received) {
            // a client's, then, whatever address it comes from
            Ok(Some(_)) if loop_marks::strayed_in(&received) => {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            Ok(Some(message)) if received.len() >= message.end => return Ok(Ok(received[message].to_vec())),
            Ok(_) => {}
            Err(refusal) => return Ok(Err(refusal)),
        }
        match stream.read(&mut part).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => received.extend_from_slice(&part[..length]),
        }
    }
}

fn status_of(deaf: &DatagramRejection) -> StatusCode {
    match deaf {
        DatagramRejection::Malformed(_) | DatagramRejection::Refused(members::BeatRefusal::Misplaced(_)) => {
            StatusCode::BAD_REQUEST
        }
        DatagramRejection::Refused(members::BeatRefusal::Unknown(_)) => StatusCode::NOT_FOUND,
        DatagramRejection::Refused(members::BeatRefusal::Busy) => StatusCode::SERVICE_UNAVAILABLE,
        DatagramRejection::Refused(_) => StatusCode::CONFLICT,
    }
}
