//! An application server: HTTP/1.1 over plain threads, with a log of what reached it and switches that make
//! it misbehave.

use super::app;
use super::port::free_addr;
use super::wire::{Head, Wire, read_head};
use std::collections::HashMap;
use std::io::BufReader;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How the application marks its sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sessions {
    /// Not at all: stickiness shows by the node's name alone.
    #[default]
    None,
    /// `JSESSIONID=<id>.<route>`, as Tomcat with a jvmRoute does; also read from `;jsessionid=`.
    Jvm(String),
    /// A cookie of this name with a bare random id, such as PHPSESSID.
    Plain(String),
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: Head,
    /// `x-test-id` of the request, or "".
    pub id: String,
}

/// What the threads of one server share.
pub struct State {
    pub name: String,
    pub sessions: Sessions,
    /// Visits by session id.
    pub visits: Mutex<HashMap<String, u64>>,
    pub seen: Mutex<Vec<Seen>>,
    pub accepted: AtomicUsize,
    pub stalled: AtomicBool,
    /// What `/hz` answers: 200 unless a test says otherwise.
    pub check: AtomicUsize,
    /// Lets the answer behind `/early-hints?wait=1` go.
    pub go_on: AtomicBool,
    pub body_bytes: AtomicU64,
    /// Requests of `/slow` that have no answer yet, and the most there ever were at one time.
    pub busy: AtomicUsize,
    pub peak: AtomicUsize,
    /// A connection idle for so many milliseconds is closed; 0 for never.
    pub idle_ms: AtomicU64,
    /// A connection is closed, unannounced, after so many requests; 0 for never.
    pub per_connection: AtomicUsize,
    running: AtomicBool,
    open: Mutex<HashMap<u64, TcpStream>>,
}

/// A running server. Dropping it ends it.
pub struct Origin {
    pub state: Arc<State>,
    pub addr: SocketAddr,
    /// The thread that accepts, while there is one.
    door: Mutex<Option<JoinHandle<()>>>,
}

impl Origin {
    /// A server without sessions of its own.
    pub fn start(name: &str) -> Self {
        Self::with(name, Sessions::None)
    }

    /// A server that keeps sessions in its memory.
    pub fn with(name: &str, sessions: Sessions) -> Self {
        Self::on(&free_addr().to_string(), name, sessions)
    }

    /// A server on an address of the caller's choice.
    pub fn on(addr: &str, name: &str, sessions: Sessions) -> Self {
        let listener = TcpListener::bind(addr).expect("an origin binds");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State {
            name: name.to_owned(),
            sessions,
            visits: Mutex::default(),
            seen: Mutex::default(),
            accepted: AtomicUsize::new(0),
            stalled: AtomicBool::new(false),
            check: AtomicUsize::new(200),
            go_on: AtomicBool::new(false),
            body_bytes: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            idle_ms: AtomicU64::new(0),
            per_connection: AtomicUsize::new(0),
            running: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let origin = Self { state, addr, door: Mutex::default() };
        origin.accept(listener);
        origin
    }

    /// `count` servers named n1, n2, …
    pub fn several(count: usize) -> Vec<Self> {
        (1..=count).map(|i| Self::start(&format!("n{i}"))).collect()
    }

    /// `count` servers that mark sessions with JSESSIONID and their own name as jvmRoute.
    pub fn tomcats(count: usize) -> Vec<Self> {
        (1..=count).map(|i| Self::with(&format!("n{i}"), Sessions::Jvm(format!("n{i}")))).collect()
    }

    /// `count` servers that mark sessions with a plain cookie.
    pub fn phps(count: usize) -> Vec<Self> {
        (1..=count).map(|i| Self::with(&format!("n{i}"), Sessions::Plain("PHPSESSID".into()))).collect()
    }

    pub fn name(&self) -> &str {
        &self.state.name
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many requests arrived.
    pub fn hits(&self) -> usize {
        self.state.seen.lock().unwrap().len()
    }

    /// How many times the request with this `x-test-id` arrived.
    pub fn arrivals(&self, id: &str) -> usize {
        self.state.seen.lock().unwrap().iter().filter(|s| s.id == id).count()
    }

    /// The requests that arrived, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// How many live sessions are in its memory.
    pub fn session_count(&self) -> usize {
        self.state.visits.lock().unwrap().len()
    }

    /// From now on it accepts and reads, but does not answer.
    pub fn stall(&self) {
        self.state.stalled.store(true, Ordering::SeqCst);
    }

    /// What its check is answered from now on.
    pub fn check_says(&self, status: usize) {
        self.state.check.store(status, Ordering::SeqCst);
    }

    /// Answers again, also what had been waiting.
    pub fn resume(&self) {
        self.state.stalled.store(false, Ordering::SeqCst);
    }

    /// Closes its port and every connection. Its memory of sessions goes with it, as when a process dies.
    pub fn kill(&self) {
        self.close();
        self.state.visits.lock().unwrap().clear();
    }

    /// Listens on its old address again.
    pub fn revive(&self) {
        self.accept(TcpListener::bind(self.addr).expect("the origin binds its old port"));
    }

    fn accept(&self, listener: TcpListener) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let state = self.state.clone();
        state.running.store(true, Ordering::SeqCst);
        let door = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !state.running.load(Ordering::SeqCst) {
                    return;
                }
                state.accepted.fetch_add(1, Ordering::SeqCst);
                let key = NEXT.fetch_add(1, Ordering::Relaxed);
                if let Ok(copy) = stream.try_clone() {
                    state.open.lock().unwrap().insert(key, copy);
                }
                let state = state.clone();
                std::thread::spawn(move || serve(&state, stream, key));
            }
        });
        *self.door.lock().unwrap() = Some(door);
    }

    /// Nothing of it answers any more when this is over: the port refuses, and every connection is shut.
    fn close(&self) {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.state.running.store(false, Ordering::SeqCst);
        if let Some(door) = door {
            // it sleeps in accept(); a connection wakes it so that it sees the flag and closes the port
            let _ = TcpStream::connect(self.addr);
            let _ = door.join();
        }
        for (_, stream) in self.state.open.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.close();
    }
}

/// Runs until the process is killed: the body of `examples/origin.rs`.
pub fn serve_forever(addr: &str, name: &str, sessions: Sessions) -> ! {
    let origin = Origin::on(addr, name, sessions);
    println!("{}", origin.addr);
    loop {
        std::thread::park();
    }
}

/// What a handled request means for its connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Then {
    Keep,
    Close,
}

fn serve(state: &Arc<State>, stream: TcpStream, key: u64) {
    let _ = stream.set_nodelay(true);
    let idle = state.idle_ms.load(Ordering::SeqCst);
    // As with real servers, a limit between requests is not one on the first: on a busy machine that may be
    // late.
    let mut wire = BufReader::new(stream);
    let mut served = 0;
    while let Ok(Some(head)) = read_head(&mut wire) {
        let _ = wire.get_ref().set_read_timeout(None);
        served += 1;
        let last = served == state.per_connection.load(Ordering::SeqCst);
        if one(state, &mut wire, head) == Then::Close || last {
            break;
        }
        let _ = wire.get_ref().set_read_timeout((idle > 0).then(|| Duration::from_millis(idle)));
    }
    let _ = wire.get_ref().shutdown(Shutdown::Both);
    state.open.lock().unwrap().remove(&key);
}

fn one(state: &Arc<State>, wire: &mut Wire<TcpStream>, head: Head) -> Then {
    let id = head.get("x-test-id").unwrap_or("").to_owned();
    state.seen.lock().unwrap().push(Seen { head: head.clone(), id });
    while state.stalled.load(Ordering::SeqCst) && state.running.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let close = head.says("connection", "close");
    match app::answer(state, wire, &head) {
        Ok(Then::Keep) if !close => Then::Keep,
        _ => Then::Close,
    }
}
