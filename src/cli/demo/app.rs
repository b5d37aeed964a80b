//! The embedded application: N nodes on loopback ports, each with its own sessions, all on one thread of
//! their own. A node can be killed, which closes its listener and every connection as a dead process would,
//! and revived on the same port.

use super::answer;
use super::control::{DemoControl, DemoNode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

/// Pause after an accept or bind that failed, so that a lack of descriptors does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// The running demo nodes. Dropping it ends them.
pub struct Demo {
    control: Arc<DemoControl>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Demo {
    /// Starts that many nodes, `n1` and on; all of them accept when this returns.
    pub fn start(nodes: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listeners: Vec<TcpListener> = runtime.block_on(async {
            let mut listeners = Vec::with_capacity(nodes);
            for _ in 0..nodes {
                listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
            }
            io::Result::Ok(listeners)
        })?;
        let mut cells = Vec::with_capacity(nodes);
        for (index, listener) in listeners.iter().enumerate() {
            cells.push(DemoNode::new(format!("n{}", index + 1), listener.local_addr()?));
        }
        let control = Arc::new(DemoControl::new(cells));
        let (stop, stopped) = oneshot::channel();
        let shared = control.clone();
        let thread = std::thread::Builder::new().name("demo-nodes".into()).spawn(move || {
            let local = LocalSet::new();
            for (index, listener) in listeners.into_iter().enumerate() {
                local.spawn_local(live(shared.clone(), index, listener));
            }
            // An error means that the `Demo` is gone without a word, which is also a stop.
            let _ = local.block_on(&runtime, stopped);
        })?;
        Ok(Self { control, stop: Some(stop), thread: Some(thread) })
    }

    /// The nodes' names and addresses.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.control.nodes().iter().map(|node| (node.name().to_owned(), node.address())).collect()
    }

    /// Kills a node; true when it was alive and is dead now: its port refuses, its connections are closed,
    /// its sessions gone.
    pub fn kill(&self, node: &str) -> bool {
        self.control.find(node).is_some_and(|node| node.want(false) && node.wait_until(false))
    }

    /// Revives a node on its old port; true when it was dead and accepts again.
    pub fn revive(&self, node: &str) -> bool {
        self.control.find(node).is_some_and(|node| node.want(true) && node.wait_until(true))
    }

    /// Each node and whether it is alive.
    pub fn states(&self) -> Vec<(String, bool)> {
        self.control.nodes().iter().map(|node| (node.name().to_owned(), node.wanted())).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The lives of one node, one after the other.
async fn live(control: Arc<DemoControl>, index: usize, first: TcpListener) {
    let node = &control.nodes()[index];
    let mut wanted = node.watch();
    let mut listener = Some(first);
    loop {
        if let Some(listener) = listener.take() {
            tokio::select! {
                () = serve(&control, index, listener) => {}
                _ = wanted.wait_for(|alive| !alive) => {}
            }
            // The listener and all connections are closed by now: `serve` owned them.
            node.sessions().clear();
            node.report(false);
        }
        if wanted.wait_for(|alive| *alive).await.is_err() {
            return;
        }
        match TcpListener::bind(node.address()).await {
            Ok(bound) => {
                listener = Some(bound);
                node.report(true);
            }
            // Some other program may hold the port for a moment as the near end of a connection of its own.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// One life: accepts until dropped, and takes all its connections with it.
async fn serve(control: &Arc<DemoControl>, index: usize, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let control = control.clone();
        connections.spawn_local(async move {
            let service = service_fn(move |request| answer::answer(control.clone(), index, request));
            // A client that goes away in the middle is no news here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
