//! One connection of HTTP/2 to a node, shared by as many requests at a time as both sides allow.

use super::dial::{self, NoConnection};
use super::failure::{ExchangeFailure, SendError};
use super::link::Link;
use super::usage::{CountedConnection, Usage};
use crate::base::clock::{self, Now};
use crate::transport::stream::Stream;
use crate::transport::window::{Admission, Bounds, LEAST, STREAMS, Share, Window};
use crate::wire::protocol::NodeProtocol;
use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::timeout_at;

/// What all answers of a connection together may have under way: the windows of its streams bound it, and a
/// client that does not read must not hold back the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How far the windows of answers grow.
const BOUNDS: Bounds =
    Bounds { start: LEAST, most: 1 << 20, sum: STREAMS as u64 * LEAST as u64, common: u64::MAX, steps: 4 };

/// What stands for the node's limit of streams before its SETTINGS are here: no number that they can say.
const UNTOLD: usize = usize::MAX - 1;

/// A connection that requests share.
pub struct SharedConnection {
    sender: RefCell<SendRequest<Bytes>>,
    pub(super) window: Window,
    /// The node's SETTINGS are here.
    told: Cell<bool>,
    /// It takes no more requests; those under way are finished.
    over: Cell<bool>,
    served: Cell<bool>,
    /// Its one request has it for itself.
    alone: Cell<bool>,
    /// When its last stream ended.
    rests_since: Cell<Now>,
}

impl SharedConnection {
    /// Opens one, and says what keeps it going. It is open when the node's SETTINGS are here, which say how
    /// many streams it takes. From a node that is late with them it may do with one.
    pub(super) async fn open(
        link: &Link,
        usage: &Usage,
        within: Duration,
    ) -> Result<(Rc<Self>, ConnectionDriver), SendError> {
        let by = clock::timer_instant() + within;
        let count = usage.mine();
        count.attempted();
        let socket = dial::dial(link, NodeProtocol::Http2, within).await?;
        let refused = |why: String| SendError::new(ExchangeFailure::Connect, why);
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(LEAST).initial_connection_window_size(CONNECTION_WINDOW);
        builder.initial_max_send_streams(UNTOLD).enable_push(false);
        // each costs its own request; the library would end the connection for their sum, under those who had
        // no part in it
        builder.max_local_error_reset_streams(None);
        let shaken =
            timeout_at(by, builder.handshake(socket)).await.map_err(|_| NoConnection::Late(within))?;
        let (sender, connection) = shaken.map_err(|e| refused(e.to_string()))?;
        let shared = Rc::new(Self {
            sender: RefCell::new(sender),
            window: Window::new(BOUNDS, Rc::default()),
            told: Cell::default(),
            over: Cell::default(),
            served: Cell::default(),
            alone: Cell::default(),
            rests_since: Cell::new(Now::look()),
        });
        let mut drive = ConnectionDriver { connection, _open: CountedConnection::new(count) };
        let told = poll_fn(|cx| match drive.poll(cx, Some(&shared)) {
            Poll::Ready(Ok(())) => {
                Poll::Ready(Err(refused("it was closed before the node's SETTINGS came".into())))
            }
            Poll::Ready(Err(why)) => Poll::Ready(Err(refused(format!("HTTP/2: {why}")))),
            Poll::Pending if shared.is_told() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        });
        timeout_at(by, told).await.unwrap_or(Ok(()))?;
        match shared.is_over() {
            true => Err(refused("the node takes no requests (GOAWAY)".into())),
            false => Ok((shared, drive)),
        }
    }

    /// To send a request with.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.borrow().clone()
    }

    /// Whether the node's SETTINGS are here.
    pub(super) fn is_told(&self) -> bool {
        self.told.get()
    }

    /// Whether WebSockets may be opened over it (RFC 8441), as soon as that is known.
    pub(super) fn takes_web_sockets(&self) -> Option<bool> {
        self.is_told().then(|| self.sender.borrow().is_extended_connect_protocol_enabled())
    }

    /// Streams that both sides allow.
    pub(super) fn width(&self) -> u32 {
        if !self.is_told() {
            return 1;
        }
        self.sender.borrow().current_max_send_streams().min(STREAMS as usize) as u32
    }

    /// Opens a stream, if there may be another one.
    pub(super) fn admit(&self) -> Admission {
        self.window.admit(self.width())
    }

    /// A stream has ended.
    pub(super) fn give_back(&self, share: &Share) {
        self.served.set(true);
        self.window.give_back(share);
        if self.window.streams() == 0 {
            self.rests_since.set(Now::look());
        }
    }

    /// How long it was used by nobody, if that is so.
    pub(super) fn rests(&self, now: Now) -> Option<Duration> {
        (self.window.streams() == 0).then(|| now.since(self.rests_since.get()))
    }

    /// The same of one that has served: the node may be about to close it.
    pub(super) fn idle(&self, now: Now) -> Option<Duration> {
        self.rests(now).filter(|_| self.served.get())
    }

    /// It has been used before, or is in use by others.
    pub(super) fn is_used(&self) -> bool {
        self.served.get() || self.window.streams() > 0
    }

    /// Whether its one request has it for itself: it takes no others beside it.
    pub(super) fn is_alone(&self) -> bool {
        self.alone.get()
    }

    /// Its one request has it for itself, or does not need that any more.
    pub(super) fn set_alone(&self, alone: bool) {
        self.alone.set(alone);
    }

    /// It takes no more requests.
    pub(super) fn retire(&self) {
        self.over.set(true);
    }

    /// Whether it takes no more requests.
    pub(super) fn is_over(&self) -> bool {
        // never pending: nobody has sent with this one
        self.over.get()
            || matches!(
                self.sender.borrow_mut().poll_ready(&mut Context::from_waker(Waker::noop())),
                Poll::Ready(Err(_))
            )
    }
}

/// What keeps a connection going.
pub(super) struct ConnectionDriver {
    connection: Connection<Stream, Bytes>,
    _open: CountedConnection,
}

impl ConnectionDriver {
    /// Reads, writes and sizes the windows; ready at its end.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: Option<&SharedConnection>,
    ) -> Poll<Result<(), h2::Error>> {
        loop {
            if let Poll::Ready(end) = Pin::new(&mut self.connection).poll(cx) {
                return Poll::Ready(end);
            }
            let Some(shared) = shared else { return Poll::Pending };
            if !shared.is_told() && self.connection.max_concurrent_send_streams() != UNTOLD {
                shared.told.set(true);
            }
            // refused while the node has not acknowledged the change before; when it has, this is polled
            // again
            if !shared.window.update(cx, |size| self.connection.set_initial_window_size(size).is_ok()) {
                return Poll::Pending;
            }
        }
    }
}
