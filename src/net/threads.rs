//! The data-plane threads: one current-thread runtime each, accepting on its own sockets, told by the control
//! plane what to listen on.

use super::connection::{self, Accepted};
use super::housekeeping;
use crate::base::tasks::kept;
use crate::listen::tls::SharedTls;
use crate::listen::{AcceptSocket, Address, BoundSocket, ConnectionPlaces, Peer};
use crate::proxy::worker::{Worker, WorkerConfig};
use crate::telemetry::Telemetry;
use crate::telemetry::log_writer::LogBuffer;
use crate::telemetry::recent::RecentDecisions;
use crate::telemetry::traces::Tracer;
use crate::telemetry::visitors::{AskWho, SessionVisitor};
use crate::transport::stream::Stream;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;

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
    /// There is another table, and perhaps another log: let go of those before, though no request comes.
    Refresh,
    /// Hand over the latest requests.
    Recall(oneshot::Sender<RecentDecisions>),
    /// Hand over who was seen in these sessions of a cluster.
    Who {
        /// The cluster's number.
        cluster: u32,
        /// The sessions, as the ledger knows them.
        sessions: Arc<[u64]>,
        /// To whom.
        reply: oneshot::Sender<Vec<SessionVisitor>>,
    },
    /// Close all sockets, end all connections gracefully, then stop.
    Drain,
    /// Stop at once.
    Stop,
}

/// A data-plane thread.
pub struct Thread {
    /// To tell it something.
    pub commands: mpsc::UnboundedSender<Command>,
    handle: JoinHandle<()>,
}

/// The data-plane threads.
pub struct Threads {
    all: Vec<Thread>,
    /// Of those that listen no more.
    left: ThreadEnds,
    ends: ThreadEnds,
}

/// How many threads have come to an end so far: of listening, or of all that they do.
#[derive(Clone)]
pub struct ThreadEnds(watch::Receiver<usize>);

impl ThreadEnds {
    /// Waits until one has. Cheap to give up.
    pub async fn first(&mut self) {
        self.come(1).await;
    }

    /// Waits until so many have, or all are gone.
    async fn come(&mut self, count: usize) {
        let _ = self.0.wait_for(|ended| *ended >= count).await;
    }
}

/// Says that its thread has come to that end, by a panic too.
struct EndSignal(watch::Sender<usize>);

impl Drop for EndSignal {
    fn drop(&mut self) {
        self.0.send_modify(|ended| *ended += 1);
    }
}

impl Threads {
    /// Starts so many.
    pub fn start(count: usize, config: &WorkerConfig) -> io::Result<Self> {
        let ((leave, left), (end, ends)) = (watch::channel(0), watch::channel(0));
        let start = |number| spawn(number, config.clone(), EndSignal(leave.clone()), EndSignal(end.clone()));
        let all = (0..count).map(start).collect::<io::Result<_>>()?;
        Ok(Self { all, left: ThreadEnds(left), ends: ThreadEnds(ends) })
    }

    /// Each of them.
    pub fn all(&self) -> &[Thread] {
        &self.all
    }

    /// Tells all of them something.
    pub fn send(&self, command: impl Fn() -> Command) {
        for thread in &self.all {
            // one that is gone is noticed by its end
            let _ = thread.commands.send(command());
        }
    }

    /// Tells of their ends.
    pub fn ends(&self) -> ThreadEnds {
        self.ends.clone()
    }

    /// Waits until none of them listens any more, which have been told to drain. Cheap to give up.
    pub async fn all_left(&mut self) {
        self.left.come(self.all.len()).await;
    }

    /// Waits until all of them have ended. Cheap to give up.
    pub async fn all_end(&mut self) {
        self.ends.come(self.all.len()).await;
    }

    /// Waits until all of them are gone, which have been told to.
    pub fn join(&mut self) {
        for thread in self.all.drain(..) {
            // a panic was told of when it happened
            let _ = thread.handle.join();
        }
    }

    /// What asks each of them for its latest requests.
    pub fn recall(&self) -> Box<dyn Fn() -> Vec<oneshot::Receiver<RecentDecisions>>> {
        let threads = self.commands();
        Box::new(move || ask_all(&threads, Command::Recall))
    }

    /// What asks each of them who was seen in some sessions of a cluster.
    pub fn who(&self) -> AskWho {
        let threads = self.commands();
        Box::new(move |cluster, sessions| {
            ask_all(&threads, |reply| Command::Who { cluster, sessions: sessions.clone(), reply })
        })
    }

    fn commands(&self) -> Vec<mpsc::UnboundedSender<Command>> {
        self.all.iter().map(|thread| thread.commands.clone()).collect()
    }
}

/// Asks each thread. One on its way out remembers nothing.
fn ask_all<T>(
    threads: &[mpsc::UnboundedSender<Command>],
    question: impl Fn(oneshot::Sender<T>) -> Command,
) -> Vec<oneshot::Receiver<T>> {
    let ask = |thread: &mpsc::UnboundedSender<Command>| {
        let (reply, answer) = oneshot::channel();
        thread.send(question(reply)).ok().map(|()| answer)
    };
    threads.iter().filter_map(ask).collect()
}

fn spawn(number: usize, config: WorkerConfig, leave: EndSignal, end: EndSignal) -> io::Result<Thread> {
    let WorkerConfig { current, log, traces, places, traffic } = config;
    let (commands, inbox) = mpsc::unbounded_channel();
    let handle = std::thread::Builder::new().name(format!("homing-{number}")).spawn(move || {
        let _end = end;
        let runtime =
            match tokio::runtime::Builder::new_current_thread().enable_all().event_interval(61).build() {
                Ok(runtime) => runtime,
                Err(error) => return tracing::error!("data-plane thread {number} cannot start: {error}"),
            };
        let tasks = tokio::task::LocalSet::new();
        let run = tasks.run_until(async move {
            let telemetry = Telemetry::new(LogBuffer::new(log), traces.as_deref().map(Tracer::new), traffic);
            let worker = Worker::new(current, telemetry);
            Acceptors { worker, places, open: HashMap::new(), tasks: JoinSet::new(), leave: Some(leave) }
                .run(inbox)
                .await;
        });
        runtime.block_on(run);
    })?;
    Ok(Thread { commands, handle })
}

/// The sockets of one thread.
struct Acceptors {
    worker: Rc<Worker>,
    places: Arc<ConnectionPlaces>,
    open: HashMap<u64, Acceptor>,
    /// Those that accept, and those that were told to close and empty their queues.
    tasks: JoinSet<()>,
    /// Gone once nothing is listened on any more, and nothing will be.
    leave: Option<EndSignal>,
}

/// Tells an accepting task to close, and which it is.
type Acceptor = (Rc<Notify>, tokio::task::Id);

impl Acceptors {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let (lines, house) = (self.worker.clone(), self.worker.clone());
        tokio::task::spawn_local(kept("the handing over of lines", move || {
            housekeeping::hand_over(lines.clone())
        }));
        tokio::task::spawn_local(kept("the housekeeping of a thread", move || {
            housekeeping::run(house.clone())
        }));
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command::Open { door, listener, socket, tls }) => self.open(door, listener, socket, tls),
                    Some(Command::Close(door)) => self.close(door),
                    Some(Command::Refresh) => {
                        drop(self.worker.table());
                        self.worker.telemetry.follow();
                    }
                    Some(Command::Recall(reply)) => drop(reply.send(self.worker.telemetry.recall())),
                    Some(Command::Who { cluster, sessions, reply }) => {
                        drop(reply.send(self.worker.telemetry.visitors(cluster, &sessions)));
                    }
                    Some(Command::Drain) => break,
                    Some(Command::Stop) | None => return self.worker.telemetry.flush(),
                },
                Some(ended) = self.tasks.join_next_with_id() => {
                    let ended = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    if self.open.values().any(|(_, task)| *task == ended) {
                        // it accepts no more, and nobody told it to: the control plane sees the end of this
                        // thread
                        return self.worker.telemetry.flush();
                    }
                }
            }
        }
        self.drain(inbox).await;
    }

    fn open(&mut self, door: u64, listener: usize, socket: BoundSocket, tls: SharedTls) {
        let socket = match socket.into_tokio() {
            Ok(socket) => socket,
            Err(error) => return tracing::error!("a socket cannot be used: {error}"),
        };
        let closing = Rc::new(Notify::new());
        let task = self.tasks.spawn_local(accept(
            self.worker.clone(),
            self.places.clone(),
            listener,
            socket,
            tls,
            closing.clone(),
        ));
        self.open.insert(door, (closing, task.id()));
    }

    fn close(&mut self, door: u64) {
        if let Some((closing, _)) = self.open.remove(&door) {
            closing.notify_one();
        }
    }

    /// Ends gracefully: queued connections are served, requests finish, tunnels are told. Returns when
    /// nothing is open, or when told to stop.
    async fn drain(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        for (closing, _) in self.open.values() {
            closing.notify_one();
        }
        let ended = async {
            while self.tasks.join_next().await.is_some() {}
            self.leave = None;
            self.worker.draining.send_replace(true);
            self.worker.nothing_is_open().await;
        };
        tokio::select! {
            () = ended => {}
            () = async { while !matches!(inbox.recv().await, Some(Command::Stop) | None) {} } => {}
        }
        self.worker.telemetry.flush();
    }
}

/// Accepts on one socket until told to close.
async fn accept(
    worker: Rc<Worker>,
    places: Arc<ConnectionPlaces>,
    listener: usize,
    socket: AcceptSocket,
    tls: SharedTls,
    closing: Rc<Notify>,
) {
    let port = match socket.address() {
        Ok(Address::Tcp(address)) => address.port(),
        _ => 0,
    };
    let opened = Rc::new(worker.table().listeners.get(listener).cloned().flatten());
    let start = |stream: Stream, peer: Peer, place: Option<OwnedSemaphorePermit>| {
        worker.telemetry.traffic.connected();
        let accepted =
            Accepted { listener, opened: opened.clone(), port, stream, peer, tls: tls.load_full() };
        tokio::task::spawn_local(connection::serve(worker.clone(), accepted, (worker.hold_open(), place)));
    };
    let place = async || places.free().clone().acquire_owned().await.ok();
    socket.accept_until(closing.notified(), place, start).await;
    if let Err(error) = socket.quiesce() {
        tracing::debug!("closing without a filter: {error}");
    }
    socket.drain(|stream, peer| start(stream, peer, None)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(end: EndSignal, run: impl FnOnce() + Send + 'static) -> Thread {
        let handle = std::thread::spawn(move || {
            let _end = end;
            run();
        });
        Thread { commands: mpsc::unbounded_channel().0, handle }
    }

    #[tokio::test]
    async fn the_end_of_a_thread_is_noticed_also_by_a_panic() {
        let (end, ends) = watch::channel(0);
        let (held, waits) = std::sync::mpsc::channel::<()>();
        let broken = thread(EndSignal(end.clone()), || assert_eq!(1, 2, "on purpose"));
        let waiting = thread(EndSignal(end), move || assert!(waits.recv().is_err()));
        let mut threads =
            Threads { all: vec![broken, waiting], left: ThreadEnds(ends.clone()), ends: ThreadEnds(ends) };
        threads.ends().first().await;
        drop(held);
        threads.all_end().await;
        threads.join();
    }
}
