//! Where Apache's mod_heartbeat and Tomcat's HeartbeatListener are heard: one address for datagrams and for
//! POSTs, and multicast groups beside it. Neither knows a secret, so that only senders in the networks of the
//! conf are heard.

mod datagram_handler;
mod post;

use super::heartbeat_sink::{Dialect, HeartbeatSink};
use super::refused::RefusedBeats;
use crate::base::tasks::kept;
use crate::config::model::{self, Config};
use crate::heartbeat::datagram::{self, LONGEST};
use crate::listen::{
    BoundListener, ListenError, ListenFault, ListenerPlan, ListenerSet, SocketOptions, WantedAddress,
};
use crate::upstream::own_addresses::{OwnAddress, OwnAddressKind};
use datagram_handler::DatagramHandler;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tracing::debug;

/// Its key in the conf.
const KEY: &str = "server.mod-heartbeat";
/// New connections that may wait in the kernel's queue.
const BACKLOG: i32 = 128;
/// Datagrams that are read before others on the thread have their turn.
const AT_ONCE: usize = 64;

/// The address, while there is one.
pub struct ModHeartbeat {
    handler: Rc<DatagramHandler>,
    set: ListenerSet<JoinSet<()>>,
}

/// What a conf asks for, made ready.
pub struct Plan {
    conf: Option<model::ModHeartbeat>,
    listener: ListenerPlan,
}

impl ModHeartbeat {
    /// Nothing is open yet.
    pub fn new(beats: Rc<HeartbeatSink>, folder: &Path) -> Self {
        // shared: with the sockets that these replace at a reload
        let options = SocketOptions::new(Some(1), BACKLOG);
        let refused = RefusedBeats::of(Dialect::ModHeartbeat, &beats);
        let handler = DatagramHandler { beats, conf: RefCell::default(), refused };
        Self { handler: Rc::new(handler), set: ListenerSet::new("", options, &[], folder) }
    }

    /// Binds the address and joins the groups, if they are not open already. A failure changes nothing.
    pub fn prepare(&self, config: &Config) -> Result<Plan, ListenError> {
        let mut listener = ListenerPlan::default();
        let conf = config.server.mod_heartbeat.clone();
        if let Some(conf) = &conf {
            let of = |why| ListenError { listener: KEY.to_owned(), why };
            let address = conf.bind.parse().map_err(|why| of(ListenFault::Address(why)))?;
            let group = |group: &String| {
                group.parse().map_err(|why| of(ListenFault::Group { group: group.clone(), why }))
            };
            let groups = conf.groups.iter().map(group).collect::<Result<_, _>>()?;
            self.set.prepare(
                &mut listener,
                KEY,
                vec![WantedAddress::with_datagrams(address, groups)],
                (None, None),
            )?;
        }
        Ok(Plan { conf, listener })
    }

    /// Where it will be once the plan is committed.
    pub fn homes(&self, plan: &Plan) -> Vec<OwnAddress> {
        self.set
            .addresses(&plan.listener)
            .into_iter()
            .map(|place| OwnAddress { place, kind: OwnAddressKind::Control(KEY) })
            .collect()
    }

    /// Opens what was bound and closes what is not wanted any more. Returns what was opened. To be called in
    /// a `LocalSet`.
    pub fn commit(&mut self, plan: Plan) -> Option<String> {
        if let Some(conf) = plan.conf {
            self.handler.conf.replace(Rc::new(conf));
        }
        let handler = &self.handler;
        self.set.commit(plan.listener, |_, bound, _| open(bound, handler)).into_iter().next()
    }

    /// Closes the address, and waits until it is.
    pub async fn close(&mut self) {
        for mut tasks in self.set.close() {
            tasks.shutdown().await;
        }
    }
}

fn open(bound: BoundListener, handler: &Rc<DatagramHandler>) -> std::io::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for socket in bound.streams {
        let (tcp, heard) = (Rc::new(socket.into_tokio()?), handler.clone());
        tasks.spawn_local(kept(KEY, move || post::accept(tcp.clone(), heard.clone())));
    }
    for socket in bound.datagrams {
        let (udp, heard) = (Rc::new(UdpSocket::from_std(socket)?), handler.clone());
        tasks.spawn_local(kept(KEY, move || listen(udp.clone(), heard.clone())));
    }
    Ok(tasks)
}

async fn listen(socket: Rc<UdpSocket>, handler: Rc<DatagramHandler>) {
    // one byte more than a message may have, so that a longer one is told from the longest
    let mut buffer = [0; LONGEST + 1];
    for n in 1usize.. {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                let from = from.ip().to_canonical();
                if handler.admits(from) {
                    // whoever sends a datagram is told nothing, the log and the counters are
                    handler.handle(datagram::read_udp(&buffer[..length], from), from).await.ok();
                }
            }
            Err(error) => {
                debug!("{KEY}: {error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        if n.is_multiple_of(AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
}
