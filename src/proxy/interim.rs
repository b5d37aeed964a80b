//! Interim answers on their way to the client. No answer ever waits for them.

use super::headers;
use crate::transport::http1::H1Connection;
use crate::upstream::interim::Interim;
use crate::wire::http1::{Framing, response};
use bytes::Bytes;
use h2::server::SendResponse;
use http::{Response, StatusCode, Version, header};
use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

/// How a client is told of interim answers.
#[derive(Clone)]
pub enum InterimSink {
    /// Not at all.
    Untold,
    /// Over HTTP/1.1.
    H1(Rc<H1Connection>),
    /// Over HTTP/2.
    H2(Rc<RefCell<SendResponse<Bytes>>>),
}

impl InterimSink {
    /// The way for a request of this version.
    pub fn of(&self, version: Version) -> &Self {
        // HTTP/1.0 knows no interim answers (RFC 9110 section 15.2)
        if version < Version::HTTP_11 { &Self::Untold } else { self }
    }

    /// Passes one on.
    pub async fn pass_on(&self, mut interim: Interim) {
        headers::strip_hop_by_hop(&mut interim.headers);
        // a cookie set here would pass by the affinity that reads and writes the final answer's
        for name in [header::CONTENT_LENGTH, header::SET_COOKIE] {
            interim.headers.remove(name);
        }
        match self {
            Self::Untold => {}
            // said when the body is first asked for
            Self::H1(_) if interim.status == StatusCode::CONTINUE => {}
            Self::H1(connection) => {
                let mut head = Response::new(()).into_parts().0;
                (head.status, head.headers) = (interim.status, interim.headers);
                connection.queue(|out| {
                    response::write(out, &head, Framing::None);
                    out.extend_from_slice(b"\r\n");
                });
                // what the socket does not take at once goes out with the answer
                let _ = connection.poll_flush(&mut Context::from_waker(Waker::noop()));
            }
            Self::H2(respond) => {
                let mut head = Response::new(());
                (*head.status_mut(), *head.headers_mut()) = (interim.status, interim.headers);
                // refused when the client has reset the stream, which ends the exchange anyway
                let _ = respond.borrow_mut().send_informational(head);
            }
        }
    }
}
