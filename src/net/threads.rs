//! The data-plane threads: one current-thread runtime each, accepting on its own sockets, told by the control plane what to listen on.

use super::connection::{self, Accepted};
use crate::base::clock::Now;
use crate::listen::tls::SharedTls;
use crate::listen::{AcceptSocket, Address, BoundSocket, Peer};
use crate::proxy::worker::{Worker, WorkerConfig};
use crate::telemetry::Telemetry;
use crate::telemetry::log_writer::LogBuffer;
use crate::telemetry::recent::RecentDecisions;
use crate::telemetry::traces::Tracer;
use crate::transport::stream::Stream;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// What the control plane tells a thread.
pub enum Command {
    /// Accept on this socket for the listener with this index.
    Open {
        /// Names the socket to `Close`.
        door: u64,
        /// The listener's index in the table.
        listener: usize,
        /// The socket.
        socket: BoundSocket,
        /// Its TLS.
        tls: SharedTls,
    },
    /// Accept what is queued, then close the socket.
    Close(u64),
    /// Hand over the latest requests.
    Recall(oneshot::Sender<RecentDecisions>),
    /// Close all sockets, end all connections gracefully, then stop.
    Drain,
    /// Stop at once.
    Stop,
}

/// Asks each of these threads for its latest requests.
pub fn recall(threads: &[Thread]) -> Box<dyn Fn() -> Vec<oneshot::Receiver<RecentDecisions>>> {
    let threads: Vec<_> = threads.iter().map(|thread| thread.commands.clone()).collect();
    Box::new(move || {
        let ask = |thread: &mpsc::UnboundedSender<Command>| {
            let (reply, answer) = oneshot::channel();
            // a thread on its way out remembers nothing
            thread.send(Command::Recall(reply)).ok().map(|()| answer)
        };
        threads.iter().filter_map(ask).collect()
    })
}

/// A data-plane thread.
pub struct Thread {
    /// To tell it something.
    pub commands: mpsc::UnboundedSender<Command>,
    /// To wait for its end.
    pub handle: JoinHandle<()>,
}

/// Starts a thread.
pub fn spawn(number: usize, config: WorkerConfig) -> io::Result<Thread> {
    let WorkerConfig { current, log, traces, places, traffic } = config;
    let (commands, inbox) = mpsc::unbounded_channel();
    let handle = std::thread::Builder::new().name(format!("homing-{number}")).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().event_interval(61).build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!("data-plane thread {number} cannot start: {error}"),
        };
        let tasks = tokio::task::LocalSet::new();
        let run = tasks.run_until(async move {
            let telemetry = Telemetry::new(LogBuffer::new(log), traces.as_deref().map(Tracer::new), traffic);
            let worker = Worker::new(current, telemetry);
            Acceptors { worker, places, open: RefCell::default() }.run(inbox).await;
        });
        runtime.block_on(run);
    })?;
    Ok(Thread { commands, handle })
}

/// The sockets of one thread.
struct Acceptors {
    worker: Rc<Worker>,
    places: Arc<Semaphore>,
    open: RefCell<HashMap<u64, Acceptor>>,
}

/// Tells an accepting task to close, and waits for it.
type Acceptor = (Rc<Notify>, tokio::task::JoinHandle<()>);

impl Acceptors {
    async fn run(self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let mut housekeeping = tokio::time::interval(Duration::from_millis(100));
        let mut beat = 0u32;
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command::Open { door, listener, socket, tls }) => self.open(door, listener, socket, tls),
                    Some(Command::Close(door)) => self.close(door),
                    Some(Command::Recall(reply)) => drop(reply.send(self.worker.telemetry.recall())),
                    Some(Command::Drain) => break,
                    Some(Command::Stop) | None => return self.worker.telemetry.flush(),
                },
                _ = housekeeping.tick() => {
                    self.worker.telemetry.flush();
                    beat += 1;
                    if self.open.borrow().values().any(|(_, door)| door.is_finished()) {
                        // it accepts no more: the control plane sees the end of this thread
                        return self.worker.telemetry.flush();
                    }
                    if beat.is_multiple_of(10) { self.sweep() }
                }
            }
        }
        self.drain(inbox).await;
    }

    fn open(&self, door: u64, listener: usize, socket: BoundSocket, tls: SharedTls) {
        let socket = match socket.into_tokio() {
            Ok(socket) => socket,
            Err(error) => return tracing::error!("a socket cannot be used: {error}"),
        };
        let closing = Rc::new(Notify::new());
        let door_task = accept(self.worker.clone(), self.places.clone(), listener, socket, tls, closing.clone());
        self.open.borrow_mut().insert(door, (closing, tokio::task::spawn_local(door_task)));
    }

    fn close(&self, door: u64) {
        if let Some((closing, _)) = self.open.borrow_mut().remove(&door) {
            closing.notify_one();
        }
    }

    /// Ends gracefully: queued connections are served, requests finish, tunnels are told. Returns when nothing is open, or when told to stop.
    async fn drain(self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let closing: Vec<_> = self.open.borrow_mut().drain().map(|(_, door)| door).collect();
        let mut doors = Vec::new();
        for (notify, task) in closing {
            notify.notify_one();
            doors.push(task);
        }
        let ended = async {
            for door in doors {
                let _ = door.await;
            }
            self.worker.draining.send_replace(true);
            while self.worker.open.get() > 0 {
                self.worker.telemetry.flush();
                self.worker.flights.tell(&self.worker.table(), Now::look());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = ended => {}
            () = async { while !matches!(inbox.recv().await, Some(Command::Stop) | None) {} } => {}
        }
        self.worker.telemetry.flush();
    }

    fn sweep(&self) {
        let table = self.worker.table();
        let mut trusted = HashMap::new();
        for node in table.clusters.iter().flat_map(|c| c.nodes()) {
            trusted.insert(node.link.id, Duration::from_millis(node.link.reuse_ms.load(Relaxed)));
        }
        self.worker.pool.sweep(|link| trusted.get(&link).copied());
        self.worker.flights.tell(&table, Now::look());
    }
}

/// Accepts on one socket until told to close.
async fn accept(worker: Rc<Worker>, places: Arc<Semaphore>, listener: usize, socket: AcceptSocket, tls: SharedTls, closing: Rc<Notify>) {
    let port = match socket.address() {
        Ok(Address::Tcp(address)) => address.port(),
        _ => 0,
    };
    let start = |stream: Stream, peer: Peer, place: Option<OwnedSemaphorePermit>| {
        worker.telemetry.traffic.connected();
        let accepted = Accepted { listener, port, stream, peer, tls: tls.load_full() };
        tokio::task::spawn_local(connection::serve(worker.clone(), accepted, (worker.hold_open(), place)));
    };
    socket.accept_until(closing.notified(), &places, start).await;
    if let Err(error) = socket.quiesce() {
        tracing::debug!("closing without a filter: {error}");
    }
    socket.drain(|stream, peer| start(stream, peer, None)).await;
}
