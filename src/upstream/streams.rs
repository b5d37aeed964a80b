//! The streams that one worker may have to a node: over as many connections as they need, within a limit;
//! beyond it requests wait.

use super::backoff::Backoff;
use super::client_network::{ClientNetwork, FairShares};
use super::failure::{ExchangeFailure, SendError};
use super::limits::{ConnectionUse, ExchangeLimits};
use super::link::Link;
use super::shared::{ConnectionDriver, SharedConnection};
use super::usage::Usage;
use crate::base::clock::Now;
use crate::base::wait_guard::WaitGuard;
use crate::transport::receiving::Taking;
use crate::transport::window::{Admission, STREAMS, Share};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::sync::oneshot;

/// The connections to one node, and who waits for a stream.
pub struct Streams {
    link: Arc<Link>,
    usage: Arc<Usage>,
    connections: RefCell<Vec<Rc<SharedConnection>>>,
    opening: Cell<u32>,
    queue: RefCell<VecDeque<Waiter>>,
    /// Whose the streams are.
    shares: RefCell<FairShares>,
    /// Streams that a connection was last seen to allow.
    width: Cell<u32>,
    most: Cell<u32>,
    connect: Cell<Duration>,
    backoff: Backoff,
}

struct Waiter {
    client: ClientNetwork,
    over: ConnectionUse,
    give: oneshot::Sender<Result<StreamSlot, SendError>>,
}

/// A stream that may be opened. Given up by drop.
pub struct StreamSlot {
    shared: Rc<SharedConnection>,
    streams: Rc<Streams>,
    share: Share,
    client: ClientNetwork,
    /// The connection has served before, or serves others.
    pub(super) reused: bool,
    /// How long the connection was idle, if it was.
    pub(super) idle: Option<Duration>,
    /// Bytes of the answer that were taken since the window was last outgrown.
    taken: Cell<u64>,
}

enum Found {
    Here(StreamSlot),
    Soon,
    Nowhere,
}

impl Streams {
    pub(super) fn new(link: &Arc<Link>, usage: &Arc<Usage>) -> Rc<Self> {
        Rc::new(Self {
            link: link.clone(),
            usage: usage.clone(),
            connections: RefCell::default(),
            opening: Cell::default(),
            queue: RefCell::default(),
            shares: RefCell::default(),
            width: Cell::new(STREAMS),
            most: Cell::new(1),
            connect: Cell::default(),
            backoff: Backoff::default(),
        })
    }

    /// A stream for a request; and whether it was waited for.
    pub(super) async fn take(
        self: &Rc<Self>,
        limits: &ExchangeLimits<'_>,
    ) -> Result<(StreamSlot, bool), SendError> {
        self.most.set(limits.connections);
        self.connect.set(limits.connect);
        let (give, place) = oneshot::channel();
        let waiter = Waiter { client: limits.client, over: limits.over, give };
        if limits.over == ConnectionUse::New && self.may_open() {
            self.open(Some(waiter));
        } else {
            let may = self.may_have_more(limits.client);
            let found = if may { self.find(limits.client, limits.over, limits.now) } else { Found::Nowhere };
            let soon = match found {
                Found::Here(place) => return Ok((place, false)),
                Found::Soon => true,
                Found::Nowhere => false,
            };
            self.queue.borrow_mut().push_back(waiter);
            if !soon {
                self.open_more();
            }
        }
        let _waiting = WaitGuard::behind(limits.waiting);
        self.wait(place, limits.queue).await.map(|place| (place, true))
    }

    /// Whether the node offers WebSockets, as far as its connections tell.
    pub(super) fn takes_web_sockets(&self) -> Option<bool> {
        let connections = self.connections.borrow();
        connections.iter().filter(|c| !c.is_over()).find_map(|c| c.takes_web_sockets())
    }

    async fn wait(
        &self,
        mut place: oneshot::Receiver<Result<StreamSlot, SendError>>,
        within: Duration,
    ) -> Result<StreamSlot, SendError> {
        loop {
            match tokio::time::timeout(within, &mut place).await {
                Ok(Ok(taken)) => return taken,
                Ok(Err(_)) => {
                    return Err(SendError::new(ExchangeFailure::Connect, "the node is no longer there"));
                }
                // to open a connection has a limit of its own
                Err(_) if self.connections.borrow().is_empty() && self.opening.get() > 0 => {}
                Err(_) => {
                    return Err(SendError::new(
                        ExchangeFailure::Full,
                        format!("no stream to the node within {within:?}"),
                    ));
                }
            }
        }
    }

    /// A stream over a connection that is there.
    fn find(self: &Rc<Self>, client: ClientNetwork, over: ConnectionUse, now: Now) -> Found {
        let (kept, trusted) = (self.link.trusts(ConnectionUse::Any), self.link.trusts(over));
        let mut connections = self.connections.borrow_mut();
        connections.retain(|c| !c.is_over() && c.rests(now).is_none_or(|rests| rests < kept));
        let mut found = Found::Nowhere;
        for shared in connections.iter() {
            let idle = shared.idle(now);
            if idle.is_some_and(|idle| idle >= trusted) || shared.is_alone() {
                continue;
            }
            match self.admit(shared, client, idle) {
                Found::Nowhere => {}
                Found::Soon => found = Found::Soon,
                here @ Found::Here(_) => return here,
            }
        }
        found
    }

    /// A stream over this connection.
    fn admit(
        self: &Rc<Self>,
        shared: &Rc<SharedConnection>,
        client: ClientNetwork,
        idle: Option<Duration>,
    ) -> Found {
        let reused = shared.is_used();
        match shared.admit() {
            Admission::Now(share) => {
                self.shares.borrow_mut().take(client);
                let (shared, streams, taken) = (shared.clone(), self.clone(), Cell::default());
                Found::Here(StreamSlot { shared, streams, share, client, reused, idle, taken })
            }
            Admission::Soon => Found::Soon,
            Admission::Later => Found::Nowhere,
        }
    }

    fn may_have_more(&self, client: ClientNetwork) -> bool {
        self.shares.borrow().may_have_more(client, self.most.get().saturating_mul(self.width.get()))
    }

    /// Whether another connection may be opened; one that nobody uses makes room for it, unless it is unused
    /// because the node takes no streams as yet (RFC 9113 section 6.5.2), as it would over another.
    fn may_open(&self) -> bool {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|c| !c.is_over());
        if connections.len() as u32 + self.opening.get() < self.most.get() {
            return true;
        }
        let now = Now::look();
        let unused = connections.iter().position(|c| c.rests(now).is_some() && c.width() > 0);
        unused.map(|at| connections.remove(at)).is_some()
    }

    /// Opens as many connections as those who wait may need.
    fn open_more(self: &Rc<Self>) {
        let alone = self.opening.get() == 0 && self.connections.borrow().is_empty();
        if self.backoff.holds(alone, Now::look()) {
            return;
        }
        let waiting = self
            .queue
            .borrow()
            .iter()
            .filter(|w| !w.give.is_closed() && self.may_have_more(w.client))
            .count() as u32;
        let wanted = waiting.div_ceil(self.width.get().max(1));
        while self.opening.get() < wanted && self.may_open() {
            self.open(None);
        }
    }

    /// Opens a connection, for somebody or for all.
    fn open(self: &Rc<Self>, first: Option<Waiter>) {
        self.opening.set(self.opening.get() + 1);
        let streams = self.clone();
        tokio::task::spawn_local(async move {
            let opened = SharedConnection::open(&streams.link, &streams.usage, streams.connect.get()).await;
            streams.opening.set(streams.opening.get() - 1);
            match opened {
                Ok((shared, drive)) => {
                    streams.learn(&shared);
                    streams.connections.borrow_mut().push(shared.clone());
                    tokio::task::spawn_local(drive_to_end(drive, &shared, &streams));
                    first.into_iter().for_each(|first| streams.begin_alone(&shared, first));
                }
                Err(why) => {
                    streams.backoff.refused(Now::look());
                    streams.connections.borrow_mut().retain(|c| !c.is_over());
                    let alone = streams.connections.borrow().is_empty() && streams.opening.get() == 0;
                    let failed = if alone {
                        std::mem::take(&mut *streams.queue.borrow_mut())
                    } else {
                        VecDeque::new()
                    };
                    for waiter in first.into_iter().chain(failed) {
                        let _ = waiter.give.send(Err(why.clone()));
                    }
                }
            }
            streams.changed();
        });
    }

    /// Gives a new connection to the one request that it was opened for: its answer may have ended one that
    /// it shared, and others share this one only once there is an answer, which may take long: half of the
    /// connections remain for those who share.
    fn begin_alone(self: &Rc<Self>, shared: &Rc<SharedConnection>, first: Waiter) {
        match self.may_have_more(first.client).then(|| self.admit(shared, first.client, None)) {
            Some(Found::Here(place)) => {
                let alone = self.connections.borrow().iter().filter(|c| c.is_alone()).count() as u32;
                shared.set_alone(alone < self.most.get() / 2);
                // of one who left it comes back
                let _ = first.give.send(Ok(place));
            }
            _ => self.queue.borrow_mut().push_front(first),
        }
    }

    /// A node has said how many streams it takes.
    fn learn(&self, shared: &SharedConnection) {
        if shared.is_told() {
            self.width.set(shared.width());
        }
    }

    /// Whether somebody waits.
    fn is_waited_for(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// There may be more streams than before, or fewer connections.
    fn changed(self: &Rc<Self>) {
        self.serve();
        if self.is_waited_for() {
            self.open_more();
        }
    }

    /// Gives what is free to those who wait.
    fn serve(self: &Rc<Self>) {
        self.queue.borrow_mut().retain(|waiter| !waiter.give.is_closed());
        let (now, mut nowhere) = (Now::look(), Vec::new());
        while let Some((at, client, over)) = self.next(&nowhere) {
            match self.find(client, over, now) {
                Found::Here(place) => {
                    let waiter = self.queue.borrow_mut().remove(at);
                    // of one who left it comes back, and is given up
                    waiter.map(|waiter| waiter.give.send(Ok(place)));
                }
                _ if over == ConnectionUse::Any => return,
                _ => nowhere.push(over),
            }
        }
    }

    /// Who is next: of those who have the fewest streams, who has waited for longest. Not who wants one over
    /// what there is none of.
    fn next(&self, nowhere: &[ConnectionUse]) -> Option<(usize, ClientNetwork, ConnectionUse)> {
        let (queue, shares) = (self.queue.borrow(), self.shares.borrow());
        let may = queue
            .iter()
            .enumerate()
            .filter(|(_, w)| !nowhere.contains(&w.over) && self.may_have_more(w.client));
        may.min_by_key(|(_, w)| shares.of(w.client)).map(|(at, w)| (at, w.client, w.over))
    }

    /// Closes what has been idle too long. Whether anything is left.
    pub(super) fn sweep(&self, trusted: Duration, now: Now) -> bool {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|c| !c.is_over() && c.rests(now).is_none_or(|rests| rests < trusted));
        !connections.is_empty() || self.opening.get() > 0 || self.is_waited_for()
    }
}

/// Keeps a connection going to its end, which reaches the requests under way by itself, and gives to those
/// who wait what the node allows meanwhile.
fn drive_to_end(
    drive: ConnectionDriver,
    shared: &Rc<SharedConnection>,
    streams: &Rc<Streams>,
) -> impl Future<Output = ()> + use<> {
    // known before it is driven: one that has ended may be gone from the list before that is heard of
    let known = (shared.is_told(), shared.is_used());
    drive_known(drive, known, Rc::downgrade(shared), Rc::downgrade(streams))
}

async fn drive_known(
    mut drive: ConnectionDriver,
    known: (bool, bool),
    shared: Weak<SharedConnection>,
    streams: Weak<Streams>,
) {
    let ((mut told, mut was_of_use), mut learned) = (known, false);
    poll_fn(|cx| {
        let over = drive.poll(cx, shared.upgrade().as_deref()).is_ready();
        if let Some(shared) = shared.upgrade() {
            (told, was_of_use) = (shared.is_told(), shared.is_used());
            if let (Some(streams), false) = (streams.upgrade(), over) {
                // it may take more by now
                if streams.is_waited_for() || !learned {
                    streams.learn(&shared);
                    learned = told;
                }
                if streams.is_waited_for() {
                    streams.changed();
                }
            }
        }
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(drive);
    if let Some(shared) = shared.upgrade() {
        shared.retire();
    }
    let Some(streams) = streams.upgrade() else { return };
    if told && !was_of_use {
        streams.backoff.pause().await;
    }
    streams.changed();
}

impl StreamSlot {
    /// The connection it is on.
    pub(super) fn connection(&self) -> &SharedConnection {
        &self.shared
    }

    /// An answer is there: others may share the connection.
    pub(super) fn answered(&self) {
        if self.shared.is_alone() {
            self.shared.set_alone(false);
            self.streams.changed();
        }
    }
}

impl Taking for StreamSlot {
    fn took(&self, bytes: usize) {
        self.shared.window.took(&self.taken, bytes);
    }
    fn waits(&self, reader: &Waker) {
        self.shared.window.waits(&self.share, reader);
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.shared.give_back(&self.share);
        self.shared.set_alone(false);
        self.streams.shares.borrow_mut().give_back(self.client);
        if self.streams.is_waited_for() {
            self.streams.serve();
        }
    }
}
