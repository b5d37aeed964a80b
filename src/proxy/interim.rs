//! Interim answers on their way to the client. They are a courtesy: one that cannot be written at once is left out, so that
//! no answer ever waits for them.

use super::headers;
use crate::upstream::interim::Interim;
use bytes::Bytes;
use h2::server::SendResponse;
use http::{Response, StatusCode, Version, header};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a client is told of interim answers.
#[derive(Clone)]
pub enum Interims {
    /// Not at all.
    Untold,
    /// Over HTTP/1.1.
    H1(Arc<Outbox>),
    /// Over HTTP/2.
    H2(Rc<RefCell<SendResponse<Bytes>>>),
}

impl Interims {
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
            // hyper says it itself when the body is first asked for
            Self::H1(_) if interim.status == StatusCode::CONTINUE => {}
            Self::H1(outbox) => {
                outbox.put(&interim);
                // when this exchange waits, hyper writes what it still has and flushes: the place between two answers
                tokio::task::yield_now().await;
                outbox.take();
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

/// Where an exchange leaves an interim answer for its HTTP/1 connection's bytes, which hyper writes otherwise.
#[derive(Default)]
pub struct Outbox {
    full: AtomicBool,
    head: Mutex<Vec<u8>>,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves one to be written.
    pub fn put(&self, interim: &Interim) {
        let mut head = self.lock();
        let reason = interim.status.canonical_reason().unwrap_or_default();
        head.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", interim.status.as_u16()).as_bytes());
        for (name, value) in &interim.headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head.extend_from_slice(b"\r\n");
        self.full.store(true, Relaxed);
    }

    /// What is to be written now; only to be asked for between two answers.
    pub fn take(&self) -> Option<Vec<u8>> {
        let full = self.full.load(Relaxed);
        full.then(|| {
            self.full.store(false, Relaxed);
            std::mem::take(&mut *self.lock())
        })
    }
}
