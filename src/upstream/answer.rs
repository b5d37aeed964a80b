//! What an exchange brings: the head of an answer, and the connection that its body comes over.

use super::body::Upload;
use super::link::Link;
use super::pool::Pool;
use super::streams::StreamSlot;
use super::usage::CountedConnection;
use crate::base::clock::Now;
use crate::transport::h2::Tunnel;
use crate::transport::http1::{H1Connection, Upgraded};
use crate::transport::message_body::MessageBody;
use crate::transport::tunnel::End;
use http::Response;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The head of an answer, and what its body needs.
pub struct NodeAnswer {
    /// The answer.
    pub response: Response<MessageBody>,
    /// Keeps the connection until the body is through.
    pub lease: ConnectionGuard,
    /// Milliseconds it took to connect; 0 on a kept connection.
    pub connect_ms: f64,
    /// How long a stream was waited for.
    pub queued: Option<Duration>,
}

/// A connection in use. Given back to the pool when the answer is through; dropped before that, it is closed.
pub struct ConnectionGuard {
    held: Held,
    link: Arc<Link>,
    pool: Rc<Pool>,
    upload: Option<Rc<Upload>>,
    max_idle: u32,
}

enum Held {
    Whole(Rc<H1Connection>, CountedConnection),
    Stream { _place: Rc<StreamSlot> },
    Tunnel(Tunnel),
    Nothing,
}

impl ConnectionGuard {
    /// Of a connection that nobody else uses. `max_idle` is 0 if it cannot serve again.
    pub(super) fn own(
        pool: &Rc<Pool>,
        link: &Arc<Link>,
        kept: (Rc<H1Connection>, CountedConnection),
        upload: Option<Rc<Upload>>,
        max_idle: u32,
    ) -> Self {
        Self { held: Held::Whole(kept.0, kept.1), link: link.clone(), pool: pool.clone(), upload, max_idle }
    }

    /// Of a stream on a connection that others use at the same time.
    pub(super) fn stream(
        pool: &Rc<Pool>,
        link: &Arc<Link>,
        place: Rc<StreamSlot>,
        upload: Option<Rc<Upload>>,
    ) -> Self {
        Self {
            held: Held::Stream { _place: place },
            link: link.clone(),
            pool: pool.clone(),
            upload,
            max_idle: 0,
        }
    }

    /// Of a stream that has become a tunnel.
    pub(super) fn tunnel(pool: &Rc<Pool>, link: &Arc<Link>, tunnel: Tunnel) -> Self {
        let (link, pool) = (link.clone(), pool.clone());
        Self { held: Held::Tunnel(tunnel), link, pool, upload: None, max_idle: 0 }
    }

    /// The answer is through: the connection may serve again, if the request is through as well.
    pub fn give_back(&mut self, now: Now) {
        if let Held::Whole(connection, open) = std::mem::replace(&mut self.held, Held::Nothing)
            && connection.is_reusable()
            && self.upload.as_ref().is_none_or(|u| u.is_done())
        {
            self.pool.put(&self.link, connection, open, self.max_idle, now);
        }
    }

    /// The connection or stream, if it has switched to another protocol.
    pub fn into_upgraded(mut self) -> Option<End> {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Whole(connection, _) => Some(Box::new(Upgraded::new(connection))),
            Held::Tunnel(tunnel) => Some(Box::new(tunnel)),
            Held::Stream { .. } | Held::Nothing => None,
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.end();
        }
    }
}
